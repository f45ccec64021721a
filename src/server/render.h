/* Rows of the store as JSON of the API. The functions with a tx read what hangs on the row. */
#ifndef SLIPWAY_SERVER_RENDER_H
#define SLIPWAY_SERVER_RENDER_H

#include "model/job.h"
#include "text/json.h"

struct arena;
struct artifact;
struct err;
struct event;
struct lane;
struct server;
struct target;
struct tx;
struct worker;

/* An object; with `with_more` it is left open for the caller to add to. */
int render_job(struct tx *tx, const struct job *j, struct arena *a, struct json_writer *w, bool with_more,
	       struct err *e);
int render_payload(const struct job *j, struct arena *a, struct json_writer *w, struct err *e);
void render_attempt(const struct attempt *t, struct json_writer *w);
void render_artifact(const struct artifact *f, struct json_writer *w);
void render_event(const struct event *v, struct json_writer *w);
/* `jobs`: what it holds. */
void render_worker(struct server *s, const struct worker *k, const struct job *jobs, size_t n,
		   struct arena *a, struct json_writer *w);
void render_target(const struct target *t, struct json_writer *w);
/* "a,b" → ["a","b"] */
void render_tags(const char *tags, struct json_writer *w);
/* The value, or null for none. */
void render_optional(struct json_writer *w, const char *key, int64_t value, int64_t none);

#endif

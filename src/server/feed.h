/* What the files of the feed share. */
#ifndef SLIPWAY_SERVER_FEED_H
#define SLIPWAY_SERVER_FEED_H

#include "server/lease.h"

struct kind_context;
struct payload;
struct feed_ends;

/* A list of [job, attempt]. *is_there: the field was given. */
int feed_decode_attempts(const json_t *o, const char *key, struct arena *a, struct attempt_id **out,
			 size_t *n, bool *is_there, struct err *e);
void feed_write_attempt(struct json_writer *w, int64_t job, int attempt);
struct kind_context feed_kind_context(struct server *s, const struct job_facts *f, const struct payload *p);

/* Ends that the server itself gives to attempts, outside of any request: they are recorded when they can be. */
struct feed_ends *feed_ends_new(struct server *s, const struct worker *w, size_t n);
void feed_ends_add(struct feed_ends *f, const struct job *j, enum attempt_outcome o, enum job_reason r,
		   const char *detail);
void feed_ends_post(struct feed_ends *f);

/* The routes. */
void feed_register(struct ask *a);
void feed_lease(struct ask *a);
void feed_beat(struct ask *a);
void feed_leave(struct ask *a);
void feed_log(struct ask *a);
/* routes_tokens.c */
void feed_join(struct ask *a);
void feed_rotate(struct ask *a);

#endif

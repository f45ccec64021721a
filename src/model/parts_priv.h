/* What bodies, payloads and specs have in common, in and out of JSON: limits, inputs, environment, lists of words.
 * Decoded strings are copied into the arena. Pure; any thread. */
#ifndef SLIPWAY_MODEL_PARTS_PRIV_H
#define SLIPWAY_MODEL_PARTS_PRIV_H

#include <stdbool.h>

#include "model/job.h"
#include "text/json.h"

struct arena;
struct err;

/* "key":{…} or nothing if all limits are the default. */
void limits_encode(struct json_writer *w, const char *key, const struct job_limits *l);
/* The field of that name in `o`. `is_strict` refuses names that are no limit. */
int limits_decode(const json_t *o, const char *key, bool is_strict, struct job_limits *l, struct err *e);

void inputs_encode(struct json_writer *w, const char *key, const struct job_input *inputs, size_t n);
int inputs_decode(const json_t *o, const char *key, bool is_strict, struct arena *a,
		  const struct job_input **inputs, size_t *n, struct err *e);

void env_encode(struct json_writer *w, const char *key, const struct env_var *env, size_t n);
int env_decode(const json_t *o, const char *key, struct arena *a, const struct env_var **env, size_t *n,
	       struct err *e);

/* NULL-terminated lists; NULL and empty are written as nothing, nothing is read as NULL. */
void words_encode(struct json_writer *w, const char *key, const char *const *words);
int words_decode(const json_t *o, const char *key, struct arena *a, const char *const **words, struct err *e);
/* json_get_str() with the text copied into the arena. */
int text_decode(const json_t *o, const char *key, const char *dflt, struct arena *a, const char **out,
		struct err *e);

#endif

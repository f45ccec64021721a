/* The one body that asks for a job (a --batch line, POST /v1/jobs), JSON in and out.
 *
 *   {"argv":[…],"kind":"command","name":…,"priority":0,"needs":[7,"#3"],"run_at":"2026-…Z","timeout":s,"silence":s,
 *    "max_attempts":1,"retry_delay":s,"limits":{"memory":b,"pids":n,…: model/limits.h},
 *    "env":{"K":"V"},"inputs":[{"name":…,"sha256":…,"size":n,"mode":"0755"}],
 *    "collect":["*.deb"],"isolation":"none","target":…,"arch":…,"tags":[…],"dedupe":…,"owner":…,"suspended":false}
 *
 * and, by kind, one object of its own: "build":{"type":…,"source":…}, "recipe":{"text":…,"targets":[…]},
 * "make":{…} for kind target. Unknown and repeated fields are refused. Pure; any thread. */
#ifndef SLIPWAY_MODEL_SUBMIT_H
#define SLIPWAY_MODEL_SUBMIT_H

#include <stddef.h>

#include "model/job.h"

struct arena;
struct err;
struct json_t;

/* What a job runs and with what, as the payload column keeps it. */
struct payload {
	const char *const *argv; /* NULL-terminated; NULL if none */
	const struct env_var *env;
	size_t env_len;
	const struct job_input *inputs;
	size_t inputs_len;
	const char *const *collect; /* NULL-terminated; NULL if none */
	struct job_limits limits;
	const char *detail; /* the kind's own object as canonical JSON, or NULL */
};

/* Check a body and fill `out`. `line` > 0 is its number in a batch: "#n" may name lines before and after it;
 * 0 = no batch. An error in a batch names the line. owner "" = not given; name "" = the kind is to find one. What only
 * a kind knows (is the detail right?) is checked by the kind's check() after this. */
int submit_decode(const struct json_t *body, int line, struct arena *a, struct job_new *out, struct err *e);
int payload_decode(const char *json, struct arena *a, struct payload *out, struct err *e);
/* The canonical text submit_decode() stores; for jobs the server makes itself. NULL: out of memory. */
char *payload_encode(const struct payload *p, struct arena *a);

#endif

/* What the kinds share: a plan from a build type, and what a step may say in result.json. */
#ifndef SLIPWAY_KIND_KIND_PRIV_H
#define SLIPWAY_KIND_KIND_PRIV_H

#include "kind/kind.h"

struct build_type;

extern const struct kind kind_command, kind_build, kind_recipe, kind_target;

/* Job and payload into the spec: number, name, inputs, environment, limits, times. No steps. */
void plan_begin(const struct kind_context *c, struct spec *s);
/* The root image of its target; ERR_NOT_FOUND if there is none yet. */
int plan_chroot(const struct kind_context *c, struct spec *s, struct err *e);
/* A type's steps, files (as inputs), patterns, times and scratch; `env` is added to the job's own and wins. */
int plan_type(const struct kind_context *c, const char *type, const struct env_var *env, size_t env_len,
	      struct arena *a, struct spec *s, struct err *e);

/* result.json: bounded, checked, and still only what untrusted code says. NULL = not told. */
struct step_result {
	const char *version; /* [A-Za-z0-9.+:~-]*, at most 200 */
	const char *missing; /* joined by ", "; no control characters */
	const char *step;
	const char *message; /* one line, OUTCOME_DETAIL_MAX */
	enum job_reason reason;
};
/* What cannot be read counts as not told. */
void step_result_read(const char *json, struct arena *a, struct step_result *out);

/* The effects that are just what the worker said. */
void settle_begin(const struct outcome *o, struct kind_effects *out);
/* A success turned into a failure. */
void settle_fail(struct kind_effects *out, enum job_reason r, const char *detail);

/* ERR_INVALID if the body has an argv; `kind` is its name. */
int check_no_argv(const struct payload *p, enum job_kind kind, struct err *e);

#endif

/* What each kind of job does, as pure functions: job → spec, outcome → result. One entry a kind in kinds.c; nothing
 * else in the system knows kinds apart. No I/O: whoever calls has read what is needed and does what is asked for.
 * Any thread. Read next: kind/build_type.h, model/spec.h. */
#ifndef SLIPWAY_KIND_KIND_H
#define SLIPWAY_KIND_KIND_H

#include <stdbool.h>

#include "model/job.h"
#include "model/spec.h"
#include "model/submit.h"

struct arena;
struct build_types;
struct err;

/* What a kind may look at when it plans or settles. */
struct kind_context {
	const struct job *job;
	const struct payload *payload;
	const struct build_types *types;
	/* The job's target; image "" if it has none (yet). suite/arch "" without a target. */
	const char *target_suite, *target_arch, *target_image;
	/* Detail rows, "" if not of that kind. */
	const char *build_type, *build_source, *recipe_text;
};

/* What a finished attempt makes happen, in the transaction that records its end. */
struct kind_effects {
	/* The outcome as the kind sees it; starts as what the worker said. DEPWAIT only comes from here. */
	enum attempt_outcome outcome;
	enum job_reason reason;
	const char *step, *detail;
	const char *version; /* of a build; NULL = not told */
	/* Follow-up jobs, in the chain of this one; to be checked by their kind like any other before they are born. */
	const struct job_new *births;
	size_t births_len;
	const struct artifact *image; /* the artifact that is the target's new root image, or NULL */
	bool is_target_failed;	      /* the target's making has failed */
};

struct kind {
	enum job_kind id;
	const char *summary;
	/* Check the kind's own part of a body and fill in its defaults (isolation, arch, name, build…). NULL: nothing to
	 * check. `target` fields of the context are those of news->target. */
	int (*check)(struct job_new *news, const struct kind_context *c, struct arena *a, struct err *e);
	/* The spec of the job's newest attempt. An error is an outcome: the attempt fails with the error's text, reason
	 * target for ERR_NOT_FOUND, input for ERR_INVALID, internal for others. */
	int (*plan)(const struct kind_context *c, struct arena *a, struct spec *out, struct err *e);
	/* NULL: the outcome is all there is to it. */
	int (*settle)(const struct kind_context *c, const struct outcome *o, struct arena *a,
		      struct kind_effects *out, struct err *e);
	/* Names of targets that its follow-up jobs will use, NULL-terminated: they must exist when the body is accepted.
	 * NULL: none. *out may become NULL too. */
	int (*targets)(const struct job_new *news, struct arena *a, const char *const **out, struct err *e);
	bool needs_target;
};

/* What the body of a job of kind target asks for ("make":{…}). */
struct target_make {
	bool is_update;
	const char *suite, *arch, *components; /* of create */
	const char *const *include;	       /* packages besides the build tools; NULL = none */
};
/* From news->payload (after check) or a stored payload. */
int target_make_decode(const char *payload, struct arena *a, struct target_make *out, struct err *e);

/* NULL: this version has no such kind. */
const struct kind *kind_find(enum job_kind id);
const struct kind *kind_at(size_t i); /* NULL at the end */

#endif

/* Kind build: a source, by a build type, in a target. */
#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/path.h"
#include "kind/build_type.h"
#include "kind/kind_priv.h"
#include "text/json.h"
#include "text/utf8.h"

static bool is_source(const struct build_type *t, const char *name)
{
	if (!t->sources)
		return true;
	for (const char *const *glob = t->sources; *glob; glob++)
		if (path_matches(*glob, name))
			return true;
	return false;
}

static int check_sources(const struct build_type *t, const struct payload *p, struct err *e)
{
	if (t->sources && !p->inputs_len)
		return err_set(e, ERR_INVALID, "inputs: a build of type %s needs a source", t->name);
	for (size_t i = 0; i < p->inputs_len; i++)
		if (!is_source(t, p->inputs[i].name))
			return err_set(e, ERR_INVALID, "inputs: %.100s is nothing a build of type %s takes",
				       p->inputs[i].name, t->name);
	return 0;
}

static int check_target(struct job_new *news, const struct kind_context *c, struct arena *a, struct err *e)
{
	if (!news->target[0])
		return err_set(e, ERR_INVALID, "target: missing");
	if (!c->target_arch || !c->target_arch[0])
		return err_set(e, ERR_NOT_FOUND, "target %s does not exist", news->target);
	if (news->arch[0] && strcmp(news->arch, c->target_arch) != 0)
		return err_set(e, ERR_INVALID, "arch: target %s is for %s", news->target, c->target_arch);
	news->arch = arena_strdup(a, c->target_arch);
	/* A build is never native: none is what a body says that says nothing. */
	if (news->isolation == ISOLATION_NONE)
		news->isolation = ISOLATION_CHROOT;
	return news->arch ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

/* "hello_2.10-3" of "hello_2.10-3.dsc". */
static const char *source_name(const char *source, struct arena *a)
{
	const char *base = path_base(source);
	size_t n = strlen(base);
	if (n > 4 && strcmp(base + n - 4, ".dsc") == 0)
		n -= 4;
	return arena_strndup(a, base, utf8_cut(base, n, JOB_NAME_MAX));
}

static int check_fields(const struct payload *p, struct err *e)
{
	static const char *const fields[] = { "type", "source", NULL };
	CLEAN_JSON json_t *detail = p->detail ? json_parse("build", p->detail, strlen(p->detail), e) : NULL;
	if (!detail)
		return p->detail ? -1 : err_set(e, ERR_INVALID, "build: missing");
	return json_check_fields(detail, fields, e) < 0 ? err_wrap(e, "build") : 0;
}

static int check_build(struct job_new *news, const struct kind_context *c, struct arena *a, struct err *e)
{
	struct payload p;
	if (payload_decode(news->payload, a, &p, e) < 0 || check_no_argv(&p, KIND_BUILD, e) < 0 ||
	    check_fields(&p, e) < 0)
		return -1;
	const char *type = news->build.type && news->build.type[0] ? news->build.type : "deb";
	const struct build_type *t = build_types_find(c->types, type);
	if (!t || t->is_internal)
		return err_set(e, ERR_INVALID, "build: type: there is no build type %.60s", type);
	news->build.type = t->name;
	if (check_sources(t, &p, e) < 0 || check_target(news, c, a, e) < 0)
		return -1;
	if (!news->build.source || !news->build.source[0])
		news->build.source = p.inputs_len ? p.inputs[0].name : t->name;
	if (!news->build.version)
		news->build.version = "";
	if (!news->name[0])
		news->name = source_name(news->build.source, a);
	return news->name ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int plan_build(const struct kind_context *c, struct arena *a, struct spec *out, struct err *e)
{
	plan_begin(c, out);
	const struct env_var env[] = {
		{ "SLIPWAY_BUILD_TYPE", c->build_type },   { "SLIPWAY_SOURCE", c->build_source },
		{ "SLIPWAY_TARGET", c->job->target },	   { "SLIPWAY_TARGET_SUITE", c->target_suite },
		{ "SLIPWAY_TARGET_ARCH", c->target_arch },
	};
	return plan_chroot(c, out, e) < 0 || plan_type(c, c->build_type, env, ARRAY_LEN(env), a, out, e) < 0
		       ? -1
		       : 0;
}

/* Did the step that ended it run as root, before any code of the source could? Then its word on the reason counts. */
static bool is_trusted_step(const struct kind_context *c, const char *step)
{
	const struct build_type *t = build_types_find(c->types, c->build_type);
	for (size_t i = 0; t && i < t->steps_len; i++)
		if (strcmp(t->steps[i].name, step) == 0)
			return t->steps[i].user == USER_ROOT;
	return false;
}

static int settle_build(const struct kind_context *c, const struct outcome *o, struct arena *a,
			struct kind_effects *out, struct err *e)
{
	struct step_result r;
	settle_begin(o, out);
	step_result_read(o->result, a, &r);
	out->version = r.version;
	/* Only an error status is the step's own word; a limit or a signal says more than a file written before it. */
	if (o->outcome != OUTCOME_FAILED)
		return 0;
	if (r.step)
		out->step = r.step;
	if (o->reason == REASON_TIMEOUT || o->reason == REASON_SILENCE || o->signal)
		return 0;
	if (r.message)
		out->detail = r.message;
	if (r.missing) {
		out->outcome = OUTCOME_DEPWAIT;
		out->reason = REASON_DEPWAIT;
		out->detail = r.missing;
	} else if (r.reason == REASON_TARGET || r.reason == REASON_INPUT) {
		if (is_trusted_step(c, o->step))
			out->reason = r.reason;
	}
	return 0;
}

const struct kind kind_build = {
	.id = KIND_BUILD,
	.summary = "build a source in a target",
	.check = check_build,
	.plan = plan_build,
	.settle = settle_build,
	.needs_target = true,
};

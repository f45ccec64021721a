#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"
#include "kind/build_type.h"
#include "kind/kind_priv.h"

enum { GRACE_MS = 10000 };

void plan_begin(const struct kind_context *c, struct spec *s)
{
	const struct job *j = c->job;
	const struct payload *p = c->payload;
	*s = (struct spec){
		.job = j->id,
		.attempt = j->attempt,
		.name = j->name,
		.isolation = j->isolation,
		.target = "",
		.hostname = "",
		.inputs = p->inputs,
		.inputs_len = p->inputs_len,
		.env = p->env,
		.env_len = p->env_len,
		.collect = p->collect,
		.limits = p->limits,
		.timeout_ms = j->timeout_ms,
		.silence_ms = j->silence_ms,
		.grace_ms = GRACE_MS,
	};
}

int plan_chroot(const struct kind_context *c, struct spec *s, struct err *e)
{
	const char *image = c->target_image;
	if (!image || strlen(image) != 64)
		return err_set(e, ERR_NOT_FOUND, "target %s has no image yet", c->job->target);
	s->target = c->job->target;
	/* The same name everywhere: what a build prints must not depend on where it ran. */
	s->hostname = "slipway";
	memcpy(s->image, image, sizeof s->image);
	return 0;
}

static int add_files(const struct build_type *t, struct arena *a, struct spec *s, struct err *e)
{
	size_t n = s->inputs_len;
	struct job_input *inputs = arena_array(a, n + t->files_len, sizeof *inputs);
	if (!inputs)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		inputs[i] = s->inputs[i];
	for (size_t i = 0; i < t->files_len; i++) {
		const struct build_type_file *f = &t->files[i];
		struct job_input *in = &inputs[n + i];
		*in = (struct job_input){ .name = path_join_in(a, ".type", f->name),
					  .size_bytes = (int64_t)f->len,
					  .mode = f->mode };
		if (!in->name)
			return err_set(e, ERR_NOMEM, "out of memory");
		memcpy(in->sha256, f->sha256, sizeof in->sha256);
	}
	s->inputs = inputs;
	s->inputs_len = n + t->files_len;
	return 0;
}

static int add_collect(const struct build_type *t, struct arena *a, struct spec *s, struct err *e)
{
	size_t mine = 0, theirs = 0;
	while (s->collect && s->collect[mine])
		mine++;
	while (t->collect && t->collect[theirs])
		theirs++;
	const char **collect = arena_array(a, mine + theirs + 1, sizeof *collect);
	if (!collect)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < theirs; i++)
		collect[i] = t->collect[i];
	for (size_t i = 0; i < mine; i++)
		collect[theirs + i] = s->collect[i];
	s->collect = collect;
	return 0;
}

static int add_env(const struct env_var *env, size_t env_len, struct arena *a, struct spec *s, struct err *e)
{
	struct env_var *all = arena_array(a, s->env_len + env_len + 1, sizeof *all);
	size_t n = 0;
	if (!all)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < env_len; i++)
		all[n++] = env[i];
	for (size_t i = 0; i < s->env_len; i++) {
		size_t k = 0;
		while (k < env_len && strcmp(env[k].name, s->env[i].name) != 0)
			k++;
		if (k == env_len)
			all[n++] = s->env[i];
	}
	s->env = all;
	s->env_len = n;
	return 0;
}

int plan_type(const struct kind_context *c, const char *type, const struct env_var *env, size_t env_len,
	      struct arena *a, struct spec *s, struct err *e)
{
	const struct build_type *t = build_types_find(c->types, type);
	if (!t)
		return err_set(e, ERR_INVALID, "there is no build type %s any more", type);
	s->steps = t->steps;
	s->steps_len = t->steps_len;
	s->scratch = t->scratch;
	if (!s->timeout_ms)
		s->timeout_ms = t->timeout_ms;
	if (!s->silence_ms)
		s->silence_ms = t->silence_ms;
	return add_files(t, a, s, e) < 0 || add_collect(t, a, s, e) < 0 || add_env(env, env_len, a, s, e) < 0
		       ? -1
		       : 0;
}

int check_no_argv(const struct payload *p, enum job_kind kind, struct err *e)
{
	return p->argv ? err_set(e, ERR_INVALID, "argv: is not for jobs of kind %s", kind_name(kind)) : 0;
}

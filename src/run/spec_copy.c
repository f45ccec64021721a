#include "run/spec_copy_priv.h"

#include "base/arena.h"
#include "base/err.h"
#include "base/path.h"
#include "model/spec.h"

static const char *const *copy_list(const char *const *from, struct arena *a)
{
	size_t n = 0;
	if (!from)
		return NULL;
	while (from[n])
		n++;
	const char **to = arena_array(a, n + 1, sizeof *to);
	for (size_t i = 0; to && i < n; i++)
		if (!(to[i] = arena_strdup(a, from[i])))
			return NULL;
	return to;
}

static const char *copy_text(const char *text, struct arena *a)
{
	return arena_strdup(a, text ? text : "");
}

static int copy_steps(struct spec *to, const struct spec *from, struct arena *a, struct err *e)
{
	struct spec_step *steps = arena_array(a, from->steps_len, sizeof *steps);
	if (!from->steps_len)
		return err_set(e, ERR_INVALID, "a spec without steps");
	for (size_t i = 0; steps && i < from->steps_len; i++) {
		const struct spec_step *s = &from->steps[i];
		if (!s->argv || !s->argv[0])
			return err_set(e, ERR_INVALID, "a step without a program");
		steps[i] = *s;
		steps[i].name = copy_text(s->name, a);
		steps[i].argv = copy_list(s->argv, a);
		if (!steps[i].argv || !steps[i].name)
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	to->steps = steps;
	return steps ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int copy_inputs(struct spec *to, const struct spec *from, struct arena *a, struct err *e)
{
	struct job_input *inputs = arena_array(a, from->inputs_len + 1, sizeof *inputs);
	for (size_t i = 0; inputs && i < from->inputs_len; i++) {
		if (!from->inputs[i].name || !path_is_safe_relative(from->inputs[i].name))
			return err_set(e, ERR_INVALID, "an input's name is not one that may be used");
		inputs[i] = from->inputs[i];
		inputs[i].name = copy_text(from->inputs[i].name, a);
	}
	struct env_var *env = arena_array(a, from->env_len + 1, sizeof *env);
	for (size_t i = 0; env && i < from->env_len; i++) {
		env[i].name = copy_text(from->env[i].name, a);
		env[i].value = copy_text(from->env[i].value, a);
		if (!env[i].name || !env[i].value)
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	to->inputs = inputs;
	to->env = env;
	return inputs && env ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

int spec_copy(struct spec *to, const struct spec *from, struct arena *a, struct err *e)
{
	*to = *from;
	to->name = copy_text(from->name, a);
	to->target = copy_text(from->target, a);
	to->hostname = copy_text(from->hostname, a);
	to->collect = copy_list(from->collect, a);
	if (copy_steps(to, from, a, e) < 0)
		return -1;
	return copy_inputs(to, from, a, e);
}

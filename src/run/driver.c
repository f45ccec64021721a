#include "run/driver_priv.h"

#include <stdio.h>
#include <string.h>

#include "run/run_priv.h"

/* Of a sandbox that asks for no limit: more than any build needs, fewer than a machine has. */
enum { CHROOT_PIDS = 4096 };

/* What a step gets besides its own variables. Its own go before all but SLIPWAY_*. */
struct defaults {
	const char *names[16];
	const char *texts[16];
	size_t len;
};

static void add(struct run_attempt *a, struct defaults *d, const char *name, const char *value)
{
	d->names[d->len] = name;
	d->texts[d->len++] = arena_printf(&a->arena, "%s=%s", name, value);
}

static void add_user(struct run_attempt *a, struct defaults *d, const struct spec_step *step)
{
	bool is_root = step->user == USER_ROOT;
	if (a->spec.isolation == ISOLATION_NONE) {
		add(a, d, "HOME", a->run->home);
		return;
	}
	add(a, d, "HOME", is_root ? "/root" : "/job");
	add(a, d, "USER", is_root ? "root" : "build");
	add(a, d, "LOGNAME", is_root ? "root" : "build");
}

static void add_own(struct run_attempt *a, struct defaults *d, const struct spec_step *step,
		    const char *folder)
{
	char number[32];
	snprintf(number, sizeof number, "%lld", (long long)a->spec.job);
	add(a, d, "SLIPWAY_JOB", number);
	snprintf(number, sizeof number, "%d", a->spec.attempt);
	add(a, d, "SLIPWAY_ATTEMPT", number);
	add(a, d, "SLIPWAY_STEP", step->name);
	d->names[d->len] = "SLIPWAY_OUT";
	d->texts[d->len++] = arena_printf(&a->arena, "SLIPWAY_OUT=%s/out", folder);
	d->names[d->len] = "SLIPWAY_RESULT";
	d->texts[d->len++] = arena_printf(&a->arena, "SLIPWAY_RESULT=%s/result.json", folder);
}

static const struct env_var *find(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->env_len; i++)
		if (strcmp(s->env[i].name, name) == 0)
			return &s->env[i];
	return NULL;
}

/* What says where an attempt is cannot be said otherwise by its spec. */
static bool is_own(const struct defaults *d, size_t first, const char *name)
{
	for (size_t i = first; i < d->len; i++)
		if (strcmp(d->names[i], name) == 0)
			return true;
	return false;
}

const char *const *driver_environment(struct run_attempt *a, const struct spec_step *step, const char *folder)
{
	const struct spec *s = &a->spec;
	struct defaults d = { .len = 0 };
	add(a, &d, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	add(a, &d, "LANG", "C.UTF-8");
	add_user(a, &d, step);
	size_t replaceable = d.len;
	add_own(a, &d, step, folder);
	const char **env = arena_array(&a->arena, d.len + s->env_len + 1, sizeof *env);
	size_t n = 0;
	for (size_t i = 0; env && i < d.len; i++)
		if (i >= replaceable || !find(s, d.names[i]))
			env[n++] = d.texts[i];
	for (size_t i = 0; env && i < s->env_len; i++)
		if (!is_own(&d, replaceable, s->env[i].name))
			env[n++] = arena_printf(&a->arena, "%s=%s", s->env[i].name, s->env[i].value);
	return env;
}

int driver_limits(struct run_attempt *a, struct err *e)
{
	const struct job_limits *l = &a->spec.limits;
	struct cgroup *c = &a->run->cgroup;
	bool is_chroot = a->spec.isolation != ISOLATION_NONE;
	struct cgroup_wish wish = { l->memory_bytes, l->pids, l->cpu_ms > 0, is_chroot };
	if (!wish.pids && is_chroot && c->is_pids)
		wish.pids = CHROOT_PIDS;
	/* A native job without limits starts at the cost of its process: it gets no group for this alone. */
	wish.is_share |= wish.memory_bytes || wish.pids || wish.is_cpu;
	if (a->limits.is_used || (!wish.memory_bytes && !wish.pids && !wish.is_cpu && !wish.is_share))
		return 0;
	if (l->memory_bytes && !c->is_memory)
		pump_note(a, "this machine cannot keep the limit of %lld bytes of memory",
			  (long long)l->memory_bytes);
	if (l->pids && !c->is_pids)
		pump_note(a, "this machine cannot keep the limit of %lld processes", (long long)l->pids);
	if (wish.is_cpu && !c->is_cpu)
		pump_note(a, "on this machine the limit of processor time holds for each process alone");
	return cgroup_limits_open(c, &wish, &a->limits, e);
}

#include "server/births.h"

#include <string.h>

#include "kind/kind.h"
#include "server/server_priv.h"
#include "store/records.h"

static const struct kind *find_kind(const struct job_new *n, struct err *e)
{
	const struct kind *k = kind_find(n->kind);
	if (!k)
		err_set(e, ERR_UNSUPPORTED, "this version has no jobs of kind %s", kind_name(n->kind));
	return k;
}

static int run_check(const struct kind *k, struct server *s, struct job_new *n, const struct target *t,
		     struct arena *a, struct err *e)
{
	struct payload p;
	if (!k->check)
		return 0;
	if (payload_decode(n->payload, a, &p, e))
		return -1;
	const struct kind_context c = {
		.payload = &p,
		.types = s->types,
		.target_suite = t ? t->suite : "",
		.target_arch = t ? t->arch : "",
		.target_image = t ? t->image : "",
		.build_type = n->build.type ? n->build.type : "",
		.build_source = n->build.source ? n->build.source : "",
		.recipe_text = n->recipe_text ? n->recipe_text : "",
	};
	return k->check(n, &c, a, e);
}

int births_check(struct server *s, struct job_new *n, struct arena *a, bool *needs_store, struct err *e)
{
	const struct kind *k = find_kind(n, e);
	if (!k)
		return -1;
	*needs_store = k->needs_target || k->targets || (n->target && n->target[0]);
	return *needs_store ? 0 : run_check(k, s, n, NULL, a, e);
}

/* *out NULL: there is no such target. */
static int find_target(struct tx *tx, const char *name, struct arena *a, struct target **out, struct err *e)
{
	*out = arena_alloc(a, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "no memory for a target");
	if (targets_get(tx, name, a, *out, e) == 0)
		return 0;
	*out = NULL;
	if (e->code != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	return 0;
}

static int check_targets(const struct kind *k, struct tx *tx, const struct job_new *n, struct arena *a,
			 struct err *e)
{
	const char *const *names = NULL;
	struct target *t;
	if (!k->targets)
		return 0;
	if (k->targets(n, a, &names, e))
		return -1;
	for (; names && *names; names++) {
		if (find_target(tx, *names, a, &t, e))
			return -1;
		if (!t)
			return err_set(e, ERR_NOT_FOUND, "there is no target %s", *names);
	}
	return 0;
}

/* A job of kind target makes its target or renews it; any other's must be there. */
static int check_target_state(const struct job_new *n, const struct target *t, struct arena *a, struct err *e)
{
	struct target_make make;
	if (n->kind != KIND_TARGET)
		return t ? 0 : err_set(e, ERR_NOT_FOUND, "there is no target %s", n->target);
	if (target_make_decode(n->payload, a, &make, e))
		return -1;
	if (make.is_update && !t)
		return err_set(e, ERR_NOT_FOUND, "there is no target %s", n->target);
	if (!make.is_update && t && (t->image[0] || strcmp(t->state, "making") == 0))
		return err_set(e, ERR_CONFLICT, "the target %s exists already", n->target);
	return 0;
}

int births_check_in(struct tx *tx, struct server *s, struct job_new *n, struct arena *a, struct err *e)
{
	const struct kind *k = find_kind(n, e);
	struct target *t = NULL;
	bool has_target = n->target && n->target[0];
	if (!k || (has_target && find_target(tx, n->target, a, &t, e)))
		return -1;
	if (has_target && n->kind != KIND_TARGET && !t)
		return err_set(e, ERR_NOT_FOUND, "there is no target %s", n->target);
	if (run_check(k, s, n, t, a, e))
		return -1;
	if (n->target && n->target[0] && check_target_state(n, t, a, e))
		return -1;
	return check_targets(k, tx, n, a, e);
}

static int note_target(struct tx *tx, const struct job_new *n, int64_t job, struct arena *a, struct err *e)
{
	struct target_make make;
	struct target *t;
	if (target_make_decode(n->payload, a, &make, e) || find_target(tx, n->target, a, &t, e))
		return -1;
	if (t)
		return targets_making(tx, n->target, job, e);
	return targets_add(tx, n->target, make.suite, make.arch, job, e);
}

int births_submit(struct tx *tx, const struct job_new *news, size_t n, const char *actor, struct arena *a,
		  struct job_birth *births, struct err *e)
{
	if (jobs_submit(tx, news, n, actor, births, e))
		return -1;
	for (size_t i = 0; i < n; i++)
		if (news[i].kind == KIND_TARGET && births[i].is_new &&
		    note_target(tx, &news[i], births[i].id, a, e))
			return -1;
	return 0;
}

/* What an administrator sets for owners: their turns, their bounds, their zones. */
#include "server/routes_priv.h"

#include "model/choose.h"
#include "server/server_priv.h"
#include "store/records.h"

static void write_owner(struct json_writer *w, const struct owner *o)
{
	jw_begin_object(w);
	jw_kstr(w, "name", o->name);
	jw_kint(w, "weight", o->weight);
	jw_kint(w, "running_max", o->running_max);
	jw_kint(w, "running", o->running);
	jw_kstr(w, "zone", o->zone);
	jw_end_object(w);
}

static int owners_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct owner *owners;
	size_t n;
	if (owners_list(tx, a->arena, &owners, &n, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_key(&w, "owners");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		write_owner(&w, &owners[i]);
	jw_end_array(&w);
	jw_end_object(&w);
	return 0;
}

void owners_route(struct ask *a)
{
	ask_read(a, owners_run, NULL);
}

/* -1 and NULL: stays. */
struct owner_change {
	int64_t weight, running_max;
	const char *zone;
};

static int owner_run(struct ask *a, struct tx *tx, struct err *e)
{
	const struct owner_change *c = a->data;
	const char *actor = arena_printf(a->arena, "owner:%s", a->who);
	struct owner o;
	if (!actor)
		return err_set(e, ERR_NOMEM, "no memory for an owner");
	if (owners_get(tx, a->name, a->arena, &o, e))
		return -1;
	o.weight = c->weight < 0 ? o.weight : (int)c->weight;
	o.running_max = c->running_max < 0 ? o.running_max : (int)c->running_max;
	o.zone = c->zone ? c->zone : o.zone;
	if (owners_set(tx, &o, actor, e))
		return -1;
	struct json_writer w = ask_writer(a);
	write_owner(&w, &o);
	return 0;
}

void owner_set_route(struct ask *a)
{
	static const char *const fields[] = { "weight", "running_max", "zone", NULL };
	struct err e = ERR_INIT;
	struct owner_change *c = arena_alloc(a->arena, sizeof *c);
	const char *zone = NULL;
	const json_t *body = ask_body(a, fields, &e);
	if (!c)
		err_set(&e, ERR_NOMEM, "no memory for an owner");
	if (!c || !body || json_get_int(body, "weight", 1, OWNER_WEIGHT_MAX, -1, &c->weight, &e) ||
	    json_get_int(body, "running_max", 0, INT32_MAX, -1, &c->running_max, &e) ||
	    json_get_str(body, "zone", NULL, &zone, &e)) {
		ask_fail(a, &e);
		return;
	}
	c->zone = zone ? arena_strdup(a->arena, zone) : NULL;
	a->data = c;
	ask_write(a, owner_run, NULL);
}

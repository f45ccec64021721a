/* Owners: what an administrator has set for them. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "model/choose.h"
#include "model/name.h"
#include "store/ids_priv.h"
#include "store/jobs.h"
#include "store/owners_priv.h"
#include "store/records.h"
#include "store/store_priv.h"

enum {
	KNOWN_MS = 1000, /* other servers change them too */
	OWNERS_MAX = 10000,
};

static const struct owner_row no_row = { .weight = OWNER_WEIGHT_DEFAULT, .zone = "" };

void owner_cache_release(struct owner_cache *c)
{
	arena_release(&c->arena);
	*c = (struct owner_cache){ .arena = ARENA_INIT };
}

static int read_rows(struct tx *tx, struct owner_cache *c, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	size_t cap = 0;
	int rc;
	if (tx_query(tx, STMT_OWNER_LIST, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	while ((rc = db_next(&rows, e)) > 0 && c->len < OWNERS_MAX) {
		if (c->len == cap) {
			struct owner_row *more = arena_array(&c->arena, cap = cap ? cap * 2 : 16,
							     sizeof *more);
			if (!more)
				return err_set(e, ERR_NOMEM, "owners");
			if (c->len)
				memcpy(more, c->rows, c->len * sizeof *more);
			c->rows = more;
		}
		struct owner_row *r = &c->rows[c->len++];
		*r = (struct owner_row){ .id = db_col_int(&rows, 0),
					 .weight = (int)db_col_int(&rows, 1),
					 .running_max = (int)db_col_int(&rows, 2),
					 .zone = db_col_str(&rows, 3, &c->arena) };
		if (!r->zone)
			return err_set(e, ERR_NOMEM, "owners");
	}
	return rc < 0 ? -1 : 0;
}

static int refresh(struct tx *tx, struct err *e)
{
	struct owner_cache *c = &tx->owners;
	int64_t now_ms = clock_boot_ms();
	if (c->read_ms && now_ms - c->read_ms < KNOWN_MS)
		return 0;
	owner_cache_release(c);
	if (read_rows(tx, c, e) < 0) {
		owner_cache_release(c);
		return -1;
	}
	c->read_ms = now_ms;
	return 0;
}

const struct owner_row *owner_find(struct tx *tx, int64_t owner, struct err *e)
{
	if (refresh(tx, e) < 0)
		return NULL;
	const struct owner_cache *c = &tx->owners;
	size_t low = 0, high = c->len;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (c->rows[mid].id < owner)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->len && c->rows[low].id == owner ? &c->rows[low] : &no_row;
}

int owner_left(struct tx *tx, int64_t owner, struct err *e)
{
	CLEAN_IDS struct ids lanes = IDS_INIT;
	const struct owner_row *o = owner ? owner_find(tx, owner, e) : &no_row;
	if (!o)
		return -1;
	if (!o->running_max)
		return 0;
	if (ids_query(tx, STMT_LANE_LIST, DB_NO_ARGS, &lanes, e) < 0)
		return -1;
	for (size_t i = 0; i < lanes.len; i++) {
		int64_t waits = 0;
		if (tx_get_int(tx, STMT_OWNER_WAITS, DB_ARGS(db_int(lanes.at[i]), db_int(owner)), &waits, e) <
		    0)
			return -1;
		if (waits &&
		    tx_add_change(tx,
				  &(struct store_change){
					  .from = STATE_WAITING, .to = STATE_WAITING, .lane = lanes.at[i] },
				  e) < 0)
			return -1;
	}
	return 0;
}

/* --- for people --- */

static int read_gate(struct tx *tx, int64_t job, struct job_hold *out, int64_t *key, int64_t *owner,
		     struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_JOB_GATE, DB_ARGS(db_int(job)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no job %lld", (long long)job);
	if (rc < 0)
		return -1;
	*key = db_col_int(&rows, 0);
	out->is_gated = db_col_int(&rows, 1) != 0;
	out->key_running = db_col_int(&rows, 2);
	*owner = db_col_int(&rows, 3);
	return 0;
}

int jobs_other_owners(struct tx *tx, const struct job *j, int cap, int each, int *n, int64_t *jobs,
		      struct err *e)
{
	int64_t own, at = 0;
	*n = 0;
	*jobs = 0;
	if (string_find(tx, j->owner, &own, e) < 0)
		return -1;
	while (*n < cap) {
		int64_t next = 0, his = 0;
		if (tx_get_int(tx, STMT_OWNER_NEXT, DB_ARGS(db_int(j->lane), db_int(at)), &next, e) < 0)
			return -1;
		if (!next)
			return 0;
		at = next;
		if (next == own)
			continue;
		if (tx_get_int(tx, STMT_OWNER_COUNT, DB_ARGS(db_int(j->lane), db_int(next), db_int(each)),
			       &his, e) < 0)
			return -1;
		++*n;
		*jobs += his;
	}
	return 0;
}

int jobs_hold(struct tx *tx, const struct job *j, struct job_hold *out, struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	int64_t key, owner;
	*out = (struct job_hold){ 0 };
	if (read_gate(tx, j->id, out, &key, &owner, e) < 0)
		return -1;
	if (key && ids_query(tx, STMT_KEY_HOLDERS, DB_ARGS(db_int(key), db_int(HOLDERS_MAX)), &ids, e) < 0)
		return -1;
	for (; out->holders_len < ids.len; out->holders_len++)
		out->holders[out->holders_len] = ids.at[out->holders_len];
	/* A person is told what is so now. */
	tx->owners.read_ms = 0;
	const struct owner_row *o = owner_find(tx, owner, e);
	if (!o)
		return -1;
	out->owner_running_max = o->running_max;
	return o->running_max
		       ? tx_get_int(tx, STMT_OWNER_RUNNING, DB_ARGS(db_int(owner)), &out->owner_running, e)
		       : 0;
}

int owners_list(struct tx *tx, struct arena *a, struct owner **out, size_t *n, struct err *e)
{
	*n = 0;
	tx->owners.read_ms = 0;
	if (refresh(tx, e) < 0)
		return -1;
	const struct owner_cache *c = &tx->owners;
	*out = arena_array(a, c->len + 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "owners");
	for (; *n < c->len; ++*n) {
		const struct owner_row *r = &c->rows[*n];
		struct owner *o = &(*out)[*n];
		*o = (struct owner){ .weight = r->weight, .running_max = r->running_max };
		const char *name = string_text(tx, r->id, e);
		if (!name || tx_get_int(tx, STMT_OWNER_RUNNING, DB_ARGS(db_int(r->id)), &o->running, e) < 0)
			return -1;
		o->name = arena_strdup(a, name);
		o->zone = arena_strdup(a, r->zone);
		if (!o->name || !o->zone)
			return err_set(e, ERR_NOMEM, "owners");
	}
	return 0;
}

int owners_get(struct tx *tx, const char *name, struct arena *a, struct owner *out, struct err *e)
{
	int64_t id;
	*out = (struct owner){ 0 };
	tx->owners.read_ms = 0;
	if (string_find(tx, name, &id, e) < 0)
		return -1;
	const struct owner_row *r = owner_find(tx, id, e);
	if (!r)
		return -1;
	*out = (struct owner){ .name = arena_strdup(a, name),
			       .weight = r->weight,
			       .running_max = r->running_max,
			       .zone = arena_strdup(a, r->zone) };
	if (!out->name || !out->zone)
		return err_set(e, ERR_NOMEM, "owner");
	return id ? tx_get_int(tx, STMT_OWNER_RUNNING, DB_ARGS(db_int(id)), &out->running, e) : 0;
}

static int check(const struct owner *o, struct err *e)
{
	if (!o->name || !*o->name || !name_is_line(o->name, OWNER_NAME_MAX))
		return err_set(e, ERR_INVALID, "owner: must be at most %d bytes without control characters",
			       OWNER_NAME_MAX);
	if (o->weight < 1 || o->weight > OWNER_WEIGHT_MAX)
		return err_set(e, ERR_INVALID, "weight: must be from 1 to %d", OWNER_WEIGHT_MAX);
	if (o->running_max < 0)
		return err_set(e, ERR_INVALID, "running: must be 0 (no bound) or more");
	if (*o->zone && !name_is_tag(o->zone))
		return err_set(e, ERR_INVALID,
			       "zone: must be letters, digits, '.', '_', '+' and '-', at most 64");
	return 0;
}

int owners_set(struct tx *tx, const struct owner *o, const char *actor, struct err *e)
{
	int64_t id;
	char subject[OWNER_NAME_MAX + 16], detail[256];
	if (check(o, e) < 0 || string_id(tx, o->name, &id, e) < 0 ||
	    tx_exec(tx, STMT_OWNER_SET,
		    DB_ARGS(db_int(id), db_int(o->weight), db_int(o->running_max), db_str(o->zone)), NULL,
		    e) < 0)
		return -1;
	tx->owners.read_ms = 0;
	snprintf(subject, sizeof subject, "owner:%s", o->name);
	snprintf(detail, sizeof detail, "weight %d, running %d, zone %s", o->weight, o->running_max,
		 *o->zone ? o->zone : "(default)");
	/* A bound that was raised lets work go. */
	return audit_add(tx, actor, subject, detail, e) < 0 ? -1 : owner_left(tx, id, e);
}

#include "store/candidates_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "store/limit_keys_priv.h"
#include "store/owners_priv.h"
#include "store/store_priv.h"

enum {
	OWNERS_SEEN = 64, /* of a lane, by one lease */
};

struct candidate {
	int64_t id, owner, key;
	int priority;
};

struct candidates {
	struct tx *tx;
	struct arena *arena;
	size_t slots;
	struct candidate *at;
	size_t len, cap;
	bool has_keys;
	struct choose_owner *owners;
	struct choose_key *keys;
	size_t owners_len, keys_len;
};

static void candidates_release(struct candidates *c)
{
	free(c->at);
}

static int add(struct candidates *c, const struct candidate *one, struct err *e)
{
	if (c->len == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 64;
		struct candidate *more = reallocarray(c->at, cap, sizeof *more);
		if (!more)
			return err_set(e, ERR_NOMEM, "take jobs");
		c->at = more;
		c->cap = cap;
	}
	c->has_keys = c->has_keys || one->key;
	c->at[c->len++] = *one;
	return 0;
}

/* --- one lane --- */

/* A page: the best jobs from one owner on. What is of the last owner of a full page may not be all that is needed of
 * him: unless he is the only one it is left to the next page. Gives in *next where that begins, 0 at the end. */
static int read_page(struct candidates *c, int64_t lane, int64_t from, int64_t *next, int *owners,
		     struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	size_t first = c->len, n = 0, last = first; /* where the last owner's begin */
	int64_t limit = (int64_t)c->slots;
	int rc = from ? tx_query(c->tx, STMT_TAKE_OWNERS, DB_ARGS(db_int(lane), db_int(limit), db_int(from)),
				 &rows, e)
		      : tx_query(c->tx, STMT_TAKE_LANE, DB_ARGS(db_int(lane), db_int(limit)), &rows, e);
	if (rc < 0)
		return -1;
	for (; (rc = db_next(&rows, e)) > 0; n++) {
		struct candidate one = { .id = db_col_int(&rows, 0),
					 .priority = (int)db_col_int(&rows, 1),
					 .owner = db_col_int(&rows, 2),
					 .key = db_col_int(&rows, 3) };
		if (c->len > first && c->at[c->len - 1].owner != one.owner)
			last = c->len;
		*owners += c->len == last;
		if (add(c, &one, e) < 0)
			return -1;
	}
	*next = 0;
	if (rc < 0 || n < c->slots || last >= c->len)
		return rc;
	*next = c->at[last].owner + (last == first);
	if (last > first) {
		c->len = last;
		--*owners;
	}
	return 0;
}

static int64_t first_owner(const struct store *s, int64_t lane)
{
	const void *at = idmap_find(&s->first_owners, lane);
	return at ? (int64_t)(intptr_t)at : 0;
}

/* From one owner on, up to before another (0: all). *next: where it stopped because it has seen enough of them. */
static int read_owners(struct candidates *c, int64_t lane, int64_t from, int64_t until, int *owners,
		       int64_t *next, struct err *e)
{
	for (int64_t at = from;; at = *next) {
		size_t before = c->len;
		if (read_page(c, lane, at, next, owners, e) < 0)
			return -1;
		while (until && c->len > before && c->at[c->len - 1].owner >= until) {
			c->len--;
			*next = 0;
		}
		if (!*next || *owners >= OWNERS_SEEN)
			return 0;
	}
}

/* Begins where the last lease that had seen enough ended, and goes round. */
static int read_lane(struct candidates *c, int64_t lane, struct err *e)
{
	struct store *s = c->tx->store;
	int64_t begin = first_owner(s, lane), next;
	int owners = 0;
	if (read_owners(c, lane, begin, 0, &owners, &next, e) < 0)
		return -1;
	if (!next && begin && read_owners(c, lane, 0, begin, &owners, &next, e) < 0)
		return -1;
	if (next)
		return idmap_set(&s->first_owners, lane, (void *)(intptr_t)next, e);
	if (begin)
		idmap_remove(&s->first_owners, lane);
	return 0;
}

/* --- what is known of them --- */

/* Of numbers, and of structs that begin with one. */
static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* The different ones of them, in order; of keys not 0, which is none. */
static int64_t *distinct(struct candidates *c, bool is_keys, size_t *n)
{
	int64_t *ids = arena_array(c->arena, c->len + 1, sizeof *ids);
	size_t len = 0;
	*n = 0;
	if (!ids)
		return NULL;
	for (size_t i = 0; i < c->len; i++) {
		int64_t id = is_keys ? c->at[i].key : c->at[i].owner;
		if ((id || !is_keys) && (!len || ids[len - 1] != id))
			ids[len++] = id;
	}
	qsort(ids, len, sizeof *ids, compare_ids);
	for (size_t i = 0; i < len; i++)
		if (i == 0 || ids[i] != ids[i - 1])
			ids[(*n)++] = ids[i];
	return ids;
}

/* What he may still start, counted while nobody else starts any of his. */
static int bound_owner(struct candidates *c, struct choose_owner *o, struct err *e)
{
	int64_t most = -1, running = 0;
	if (tx_get_int(c->tx, STMT_OWNER_HOLD, DB_ARGS(db_int(o->id)), &most, e) < 0 ||
	    tx_get_int(c->tx, STMT_OWNER_RUNNING, DB_ARGS(db_int(o->id)), &running, e) < 0)
		return -1;
	o->running = (int)running;
	/* Another server is giving out his work just now. */
	o->running_max = most < 0 ? (int)running : (int)most;
	if (most < 0 && !running)
		o->running = o->running_max = 1;
	return 0;
}

static int find_owners(struct candidates *c, struct err *e)
{
	int64_t *ids = distinct(c, false, &c->owners_len);
	c->owners = arena_array(c->arena, c->owners_len + 1, sizeof *c->owners);
	if (!ids || !c->owners)
		return err_set(e, ERR_NOMEM, "take jobs");
	for (size_t i = 0; i < c->owners_len; i++) {
		const struct owner_row *r = owner_find(c->tx, ids[i], e);
		if (!r)
			return -1;
		c->owners[i] = (struct choose_owner){ .id = ids[i], .weight = r->weight };
		if (r->running_max && bound_owner(c, &c->owners[i], e) < 0)
			return -1;
	}
	return 0;
}

static struct choose_owner *owner_of(const struct candidates *c, int64_t id)
{
	return bsearch(&id, c->owners, c->owners_len, sizeof *c->owners, compare_ids);
}

/* How many jobs of each run, to be told from what they have used. */
static int count_running(struct candidates *c, struct err *e)
{
	int rc;
	if (c->owners_len < 2)
		return 0;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(c->tx, STMT_RUNNING_OWNERS, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	while ((rc = db_next(&rows, e)) > 0) {
		struct choose_owner *o = owner_of(c, db_col_int(&rows, 0));
		if (o && !o->running_max)
			o->running = (int)db_col_int(&rows, 1);
	}
	return rc;
}

static int find_keys(struct candidates *c, struct err *e)
{
	if (!c->has_keys)
		return 0;
	int64_t *ids = distinct(c, true, &c->keys_len);
	c->keys = arena_array(c->arena, c->keys_len + 1, sizeof *c->keys);
	if (!ids || !c->keys)
		return err_set(e, ERR_NOMEM, "take jobs");
	for (size_t i = 0; i < c->keys_len; i++) {
		c->keys[i].id = ids[i];
		if (limit_key_room(c->tx, ids[i], &c->keys[i].left, e) < 0)
			return -1;
	}
	return 0;
}

static int key_of(const struct candidates *c, int64_t id)
{
	const struct choose_key *k = id ? bsearch(&id, c->keys, c->keys_len, sizeof *c->keys, compare_ids)
					: NULL;
	return k ? (int)(k - c->keys) : -1;
}

static int make_choice(struct candidates *c, int64_t **out, size_t *n, struct err *e)
{
	struct choose_job *jobs = arena_array(c->arena, c->len, sizeof *jobs);
	size_t *picks = arena_array(c->arena, c->slots, sizeof *picks);
	*out = arena_array(c->arena, c->slots, sizeof **out);
	if (!jobs || !picks || !*out)
		return err_set(e, ERR_NOMEM, "take jobs");
	for (size_t i = 0; i < c->len; i++)
		jobs[i] = (struct choose_job){ .id = c->at[i].id,
					       .priority = c->at[i].priority,
					       .owner = (int)(owner_of(c, c->at[i].owner) - c->owners),
					       .key = key_of(c, c->at[i].key) };
	*n = choose(&c->tx->store->shares, c->tx->now_ms, c->owners, c->owners_len, c->keys, jobs, c->len,
		    c->slots, picks);
	for (size_t i = 0; i < *n; i++)
		(*out)[i] = jobs[picks[i]].id;
	return 0;
}

int candidates_choose(struct tx *tx, const int64_t *lanes, size_t lanes_len, size_t slots, struct arena *a,
		      int64_t **out, size_t *n, struct err *e)
{
	CLEAN(candidates_release) struct candidates c = { .tx = tx, .arena = a, .slots = slots };
	*n = 0;
	for (size_t i = 0; i < lanes_len; i++)
		if (read_lane(&c, lanes[i], e) < 0)
			return -1;
	if (!c.len)
		return 0;
	if (find_owners(&c, e) < 0 || count_running(&c, e) < 0 || find_keys(&c, e) < 0)
		return -1;
	return make_choice(&c, out, n, e);
}

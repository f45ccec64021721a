#include "store/limit_keys_priv.h"

#include "base/arena.h"

/* --- the row --- */

static int set_gates(struct tx *tx, int64_t key, int64_t left, struct err *e);

static int hold(struct tx *tx, int64_t key, int64_t *left, struct err *e)
{
	return tx_get_int(tx, STMT_KEY_HOLD, DB_ARGS(db_int(key)), left, e);
}

/* A key that is there, with another n. */
static int change_n(struct tx *tx, int64_t key, int n, struct err *e)
{
	int64_t left;
	if (tx_exec_must(tx, STMT_KEY_SET_N, DB_ARGS(db_int(key), db_int(n)), e) < 0 ||
	    hold(tx, key, &left, e) < 0)
		return -1;
	return set_gates(tx, key, left, e);
}

int limit_key_id(struct tx *tx, int64_t owner, const struct limit_key *k, int64_t *id, struct err *e)
{
	*id = 0;
	if (!k->name || !*k->name)
		return 0;
	if (k->n < 1 || k->n > JOB_KEY_MAX)
		return err_set(e, ERR_INVALID, "limit_key: n must be from 1 to %d", JOB_KEY_MAX);
	{
		CLEAN_ROWS struct db_rows rows;
		if (tx_query(tx, STMT_KEY_FIND, DB_ARGS(db_int(owner), db_str(k->name)), &rows, e) < 0)
			return -1;
		int rc = db_next(&rows, e);
		if (rc < 0)
			return -1;
		if (rc > 0) {
			*id = db_col_int(&rows, 0);
			if (db_col_int(&rows, 1) == k->n)
				return 0;
		}
	}
	if (*id)
		return change_n(tx, *id, k->n, e);
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_KEY_ADD, DB_ARGS(db_int(owner), db_str(k->name), db_int(k->n)), &rows, e) < 0 ||
	    db_next(&rows, e) <= 0)
		return -1;
	*id = db_col_int(&rows, 0);
	return 0;
}

int limit_key_get(struct tx *tx, int64_t id, struct arena *a, struct limit_key *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_KEY_GET, DB_ARGS(db_int(id)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0)
		return err_set(e, ERR_CORRUPT, "there is no limit key %lld", (long long)id);
	if (rc < 0)
		return -1;
	out->name = db_col_str(&rows, 0, a);
	out->n = (int)db_col_int(&rows, 1);
	return out->name ? 0 : err_set(e, ERR_NOMEM, "limit key");
}

int limit_key_room(struct tx *tx, int64_t id, int64_t *left, struct err *e)
{
	*left = 0;
	return tx_get_int(tx, STMT_KEY_TRY, DB_ARGS(db_int(id)), left, e);
}

/* --- the gates --- */

struct place {
	int64_t id, priority; /* id 0: none */
};

static int find_place(struct tx *tx, enum stmt stmt, int64_t key, int64_t lane, struct place *out,
		      struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	*out = (struct place){ 0 };
	if (tx_query(tx, stmt, DB_ARGS(db_int(key), db_int(lane)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc > 0)
		*out = (struct place){ db_col_int(&rows, 0), db_col_int(&rows, 1) };
	return rc < 0 ? -1 : 0;
}

static bool is_better(const struct place *a, const struct place *b)
{
	return a->priority != b->priority ? a->priority > b->priority : a->id < b->id;
}

static int set_gate(struct tx *tx, int64_t job, int64_t lane, bool is_gated, struct err *e)
{
	if (tx_exec_must(tx, STMT_KEY_GATE, DB_ARGS(db_int(job), db_int(is_gated)), e) < 0)
		return e && e->code != ERR_STALE
			       ? -1
			       : err_set(e, ERR_STALE, "job %lld has changed meanwhile", (long long)job);
	if (is_gated)
		return 0;
	/* Who waits for work is told as if it had just come. */
	return tx_add_change(tx,
			     &(struct store_change){
				     .job = job, .from = STATE_WAITING, .to = STATE_WAITING, .lane = lane },
			     e);
}

/* In one lane: open as many as there is room for, and the best ones. */
static int set_lane(struct tx *tx, int64_t key, int64_t lane, int64_t left, struct err *e)
{
	struct place gated, open;
	int64_t n = 0;
	left = left < 0 ? 0 : left;
	if (tx_get_int(tx, STMT_KEY_OPEN, DB_ARGS(db_int(key), db_int(lane), db_int(left + JOB_KEY_MAX)), &n,
		       e) < 0)
		return -1;
	for (;;) {
		if (find_place(tx, STMT_KEY_BEST_GATED, key, lane, &gated, e) < 0 ||
		    find_place(tx, STMT_KEY_WORST_OPEN, key, lane, &open, e) < 0)
			return -1;
		if (n < left && gated.id) {
			if (set_gate(tx, gated.id, lane, false, e) < 0)
				return -1;
			n++;
		} else if (open.id && (n > left || (gated.id && is_better(&gated, &open)))) {
			if (set_gate(tx, open.id, lane, true, e) < 0)
				return -1;
			n--;
		} else {
			return 0;
		}
	}
}

static int set_gates(struct tx *tx, int64_t key, int64_t left, struct err *e)
{
	int64_t lane = 0;
	for (;;) {
		int64_t next = 0;
		if (tx_get_int(tx, STMT_KEY_LANE, DB_ARGS(db_int(key), db_int(lane)), &next, e) < 0)
			return -1;
		if (!next)
			return 0;
		if (set_lane(tx, key, next, left, e) < 0)
			return -1;
		lane = next;
	}
}

int key_moved(struct tx *tx, const struct job_row *r, enum job_state from, struct err *e)
{
	int more = state_is_leased(r->j.state) - state_is_leased(from);
	int64_t left;
	if (!r->limit_key || (!more && r->j.state != STATE_WAITING && from != STATE_WAITING))
		return 0;
	if (more && tx_exec_must(tx, STMT_KEY_RUNNING, DB_ARGS(db_int(r->limit_key), db_int(more)), e) < 0)
		return -1;
	if (hold(tx, r->limit_key, &left, e) < 0)
		return -1;
	return more ? set_gates(tx, r->limit_key, left, e) : set_lane(tx, r->limit_key, r->j.lane, left, e);
}

int key_settle(struct tx *tx, const struct job_row *r, struct err *e)
{
	int64_t left;
	if (!r->limit_key || r->j.state != STATE_WAITING)
		return 0;
	if (hold(tx, r->limit_key, &left, e) < 0)
		return -1;
	return set_lane(tx, r->limit_key, r->j.lane, left, e);
}

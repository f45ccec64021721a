#include "store/durations_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "model/job.h"

enum {
	ROWS_MAX = 4000,  /* of names: those that ran last */
	ROWS_SPARE = 500, /* so many more before the others go */
	LOOKED_UP_MAX = 128,
};

#define FINE 1e6 /* fractions are kept in millionths */

static struct duration_key lane_key(int64_t lane)
{
	return (struct duration_key){ .lane = lane };
}

static int compare_keys(const struct duration_key *x, const struct duration_key *y)
{
	int by_lane = (x->lane > y->lane) - (x->lane < y->lane),
	    by_owner = (x->owner > y->owner) - (x->owner < y->owner),
	    by_target = (x->target > y->target) - (x->target < y->target);
	return by_lane ? by_lane : by_owner ? by_owner : by_target ? by_target : strcmp(x->name, y->name);
}

/* --- rows --- */

static int read_row(struct tx *tx, enum stmt stmt, const struct duration_key *k, struct duration *out,
		    struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	*out = (struct duration){ .n = 0 };
	if (tx_query(tx, stmt, DB_ARGS(db_int(k->lane), db_int(k->owner), db_int(k->target), db_str(k->name)),
		     &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc <= 0)
		return rc;
	double deviation = (double)db_col_int(&rows, 4);
	*out = (struct duration){ .n = db_col_int(&rows, 0),
				  .log_mean = (double)db_col_int(&rows, 1) / FINE,
				  .log_var = (double)db_col_int(&rows, 2) / FINE,
				  .mean_ms = (double)db_col_int(&rows, 3),
				  .var_ms = deviation * deviation };
	return 0;
}

/* Names may come and never return: of too many rows the oldest go, now and then. */
static int drop_old(struct tx *tx, struct err *e)
{
	if (tx->durations_added++ % ROWS_SPARE)
		return 0;
	return tx_exec(tx, STMT_DURATION_DROP, DB_ARGS(db_int(ROWS_MAX)), NULL, e);
}

static int write_row(struct tx *tx, const struct duration_key *k, bool is_there, const struct duration *d,
		     struct err *e)
{
	if (tx_exec(tx, is_there ? STMT_DURATION_SET : STMT_DURATION_ADD,
		    DB_ARGS(db_int(k->lane), db_int(k->owner), db_int(k->target), db_str(k->name),
			    db_int(d->n), db_int(llround(d->log_mean * FINE)),
			    db_int(llround(d->log_var * FINE)), db_int(llround(d->mean_ms)),
			    db_int(llround(sqrt(d->var_ms))), db_int(tx->now_ms)),
		    NULL, e) < 0)
		return -1;
	return is_there ? 0 : drop_old(tx, e);
}

/* --- noting --- */

int durations_note(struct tx *tx, const struct job_row *r, const struct job_end *end, struct err *e)
{
	if (tx->runs_len == tx->runs_cap) {
		size_t cap = tx->runs_cap ? tx->runs_cap * 2 : 64;
		struct run_noted *more = reallocarray(tx->runs, cap, sizeof *more);
		if (!more)
			return err_set(e, ERR_NOMEM, "durations");
		tx->runs = more;
		tx->runs_cap = cap;
	}
	struct run_noted *n = &tx->runs[tx->runs_len++];
	n->key = (struct duration_key){ .lane = r->j.lane, .owner = r->owner, .target = r->target };
	duration_name(r->j.kind, r->name, n->key.name);
	/* The worker's word, as time at the worker before the run, while others ran, is not the run's. */
	n->ms = end->usage.wall_ms > 0 ? end->usage.wall_ms : tx->now_ms - r->j.started_ms;
	return 0;
}

static int compare_runs(const void *a, const void *b)
{
	return compare_keys(&((const struct run_noted *)a)->key, &((const struct run_noted *)b)->key);
}

/* What would have been said of each, against what it was. */
static void judge(const struct duration *known, const struct run_noted *runs, size_t n, struct forecast *f)
{
	struct span said = duration_span(known, 0);
	for (size_t i = 0; i < n; i++) {
		if (runs[i].ms < FORECAST_LEAST_MS && said.likely_ms < FORECAST_LEAST_MS)
			continue;
		struct forecast one = forecast_of(&said, runs[i].ms);
		forecast_add(f, &one);
	}
}

/* Runs of one name; `lane` is what is known of the lane. */
static int fold_name(struct tx *tx, const struct run_noted *runs, size_t n, const struct duration *lane,
		     struct forecast *f, struct err *e)
{
	struct duration known, newer = { .n = 0 };
	if (read_row(tx, STMT_DURATION_TAKE, &runs[0].key, &known, e) < 0)
		return -1;
	bool is_there = known.n > 0;
	if (is_there || lane->n)
		judge(is_there ? &known : lane, runs, n, f);
	for (size_t i = 0; i < n; i++) {
		struct duration one = duration_of(runs[i].ms);
		duration_add(&newer, &one, 0);
	}
	duration_add(&known, &newer, DURATION_KEEP);
	return write_row(tx, &runs[0].key, is_there, &known, e);
}

/* Runs of one lane: by name, and together. */
static int fold_lane(struct tx *tx, const struct run_noted *runs, size_t n, struct forecast *f, struct err *e)
{
	const struct duration_key key = lane_key(runs[0].key.lane);
	struct duration known, newer = { .n = 0 };
	if (read_row(tx, STMT_DURATION_TAKE, &key, &known, e) < 0)
		return -1;
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && compare_runs(&runs[i], &runs[next]) == 0; next++)
			;
		/* What has no name is the lane's only. */
		if (*runs[i].key.name && fold_name(tx, &runs[i], next - i, &known, f, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < n; i++) {
		struct duration one = duration_of(runs[i].ms);
		duration_add(&newer, &one, 0);
	}
	bool is_there = known.n > 0;
	duration_add(&known, &newer, DURATION_KEEP_LANE);
	return write_row(tx, &key, is_there, &known, e);
}

int durations_flush(struct tx *tx, struct err *e)
{
	struct forecast f = { .n = 0 };
	struct run_noted *runs = tx->runs;
	size_t n = tx->runs_len;
	if (!n)
		return 0;
	/* In the order of the keys, in which every server takes the rows. */
	qsort(runs, n, sizeof *runs, compare_runs);
	for (size_t i = 0, next; i < n; i = next) {
		for (next = i + 1; next < n && runs[next].key.lane == runs[i].key.lane; next++)
			;
		if (fold_lane(tx, &runs[i], next - i, &f, e) < 0)
			return -1;
	}
	return f.n ? forecasts_add(tx, FORECAST_RUN, &f, e) : 0;
}

/* --- asking --- */

struct durations {
	struct tx *tx;
	struct {
		struct duration_key key;
		struct duration took;
	} at[LOOKED_UP_MAX];
	size_t len;
};

struct durations *durations_new(struct tx *tx, struct arena *a)
{
	struct durations *d = arena_alloc(a, sizeof *d);
	if (d)
		d->tx = tx;
	return d;
}

static int look_up(struct durations *d, const struct duration_key *k, struct duration *out, struct err *e)
{
	for (size_t i = 0; i < d->len; i++) {
		if (compare_keys(&d->at[i].key, k) == 0) {
			*out = d->at[i].took;
			return 0;
		}
	}
	/* There is room left for the lanes. */
	if (d->len == LOOKED_UP_MAX || (*k->name && d->len >= LOOKED_UP_MAX / 2)) {
		*out = (struct duration){ .n = 0 };
		return 0;
	}
	if (read_row(d->tx, STMT_DURATION_GET, k, out, e) < 0)
		return -1;
	d->at[d->len].key = *k;
	d->at[d->len++].took = *out;
	return 0;
}

int durations_lane(struct durations *d, int64_t lane, struct duration *out, struct err *e)
{
	const struct duration_key key = lane_key(lane);
	return look_up(d, &key, out, e);
}

static int look_up_known(struct durations *d, const struct duration_key *k, struct duration_known *out,
			 struct err *e)
{
	out->is_lane = false;
	memcpy(out->name, k->name, sizeof out->name);
	if (look_up(d, k, &out->took, e) < 0)
		return -1;
	if (out->took.n)
		return 0;
	out->is_lane = true;
	return durations_lane(d, k->lane, &out->took, e);
}

int durations_find(struct durations *d, const struct job *j, struct duration_known *out, struct err *e)
{
	struct duration_key k = { .lane = j->lane };
	if (string_find(d->tx, j->owner, &k.owner, e) < 0 || string_find(d->tx, j->target, &k.target, e) < 0)
		return -1;
	duration_name(j->kind, j->name, k.name);
	return look_up_known(d, &k, out, e);
}

/* A row of kind, lane, owner, target, name. */
static int read_known(struct durations *d, struct db_rows *rows, struct duration *out, struct err *e)
{
	struct duration_known known;
	struct duration_key k = { .lane = db_col_int(rows, 1),
				  .owner = db_col_int(rows, 2),
				  .target = db_col_int(rows, 3) };
	const char *name = db_col_text(rows, 4);
	duration_name((enum job_kind)db_col_int(rows, 0), name ? name : "", k.name);
	if (look_up_known(d, &k, &known, e) < 0)
		return -1;
	*out = known.took;
	return 0;
}

int durations_running(struct durations *d, int64_t worker, struct estimate_run *out, size_t room, size_t *len,
		      struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	int rc = 0;
	if (*len >= room)
		return 0;
	if (tx_query(d->tx, STMT_DURATION_RUNNING, DB_ARGS(db_int(worker), db_int((int64_t)(room - *len))),
		     &rows, e) < 0)
		return -1;
	while (*len < room && (rc = db_next(&rows, e)) > 0) {
		struct estimate_run *r = &out[(*len)++];
		int64_t elapsed_ms = d->tx->now_ms - db_col_int(&rows, 5);
		r->elapsed_ms = elapsed_ms > 0 ? elapsed_ms : 0;
		if (read_known(d, &rows, &r->took, e) < 0)
			return -1;
	}
	return rc < 0 ? -1 : 0;
}

int durations_ahead(struct durations *d, const struct job *j, struct duration *out, size_t room, size_t *len,
		    struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	int64_t owner;
	int rc = 0;
	if (*len >= room)
		return 0;
	if (string_find(d->tx, j->owner, &owner, e) < 0 ||
	    tx_query(d->tx, STMT_DURATION_AHEAD,
		     DB_ARGS(db_int(j->lane), db_int(j->priority), db_int(j->id),
			     db_int((int64_t)(room - *len)), db_int(owner)),
		     &rows, e) < 0)
		return -1;
	while (*len < room && (rc = db_next(&rows, e)) > 0)
		if (read_known(d, &rows, &out[(*len)++], e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

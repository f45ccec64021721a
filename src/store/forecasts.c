/* How good estimates were. */
#include <math.h>
#include <stdlib.h>

#include "store/durations_priv.h"
#include "store/store_priv.h"

enum { TOLD_MAX = 4096 };

#define FINE 1e6 /* fractions are kept in millionths */

static int read_forecast(struct tx *tx, enum stmt stmt, enum forecast_what what, struct forecast *out,
			 struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	*out = (struct forecast){ .n = 0 };
	if (tx_query(tx, stmt, DB_ARGS(db_int((int)what)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc > 0)
		*out = (struct forecast){ .n = db_col_int(&rows, 0),
					  .within = (double)db_col_int(&rows, 1) / FINE,
					  .log_off = (double)db_col_int(&rows, 2) / FINE };
	return rc < 0 ? -1 : 0;
}

int forecasts_get(struct tx *tx, enum forecast_what what, struct forecast *out, struct err *e)
{
	return read_forecast(tx, STMT_FORECAST_GET, what, out, e);
}

int forecasts_add(struct tx *tx, enum forecast_what what, const struct forecast *f, struct err *e)
{
	struct forecast known;
	if (read_forecast(tx, STMT_FORECAST_TAKE, what, &known, e) < 0)
		return -1;
	bool is_there = known.n > 0;
	forecast_add(&known, f);
	return tx_exec(tx, is_there ? STMT_FORECAST_SET : STMT_FORECAST_ADD,
		       DB_ARGS(db_int((int)what), db_int(known.n), db_int(llround(known.within * FINE)),
			       db_int(llround(known.log_off * FINE))),
		       NULL, e);
}

/* --- what was told --- */

struct told_start {
	int64_t at_ms; /* when */
	struct span start;
};

static void forget_all(struct told *t)
{
	size_t at = 0;
	int64_t job;
	void *value;
	while (idmap_next(&t->by_job, &at, &job, &value))
		free(value);
	idmap_release(&t->by_job);
}

void told_init(struct told *t)
{
	pthread_mutex_init(&t->lock, NULL);
}

void told_release(struct told *t)
{
	forget_all(t);
	pthread_mutex_destroy(&t->lock);
}

void forecasts_told(struct tx *tx, int64_t job, const struct span *start)
{
	struct told *t = &tx->store->told;
	struct told_start *new = malloc(sizeof *new);
	if (!new)
		return;
	*new = (struct told_start){ tx->now_ms, *start };
	pthread_mutex_lock(&t->lock);
	/* Those that never start here, because they were cancelled or another server gave them out, would be kept for ever. */
	if (t->by_job.count >= TOLD_MAX)
		forget_all(t);
	if (idmap_find(&t->by_job, job) || idmap_set(&t->by_job, job, new, NULL) < 0)
		free(new);
	pthread_mutex_unlock(&t->lock);
}

static bool is_start(const struct store_change *c)
{
	return c->from == STATE_WAITING && c->to == STATE_RUNNING;
}

int forecasts_flush(struct tx *tx, struct err *e)
{
	struct told *t = &tx->store->told;
	struct forecast f = { .n = 0 };
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; t->by_job.count && i < tx->changes_len; i++) {
		const struct told_start *told = is_start(&tx->changes[i])
							? idmap_find(&t->by_job, tx->changes[i].job)
							: NULL;
		if (!told)
			continue;
		/* Of how long it still had to wait. */
		const struct span said = { told->start.low_ms - told->at_ms,
					   told->start.likely_ms - told->at_ms,
					   told->start.high_ms - told->at_ms };
		struct forecast one = forecast_of(&said, tx->now_ms - told->at_ms);
		forecast_add(&f, &one);
	}
	pthread_mutex_unlock(&t->lock);
	return f.n ? forecasts_add(tx, FORECAST_START, &f, e) : 0;
}

void forecasts_settle(struct tx *tx)
{
	struct told *t = &tx->store->told;
	pthread_mutex_lock(&t->lock);
	for (size_t i = 0; t->by_job.count && i < tx->changes_len; i++)
		if (tx->changes[i].from == STATE_WAITING && tx->changes[i].to != STATE_WAITING)
			free(idmap_remove(&t->by_job, tx->changes[i].job));
	pthread_mutex_unlock(&t->lock);
}

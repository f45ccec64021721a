/* Failures that are not the job's own doing: counted, judged by model/blame.h, and what follows for the worker. */
#include "model/blame.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "store/blame_priv.h"
#include "store/ids_priv.h"
#include "store/job_priv.h"
#include "store/records.h"

/* What is known of the worker before this failure. */
struct culprit {
	const char *name, *troubles;
	int64_t session_n, died_ms, died_session;
	int failures;
};

static int get_culprit(struct tx *tx, int64_t worker, struct arena *a, struct culprit *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_WORKER_BLAME, DB_ARGS(db_int(worker)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc <= 0)
		return rc < 0 ? -1
			      : err_set(e, ERR_CORRUPT, "worker number %lld is not there", (long long)worker);
	*out = (struct culprit){
		.name = db_col_str(&rows, 0, a),
		.session_n = db_col_int(&rows, 1),
		.failures = (int)db_col_int(&rows, 2),
		.troubles = db_col_str(&rows, 3, a),
		.died_ms = db_col_int(&rows, 4),
		.died_session = db_col_int(&rows, 5),
	};
	return out->name && out->troubles ? 0 : err_set(e, ERR_NOMEM, "worker");
}

/* Others that could run the job now, as far as the database knows. */
static int count_others(struct tx *tx, const struct job_row *r, struct arena *a, int *others, struct err *e)
{
	struct worker *workers;
	size_t n;
	const struct lane *l = lane_get(tx, r->j.lane, e);
	if (!l || workers_list(tx, a, &workers, &n, e) < 0)
		return -1;
	*others = 0;
	for (size_t i = 0; i < n; i++)
		*others += workers[i].id != r->worker && lane_match(l, &workers[i]) == LANE_FITS;
	return 0;
}

/* The newest first, as many as it takes to be blamed. */
static const char *add_trouble(struct tx *tx, struct arena *a, const char *troubles, const struct job_row *r,
			       const char *detail, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	const char *at = troubles;
	if (tx_query(tx, STMT_JOB_NAME, DB_ARGS(db_int(r->j.id)), &rows, e) < 0 || db_next(&rows, e) < 0)
		return NULL;
	for (int i = 1; i < BLAME_MAX && at; i++)
		at = (at = strstr(at, "; ")) ? at + 2 : NULL;
	size_t kept = at ? (size_t)(at - 2 - troubles) : strlen(troubles);
	const char *text = arena_printf(a, "job %lld (%.60s): %.200s%s%.*s", (long long)r->j.id,
					db_col_text(&rows, 0), detail, kept ? "; " : "", (int)kept, troubles);
	if (!text)
		err_set(e, ERR_NOMEM, "worker");
	return text;
}

/* Its session ended once, and with it everything that it held then. */
static int is_same_death(struct tx *tx, const struct job_row *r, const struct culprit *c, int64_t *session_n,
			 bool *is_same, struct err *e)
{
	if (tx_get_int(tx, STMT_ATTEMPT_SESSION_N, DB_ARGS(db_int(r->j.id), db_int(r->j.attempt)), session_n,
		       e) < 0)
		return -1;
	*is_same = c->died_session == *session_n && r->j.started_ms <= c->died_ms;
	return 0;
}

static int take_out(struct tx *tx, const struct job_row *r, const struct job_end *end, const struct blame *b,
		    const char *name, const char *troubles, struct arena *a, struct err *e)
{
	const char *reason =
		end->is_untrue ? arena_printf(a, "job %lld: %s", (long long)r->j.id, end->detail)
		: b->is_worker_suspect
			? arena_printf(
				  a,
				  "job %lld was lost here %d times and nothing else succeeded; whether it is the job"
				  " is being tried elsewhere: %s",
				  (long long)r->j.id, b->worker, troubles)
			: arena_printf(a, "%d failures and no success in between: %s", b->worker, troubles);
	if (!reason)
		return err_set(e, ERR_NOMEM, "worker");
	return worker_take_out(tx, r->worker, name, reason, b->is_worker_suspect ? r->j.id : 0, e);
}

int blame_loss(struct tx *tx, const struct job_row *r, const struct job_end *end, struct blame *out,
	       struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct culprit c;
	int64_t session_n = 0;
	struct blame_case k = { .job = r->j.losses };
	if (get_culprit(tx, r->worker, &a, &c, e) < 0 || count_others(tx, r, &a, &k.others, e) < 0 ||
	    is_same_death(tx, r, &c, &session_n, &k.is_counted, e) < 0)
		return -1;
	k.worker = c.failures;
	k.is_counted = k.is_counted && end->is_death;
	*out = blame_judge(&k);
	if (end->is_untrue)
		*out = (struct blame){ out->worker, r->j.losses + 1, .is_worker_out = true,
				       .is_job_out = true };
	const char *troubles = add_trouble(tx, &a, c.troubles, r, end->detail ? end->detail : "", e);
	if (!troubles)
		return -1;
	if (end->is_death && !k.is_counted) {
		c.died_ms = tx->now_ms;
		c.died_session = session_n;
	}
	if (tx_exec(tx, STMT_WORKER_BLAMED,
		    DB_ARGS(db_int(r->worker), db_int(out->worker), db_str(troubles), db_int(c.died_ms),
			    db_int(c.died_session)),
		    NULL, e) < 0)
		return -1;
	return out->is_worker_out ? take_out(tx, r, end, out, c.name, troubles, &a, e) : 0;
}

int blame_clear(struct tx *tx, int64_t job, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_ROWS struct db_rows rows;
	char why[80];
	int rc;
	size_t n = 0, cap = 0;
	struct broken {
		int64_t id;
		const char *name;
		bool is_suspect;
	} *all = NULL;
	snprintf(why, sizeof why, "quarantine ended: job %lld was to blame", (long long)job);
	if (tx_query(tx, STMT_WORKERS_BROKEN, DB_ARGS(db_int(job)), &rows, e) < 0)
		return -1;
	while ((rc = db_next(&rows, e)) > 0) {
		if (n == cap) {
			struct broken *more = arena_array(&a, cap = cap * 2 + 8, sizeof *more);
			if (!more)
				return err_set(e, ERR_NOMEM, "workers");
			if (n)
				memcpy(more, all, n * sizeof *all);
			all = more;
		}
		all[n++] = (struct broken){ db_col_int(&rows, 0), db_col_str(&rows, 1, &a),
					    db_col_int(&rows, 2) == job };
	}
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = worker_let_in(tx, all[i].id, all[i].name, all[i].is_suspect ? why : NULL, e);
	return rc;
}

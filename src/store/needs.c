/* What the end of one job does to those that need it: in the same transaction, by a list of work, never by
 * recursion (a chain may be a hundred thousand jobs long). needs_left is kept exact for every job in every
 * state: it counts the needs that have not succeeded, and what has succeeded stays so. */
#include <stdio.h>

#include "store/ids_priv.h"
#include "store/job_priv.h"

static int one_less(struct tx *tx, int64_t id, const char *actor, struct err *e)
{
	if (tx_exec(tx, STMT_JOB_NEED_DONE, DB_ARGS(db_int(id)), NULL, e) < 0)
		return -1;
	struct job_row r;
	if (job_row_get(tx, id, &r, e) < 0)
		return -1;
	if (r.j.state != STATE_BLOCKED || r.j.needs_left > 0)
		return 0;
	return job_move(tx, &r, job_state_free(tx, &r.j), REASON_NONE, actor, NULL, e);
}

/* Live jobs that wait for `ended`, which did not succeed, fail; those that somebody needs join the list. */
static int fail_dependants(struct tx *tx, int64_t ended, const char *actor, struct ids *ended_too,
			   struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	if (ids_query(tx, STMT_NEEDED_BY, DB_ARGS(db_int(ended)), &ids, e) < 0)
		return -1;
	char detail[64];
	snprintf(detail, sizeof detail, "needs job %lld", (long long)ended);
	for (size_t i = 0; i < ids.len; i++) {
		struct job_row r;
		if (job_row_get(tx, ids.at[i], &r, e) < 0)
			return -1;
		if (r.j.state != STATE_BLOCKED && r.j.state != STATE_SUSPENDED)
			continue;
		if (job_move(tx, &r, STATE_FAILED, REASON_NEEDS, actor, detail, e) < 0)
			return -1;
		if (r.is_needed && ids_add(ended_too, r.j.id, e) < 0)
			return -1;
	}
	return 0;
}

int needs_follow(struct tx *tx, const struct job_row *ended, const char *actor, struct err *e)
{
	if (!ended->is_needed)
		return 0;
	CLEAN_IDS struct ids work = IDS_INIT;
	if (ended->j.state == STATE_SUCCEEDED) {
		if (ids_query(tx, STMT_NEEDED_BY, DB_ARGS(db_int(ended->j.id)), &work, e) < 0)
			return -1;
		for (size_t i = 0; i < work.len; i++)
			if (one_less(tx, work.at[i], actor, e) < 0)
				return -1;
		return 0;
	}
	if (ids_add(&work, ended->j.id, e) < 0)
		return -1;
	while (work.len)
		if (fail_dependants(tx, work.at[--work.len], actor, &work, e) < 0)
			return -1;
	return 0;
}

static int revive_dependants(struct tx *tx, int64_t id, const char *actor, struct ids *revived, struct err *e)
{
	CLEAN_IDS struct ids ids = IDS_INIT;
	if (ids_query(tx, STMT_NEEDED_BY, DB_ARGS(db_int(id)), &ids, e) < 0)
		return -1;
	char detail[64];
	snprintf(detail, sizeof detail, "job %lld is tried again", (long long)id);
	for (size_t i = 0; i < ids.len; i++) {
		struct job_row r;
		int64_t failed = 0;
		if (job_row_get(tx, ids.at[i], &r, e) < 0)
			return -1;
		if (r.j.state != STATE_FAILED || r.j.reason != REASON_NEEDS)
			continue;
		/* Another of its needs may still be one that failed; or another job has its place. */
		if (tx_get_int(tx, STMT_NEED_FAILED, DB_ARGS(db_int(r.j.id)), &failed, e) < 0)
			return -1;
		int64_t other = 0;
		if (tx_get_int(tx, STMT_JOB_DEDUPE_TAKEN, DB_ARGS(db_int(r.j.id)), &other, e) < 0)
			return -1;
		if (failed || other)
			continue;
		r.j.is_cancel_asked = false;
		if (job_move(tx, &r, STATE_BLOCKED, REASON_NONE, actor, detail, e) < 0)
			return -1;
		if (r.is_needed && ids_add(revived, r.j.id, e) < 0)
			return -1;
	}
	return 0;
}

int needs_revive(struct tx *tx, int64_t id, const char *actor, struct err *e)
{
	CLEAN_IDS struct ids work = IDS_INIT;
	if (ids_add(&work, id, e) < 0)
		return -1;
	while (work.len)
		if (revive_dependants(tx, work.at[--work.len], actor, &work, e) < 0)
			return -1;
	return 0;
}

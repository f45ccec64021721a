#include "base/arena.h"
#include "store/records.h"
#include "store/tx_priv.h"

enum { LIMIT_MAX = 10000 };

static int read_event(struct tx *tx, struct db_rows *rows, struct arena *a, struct event *v, struct err *e)
{
	const char *actor = string_text(tx, db_col_int(rows, 3), e);
	if (!actor)
		return -1;
	*v = (struct event){
		.id = db_col_int(rows, 0),
		.job = db_col_int(rows, 1),
		.at_ms = db_col_int(rows, 2),
		.actor = arena_strdup(a, actor),
		.from = (enum job_state)db_col_int(rows, 4),
		.to = (enum job_state)db_col_int(rows, 5),
		.reason = (enum job_reason)db_col_int(rows, 6),
		.detail = db_col_str(rows, 7, a),
	};
	return v->actor && v->detail ? 0 : err_set(e, ERR_NOMEM, "events");
}

int events_list(struct tx *tx, int64_t job, int limit, struct arena *a, struct event **out, size_t *n,
		struct err *e)
{
	struct event last;
	limit = limit < 1 ? 1 : limit > LIMIT_MAX ? LIMIT_MAX : limit;
	*n = 0;
	*out = arena_array(a, (size_t)limit, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "events");
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_EVENT_LIST, DB_ARGS(db_int(job), db_int(limit)), &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*n < (size_t)limit && (rc = db_next(&rows, e)) > 0)
		if (read_event(tx, &rows, a, &(*out)[(*n)++], e) < 0)
			return -1;
	if (rc < 0)
		return -1;
	/* The newest were read; told oldest first. */
	for (size_t i = 0; i < *n / 2; i++) {
		last = (*out)[*n - 1 - i];
		(*out)[*n - 1 - i] = (*out)[i];
		(*out)[i] = last;
	}
	return 0;
}

int events_noted(struct tx *tx, const struct event *behind, int limit, struct arena *a, struct event **out,
		 size_t *n, struct err *e)
{
	limit = limit < 1 ? 1 : limit > LIMIT_MAX ? LIMIT_MAX : limit;
	*n = 0;
	*out = arena_array(a, (size_t)limit, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "events");
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_EVENT_NOTED,
		     DB_ARGS(db_int(behind->at_ms ? behind->at_ms : INT64_MAX), db_int(behind->job),
			     db_int(behind->id), db_int(limit)),
		     &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*n < (size_t)limit && (rc = db_next(&rows, e)) > 0)
		if (read_event(tx, &rows, a, &(*out)[(*n)++], e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

#include "base/arena.h"
#include "store/records.h"
#include "store/tx_priv.h"

int artifacts_list(struct tx *tx, int64_t job, int attempt, struct arena *a, struct artifact **out, size_t *n,
		   struct err *e)
{
	int64_t newest = attempt, count = 0;
	*out = NULL;
	*n = 0;
	if (!attempt && tx_get_int(tx, STMT_JOB_ATTEMPT, DB_ARGS(db_int(job)), &newest, e) < 0)
		return -1;
	if (tx_get_int(tx, STMT_ARTIFACT_COUNT, DB_ARGS(db_int(job), db_int(newest)), &count, e) < 0)
		return -1;
	*out = arena_array(a, (size_t)count + 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "artifacts");
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_ARTIFACT_LIST, DB_ARGS(db_int(job), db_int(newest)), &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*n < (size_t)count && (rc = db_next(&rows, e)) > 0) {
		struct artifact *f = &(*out)[*n];
		f->job = db_col_int(&rows, 0);
		f->attempt = (int)db_col_int(&rows, 1);
		f->name = db_col_str(&rows, 2, a);
		snprintf(f->sha256, sizeof f->sha256, "%s", db_col_text(&rows, 3));
		f->size_bytes = db_col_int(&rows, 4);
		if (!f->name)
			return err_set(e, ERR_NOMEM, "artifacts");
		(*n)++;
	}
	return rc < 0 ? -1 : 0;
}

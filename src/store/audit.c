#include "base/arena.h"
#include "store/records.h"
#include "store/tx_priv.h"

enum { LIMIT_MAX = 10000 };

int audit_add(struct tx *tx, const char *actor, const char *subject, const char *detail, struct err *e)
{
	return tx_exec(tx, STMT_AUDIT_ADD,
		       DB_ARGS(db_int(tx->now_ms), db_str(actor), db_str(subject), db_str(detail)), NULL, e);
}

int audit_list(struct tx *tx, const char *subject, int64_t before, int limit, struct arena *a,
	       struct audit **out, size_t *n, struct err *e)
{
	limit = limit < 1 ? 1 : limit > LIMIT_MAX ? LIMIT_MAX : limit;
	*n = 0;
	*out = arena_array(a, (size_t)limit, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "audit rows");
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_AUDIT_LIST,
		     DB_ARGS(db_str_or_null(subject), db_int(before ? before : INT64_MAX), db_int(limit)),
		     &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*n < (size_t)limit && (rc = db_next(&rows, e)) > 0) {
		struct audit *r = &(*out)[(*n)++];
		*r = (struct audit){
			.id = db_col_int(&rows, 0),
			.at_ms = db_col_int(&rows, 1),
			.actor = db_col_str(&rows, 2, a),
			.subject = db_col_str(&rows, 3, a),
			.detail = db_col_str(&rows, 4, a),
		};
		if (!r->actor || !r->subject || !r->detail)
			return err_set(e, ERR_NOMEM, "audit rows");
	}
	return rc < 0 ? -1 : 0;
}

#include "store/ids_priv.h"

#include <stdlib.h>

void ids_release(struct ids *ids)
{
	free(ids->at);
	*ids = (struct ids)IDS_INIT;
}

int ids_add(struct ids *ids, int64_t id, struct err *e)
{
	if (ids->len == ids->cap) {
		size_t cap = ids->cap ? ids->cap * 2 : 32;
		int64_t *at = reallocarray(ids->at, cap, sizeof *at);
		if (!at)
			return err_set(e, ERR_NOMEM, "list of jobs");
		ids->at = at;
		ids->cap = cap;
	}
	ids->at[ids->len++] = id;
	return 0;
}

int ids_query(struct tx *tx, enum stmt stmt, const struct db_value *args, size_t n, struct ids *ids,
	      struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, stmt, args, n, &rows, e) < 0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0)
		if (ids_add(ids, db_col_int(&rows, 0), e) < 0)
			return -1;
	return rc;
}

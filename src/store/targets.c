#include <string.h>

#include "base/arena.h"
#include "base/hash.h"
#include "store/records.h"
#include "store/tx_priv.h"

static int must_change(int64_t changed, const char *name, struct err *e)
{
	return changed ? 0 : err_set(e, ERR_NOT_FOUND, "there is no target %s", name);
}

int targets_add(struct tx *tx, const char *name, const char *suite, const char *arch, int64_t job,
		struct err *e)
{
	int64_t changed = 0;
	if (tx_exec(tx, STMT_TARGET_ADD,
		    DB_ARGS(db_str(name), db_str(suite), db_str(arch), db_int(tx->now_ms), db_int(job)),
		    &changed, e) < 0)
		return -1;
	return changed ? 0 : err_set(e, ERR_CONFLICT, "there is a target %s already", name);
}

static int read_target(struct db_rows *rows, struct arena *a, struct target *t, struct err *e)
{
	*t = (struct target){
		.id = db_col_int(rows, 0),
		.name = db_col_str(rows, 1, a),
		.suite = db_col_str(rows, 2, a),
		.arch = db_col_str(rows, 3, a),
		.image_bytes = db_col_int(rows, 5),
		.state = db_col_str(rows, 6, a),
		.updated_ms = db_col_int(rows, 7),
		.job = db_col_int(rows, 8),
	};
	snprintf(t->image, sizeof t->image, "%s", db_col_text(rows, 4));
	return t->name && t->suite && t->arch && t->state ? 0 : err_set(e, ERR_NOMEM, "target");
}

int targets_get(struct tx *tx, const char *name, struct arena *a, struct target *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_TARGET_GET, DB_ARGS(db_str(name)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0)
		return must_change(0, name, e);
	return rc < 0 ? -1 : read_target(&rows, a, out, e);
}

int targets_list(struct tx *tx, struct arena *a, struct target **out, size_t *n, struct err *e)
{
	int64_t count = 0;
	*n = 0;
	if (tx_get_int(tx, STMT_TARGET_COUNT, DB_NO_ARGS, &count, e) < 0)
		return -1;
	*out = arena_array(a, (size_t)count + 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "targets");
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_TARGET_LIST, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*n < (size_t)count && (rc = db_next(&rows, e)) > 0)
		if (read_target(&rows, a, &(*out)[(*n)++], e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

int targets_making(struct tx *tx, const char *name, int64_t job, struct err *e)
{
	int64_t changed = 0;
	if (tx_exec(tx, STMT_TARGET_MAKING, DB_ARGS(db_str(name), db_int(job), db_int(tx->now_ms)), &changed,
		    e) < 0)
		return -1;
	return must_change(changed, name, e);
}

int targets_made(struct tx *tx, const char *name, int64_t job, const char *image, int64_t bytes,
		 struct err *e)
{
	/* A job that was overtaken by a newer one changes nothing. */
	if (!image)
		return tx_exec(tx, STMT_TARGET_FAILED, DB_ARGS(db_int(job), db_int(tx->now_ms)), NULL, e);
	if (!hash_is_hex(image))
		return err_set(e, ERR_INVALID, "target %s: its image is no sha256", name);
	return tx_exec(tx, STMT_TARGET_MADE,
		       DB_ARGS(db_str(name), db_int(job), db_str(image), db_int(bytes), db_int(tx->now_ms)),
		       NULL, e);
}

int targets_remove(struct tx *tx, const char *name, struct err *e)
{
	int64_t id = 0, user = 0, changed = 0;
	if (string_find(tx, name, &id, e) < 0)
		return -1;
	if (id && tx_get_int(tx, STMT_TARGET_IS_USED, DB_ARGS(db_int(id)), &user, e) < 0)
		return -1;
	if (user)
		return err_set(e, ERR_CONFLICT, "target %s is used by job %lld", name, (long long)user);
	if (tx_exec(tx, STMT_TARGET_REMOVE, DB_ARGS(db_str(name), db_int(tx->now_ms)), &changed, e) < 0)
		return -1;
	return must_change(changed, name, e);
}

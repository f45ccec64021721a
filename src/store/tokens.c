#include "store/tokens.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "store/records.h"
#include "store/store.h"
#include "store/tx_priv.h"

static int note(struct tx *tx, int64_t id, const char *actor, const char *detail, struct err *e)
{
	char subject[40];
	snprintf(subject, sizeof subject, "token:%lld", (long long)id);
	return audit_add(tx, actor, subject, detail, e);
}

int tokens_add(struct tx *tx, const struct token *t, const char *actor, int64_t *id, struct err *e)
{
	char detail[300];
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_TOKEN_ADD,
		     DB_ARGS(db_int((int)t->role), db_str(t->name), db_str(t->hash), db_str(t->zones),
			     db_str(t->maker), db_int(tx->now_ms), db_int(t->expires_ms)),
		     &rows, e) < 0 ||
	    db_next(&rows, e) <= 0)
		return -1;
	*id = db_col_int(&rows, 0);
	snprintf(detail, sizeof detail, "made for role %s%s%.120s%s%.80s", role_name(t->role),
		 t->name[0] ? ", name " : "", t->name, t->zones[0] ? ", zones " : "", t->zones);
	return note(tx, *id, actor, detail, e);
}

static int read_token(struct db_rows *rows, struct arena *a, struct token *t, struct err *e)
{
	*t = (struct token){
		.id = db_col_int(rows, 0),
		.role = (enum role)db_col_int(rows, 1),
		.name = db_col_str(rows, 2, a),
		.zones = db_col_str(rows, 5, a),
		.maker = db_col_str(rows, 6, a),
		.created_ms = db_col_int(rows, 7),
		.expires_ms = db_col_int(rows, 8),
		.used_ms = db_col_int(rows, 9),
		.revoked_ms = db_col_int(rows, 10),
		.born = db_col_int(rows, 11),
	};
	snprintf(t->hash, sizeof t->hash, "%s", db_col_text(rows, 3));
	snprintf(t->next_hash, sizeof t->next_hash, "%s", db_col_text(rows, 4));
	return t->name && t->zones && t->maker ? 0 : err_set(e, ERR_NOMEM, "tokens");
}

int tokens_list(struct tx *tx, bool is_live_only, struct arena *a, struct token **out, size_t *n,
		struct err *e)
{
	int64_t count = 0, now_ms = is_live_only ? tx->now_ms : 0;
	*n = 0;
	if (tx_get_int(tx, STMT_TOKEN_COUNT, DB_NO_ARGS, &count, e) < 0)
		return -1;
	*out = arena_array(a, (size_t)count + 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "tokens");
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_TOKEN_LIST, DB_ARGS(db_int(now_ms), db_int(is_live_only)), &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*n < (size_t)count && (rc = db_next(&rows, e)) > 0)
		if (read_token(&rows, a, &(*out)[(*n)++], e) < 0)
			return -1;
	return rc < 0 ? -1 : 0;
}

int tokens_get(struct tx *tx, int64_t id, struct arena *a, struct token *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_TOKEN_GET, DB_ARGS(db_int(id)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no token %lld", (long long)id);
	return rc < 0 ? -1 : read_token(&rows, a, out, e);
}

int tokens_revoke(struct tx *tx, int64_t id, const char *actor, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct token t;
	if (tokens_get(tx, id, &a, &t, e) < 0)
		return -1;
	if (t.revoked_ms)
		return 0;
	if (tx_exec(tx, STMT_TOKEN_REVOKE, DB_ARGS(db_int(id), db_int(tx->now_ms)), NULL, e) < 0)
		return -1;
	return note(tx, id, actor, "revoked", e);
}

int tokens_version(struct tx *tx, int64_t *version, struct err *e)
{
	return tx_get_int(tx, STMT_TOKEN_VERSION, DB_NO_ARGS, version, e);
}

int tokens_used(struct tx *tx, int64_t id, struct err *e)
{
	return tx_exec(tx, STMT_TOKEN_USED, DB_ARGS(db_int(id), db_int(tx->now_ms)), NULL, e);
}

/* --- workers --- */

/* The answer to the first call may have been lost. */
static int join_again(struct tx *tx, const struct token *join, const char *name, const char *hash,
		      struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct token born;
	if (tokens_get(tx, join->born, &a, &born, e) < 0)
		return -1;
	if (strcmp(born.hash, hash) == 0 && strcmp(born.name, name) == 0 && !born.revoked_ms)
		return 0;
	return err_set(
		e, ERR_DENIED,
		"this join token was used already, by worker %s; make another with: slipway token create --role worker",
		born.name);
}

/* Credentials that the name has already. */
static int replace_older(struct tx *tx, const struct token *join, const char *name, const char *actor,
			 struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct token *all;
	size_t n;
	if (tokens_list(tx, true, &a, &all, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		if (all[i].role != ROLE_WORKER || strcmp(all[i].name, name) != 0)
			continue;
		if (!join->name[0])
			return err_set(
				e, ERR_CONFLICT,
				"a worker %s has joined already: give this one another name (--name), or make a token that "
				"replaces it: slipway token create --role worker --name %s",
				name, name);
		if (tokens_revoke(tx, all[i].id, actor, e) < 0)
			return -1;
	}
	return 0;
}

int tokens_join(struct tx *tx, int64_t id, const char *name, const char *hash, int64_t *born, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct token join;
	const char *actor = arena_printf(&a, "worker:%s", name);
	if (tokens_get(tx, id, &a, &join, e) < 0)
		return -1;
	*born = join.born;
	if (join.born)
		return join_again(tx, &join, name, hash, e);
	if (join.name[0] && strcmp(join.name, name) != 0)
		return err_set(e, ERR_DENIED, "this join token is for worker %s, not %s", join.name, name);
	if (!actor)
		return err_set(e, ERR_NOMEM, "tokens");
	if (replace_older(tx, &join, name, actor, e) < 0)
		return -1;
	struct token t = { .role = ROLE_WORKER, .name = name, .zones = join.zones, .maker = join.maker };
	int64_t changed = 0;
	snprintf(t.hash, sizeof t.hash, "%s", hash);
	if (tokens_add(tx, &t, actor, born, e) < 0 ||
	    tx_exec(tx, STMT_TOKEN_JOINED, DB_ARGS(db_int(id), db_int(*born), db_int(tx->now_ms)), &changed,
		    e) < 0)
		return -1;
	/* Another server was a moment earlier. */
	return changed ? 0 : err_set(e, ERR_DENIED, "this join token was used already");
}

int tokens_set_next(struct tx *tx, int64_t id, const char *next_hash, struct err *e)
{
	int64_t changed = 0;
	if (tx_exec(tx, STMT_TOKEN_SET_NEXT, DB_ARGS(db_int(id), db_str(next_hash)), &changed, e) < 0)
		return -1;
	return changed ? 0 : err_set(e, ERR_NOT_FOUND, "there is no token %lld", (long long)id);
}

int tokens_promote(struct tx *tx, int64_t id, const char *next_hash, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct token t;
	int64_t changed = 0;
	if (tokens_get(tx, id, &a, &t, e) < 0 ||
	    tx_exec(tx, STMT_TOKEN_PROMOTE, DB_ARGS(db_int(id), db_str(next_hash)), &changed, e) < 0)
		return -1;
	const char *actor = arena_printf(&a, "worker:%s", t.name);
	if (!actor)
		return err_set(e, ERR_NOMEM, "tokens");
	return changed ? note(tx, id, actor, "its secret was replaced by a new one", e) : 0;
}

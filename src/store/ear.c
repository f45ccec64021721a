#include "store/ear.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "store/store_priv.h"

struct ear {
	struct store *store;
	struct db *db;
	bool is_listening;
};

enum { TRIES = 3 };

int ear_open(struct store *s, struct ear **out, struct err *e)
{
	struct ear *ear = calloc(1, sizeof *ear);
	*out = NULL;
	if (!ear)
		return err_set(e, ERR_NOMEM, "ear");
	ear->store = s;
	if (dbserver_connect(s->db_url, &ear->db, e) < 0) {
		free(ear);
		return -1;
	}
	*out = ear;
	return 0;
}

void ear_close(struct ear *ear)
{
	if (!ear)
		return;
	db_close(ear->db);
	free(ear);
}

/* To listen is the one state that is kept in a session: a pooler that gives the session to others does no harm by it. */
static int ready(struct ear *ear, struct err *e)
{
	if (db_is_lost(ear->db)) {
		ear->is_listening = false;
		if (db_reconnect(ear->db, e) < 0)
			return -1;
	}
	if (!ear->is_listening && db_script(ear->db, "LISTEN slipway", e) < 0)
		return -1;
	ear->is_listening = true;
	return 0;
}

/* One statement by itself, outside of any transaction: it names the schema, and it may be repeated. */
static int ask(struct ear *ear, enum stmt stmt, const struct db_value *args, size_t n, struct db_rows *rows,
	       struct err *e)
{
	for (int i = 0; i < TRIES; i++) {
		err_clear(e);
		if (ready(ear, e) == 0 && db_query(ear->db, (int)stmt, args, n, rows, e) == 0)
			return 0;
	}
	return -1;
}

int ear_say(struct ear *ear, const char *text, struct err *e)
{
	CLEAN_ROWS struct db_rows rows = { .db = ear->db };
	return ask(ear, STMT_EAR_SAY, DB_ARGS(db_str(text)), &rows, e);
}

int ear_wait(struct ear *ear, int wake_fd, int timeout_ms, ear_heard_fn *fn, void *ctx, struct err *e)
{
	if (ready(ear, e) < 0)
		return -1;
	return db_wait(ear->db, wake_fd, timeout_ms, fn, ctx, e);
}

/* What a row of the look is about; the numbers stand in the statement. */
enum seen { SEEN_LANE = 1, SEEN_CANCEL, SEEN_DUE, SEEN_OTHERS, SEEN_TOKENS };

static int add_lane(struct ear_look *l, size_t *cap, int64_t lane)
{
	if (l->lanes_len == *cap) {
		*cap = *cap ? *cap * 2 : 32;
		int64_t *more = reallocarray(l->lanes, *cap, sizeof *more);
		if (!more)
			return -1;
		l->lanes = more;
	}
	l->lanes[l->lanes_len++] = lane;
	return 0;
}

static int add_cancel(struct ear_look *l, size_t *cap, int64_t job, int attempt)
{
	if (l->cancels_len == *cap) {
		*cap = *cap ? *cap * 2 : 32;
		struct ear_cancel *more = reallocarray(l->cancels, *cap, sizeof *more);
		if (!more)
			return -1;
		l->cancels = more;
	}
	l->cancels[l->cancels_len++] = (struct ear_cancel){ job, attempt };
	return 0;
}

static int add_row(struct ear_look *l, size_t caps[2], struct db_rows *rows)
{
	int64_t a = db_col_int(rows, 1), b = db_col_int(rows, 2);
	switch ((enum seen)db_col_int(rows, 0)) {
	case SEEN_LANE:
		return add_lane(l, &caps[0], a);
	case SEEN_CANCEL:
		return add_cancel(l, &caps[1], a, (int)b);
	case SEEN_DUE:
		l->due_ms = a;
		return 0;
	case SEEN_OTHERS:
		l->others = (int)a;
		return 0;
	case SEEN_TOKENS:
		l->tokens_version = a;
		return 0;
	}
	return 0;
}

int ear_look(struct ear *ear, bool with_cancels, struct ear_look *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows = { .db = ear->db };
	size_t caps[2] = { 0, 0 };
	*out = (struct ear_look){ .others = 0 };
	if (ask(ear, STMT_EAR_LOOK, DB_ARGS(db_int(ear->store->server.id), db_int(with_cancels)), &rows, e) <
	    0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0)
		if (add_row(out, caps, &rows) < 0)
			return err_set(e, ERR_NOMEM, "look");
	return rc;
}

void ear_look_release(struct ear_look *l)
{
	free(l->lanes);
	free(l->cancels);
	*l = (struct ear_look){ .others = 0 };
}

int ear_jobs(struct ear *ear, const int64_t *ids, size_t n, struct ear_job *out, size_t *out_len,
	     struct err *e)
{
	CLEAN_BUF struct buf list = BUF_INIT;
	CLEAN_ROWS struct db_rows rows = { .db = ear->db };
	*out_len = 0;
	for (size_t i = 0; i < n; i++)
		buf_addf(&list, "%s%lld", i ? "," : "", (long long)ids[i]);
	if (buf_check(&list, e) < 0 || ask(ear, STMT_EAR_JOBS, DB_ARGS(db_str(list.data)), &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*out_len < n && (rc = db_next(&rows, e)) > 0)
		out[(*out_len)++] = (struct ear_job){ .id = db_col_int(&rows, 0),
						      .state = (enum job_state)db_col_int(&rows, 1),
						      .events = db_col_int(&rows, 2),
						      .attempt = (int)db_col_int(&rows, 3),
						      .lane = db_col_int(&rows, 4),
						      .is_cancel_asked = db_col_int(&rows, 5) != 0 };
	return rc < 0 ? -1 : 0;
}

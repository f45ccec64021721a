#include "store/check.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/clean.h"
#include "base/hash.h"
#include "store/blobs.h"
#include "store/logs.h"
#include "store/store_priv.h"

struct check {
	struct tx *tx;
	void (*found)(void *ctx, const char *text);
	void *ctx;
	int violations;
};

static const struct check_rule {
	enum stmt stmt;
	const char *before, *after;
} rules[] = {
#define RULE_ROW(name, before, after, sql) { STMT_CHECK_##name, before, after },
	CHECK_RULES(RULE_ROW)
};

__attribute__((format(printf, 2, 3))) static void report(struct check *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	c->violations++;
	if (c->found)
		c->found(c->ctx, text);
}

static int check_rule(struct check *c, const struct check_rule *rule, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(c->tx, rule->stmt, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0)
		report(c, "%s%" PRId64 "%s", rule->before, db_col_int(&rows, 0), rule->after);
	return rc;
}

/* Where the events of one job have led so far. */
struct replay {
	int64_t job;
	int64_t n, attempts;
	enum job_state at;
};

static void replay_event(struct check *c, struct replay *r, struct db_rows *rows)
{
	int64_t n = db_col_int(rows, 1);
	enum job_state from = (enum job_state)db_col_int(rows, 2), to = (enum job_state)db_col_int(rows, 3);
	if (n != r->n + 1)
		report(c, "job %" PRId64 ": event %" PRId64 " is missing", r->job, r->n + 1);
	if (from != r->at)
		report(c, "job %" PRId64 ": event %" PRId64 " starts from %s, but it was %s", r->job, n,
		       from ? state_name(from) : "nothing", r->at ? state_name(r->at) : "nothing");
	/* From a state to itself is a note. */
	if (from != to && !state_may_go(from, to))
		report(c, "job %" PRId64 ": event %" PRId64 " went from %s to %s", r->job, n,
		       from ? state_name(from) : "nothing", state_name(to));
	r->n = n;
	r->at = to;
	r->attempts += to == STATE_RUNNING && from != to;
	if (n != db_col_int(rows, 5))
		return;
	if (to != (enum job_state)db_col_int(rows, 4))
		report(c, "job %" PRId64 " is not in the state its events lead to", r->job);
	if (r->attempts != db_col_int(rows, 6))
		report(c, "job %" PRId64 " has %" PRId64 " attempts, but was started %" PRId64 " times",
		       r->job, db_col_int(rows, 6), r->attempts);
}

static int check_replay(struct check *c, struct err *e)
{
	struct replay r = { .job = 0 };
	int64_t events = 0;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(c->tx, STMT_CHECK_REPLAY, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0) {
		int64_t job = db_col_int(&rows, 0);
		if (job != r.job) {
			if (r.n != events)
				report(c, "job %" PRId64 " has %" PRId64 " events, not %" PRId64, r.job, r.n,
				       events);
			r = (struct replay){ .job = job };
			events = db_col_int(&rows, 5);
		}
		replay_event(c, &r, &rows);
	}
	if (rc == 0 && r.n != events)
		report(c, "job %" PRId64 " has %" PRId64 " events, not %" PRId64, r.job, r.n, events);
	return rc;
}

/* Sizes of -1 are not known. */
static int check_blob(struct check *c, const char *what, struct db_rows *rows, struct err *e)
{
	char sha256[HASH_HEX_BYTES], is[HASH_HEX_BYTES];
	int64_t job = db_col_int(rows, 0), least = db_col_int(rows, 2), most = db_col_int(rows, 3), size;
	snprintf(sha256, sizeof sha256, "%s", db_col_text(rows, 1));
	CLEAN_FD int fd = blob_open(c->tx->store, sha256, NULL, NULL);
	if (fd < 0) {
		report(c, "%s of job %" PRId64 ": blob %s is missing", what, job, sha256);
		return 0;
	}
	if (hash_fd(fd, is, &size, e) < 0)
		return -1;
	if (strcmp(is, sha256) != 0)
		report(c, "%s of job %" PRId64 ": blob %s has another content", what, job, sha256);
	else if (least >= 0 && (size != least || size != most))
		report(c, "%s of job %" PRId64 ": blob %s has %" PRId64 " bytes, not %" PRId64, what, job,
		       sha256, size, size != least ? least : most);
	return 0;
}

static int check_blobs(struct check *c, const char *what, enum stmt stmt, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(c->tx, stmt, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0)
		if (check_blob(c, what, &rows, e) < 0)
			return -1;
	return rc;
}

static int check_logs(struct check *c, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(c->tx, STMT_CHECK_LOGS, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0) {
		int64_t job = db_col_int(&rows, 0), n = db_col_int(&rows, 1), bytes = db_col_int(&rows, 2);
		int64_t size = log_size(c->tx->store, job, (int)n);
		if (size < bytes)
			report(c,
			       "job %" PRId64 ", attempt %" PRId64 ": its log has %" PRId64 " of %" PRId64
			       " bytes",
			       job, n, size, bytes);
	}
	return rc;
}

/* Queries whose rows are sentences. */
static int check_sentences(struct check *c, enum stmt stmt, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(c->tx, stmt, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0)
		if (strcmp(db_col_text(&rows, 0), "ok") != 0)
			report(c, "database: %s", db_col_text(&rows, 0));
	return rc;
}

int store_check(struct tx *tx, void (*found)(void *ctx, const char *text), void *ctx, int *violations,
		struct err *e)
{
	struct check c = { .tx = tx, .found = found, .ctx = ctx };
	*violations = 0;
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		if (check_rule(&c, &rules[i], e) < 0)
			return -1;
	if (check_replay(&c, e) < 0 || check_blobs(&c, "artifact", STMT_CHECK_ARTIFACT_BLOBS, e) < 0 ||
	    check_blobs(&c, "target's image", STMT_CHECK_IMAGES, e) < 0 ||
	    check_blobs(&c, "input", STMT_CHECK_INPUTS, e) < 0 || check_logs(&c, e) < 0 ||
	    check_sentences(&c, STMT_CHECK_INTEGRITY, e) < 0 ||
	    check_sentences(&c, STMT_CHECK_FOREIGN_KEYS, e) < 0)
		return -1;
	*violations = c.violations;
	return 0;
}

/* Every statement prepares, and those that run often are served by the index that was made for them: no
 * table of jobs is ever read from end to end to dispatch or to show a page. */
#include "test.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "contract/store_fixture.h"
#include "store/statements.h"

static struct fx *fx;
static sqlite3 *h;

static int set_up(void **state)
{
	char path[128];
	fx = calloc(1, sizeof *fx);
	fx_init(fx);
	fx_close(fx);
	snprintf(path, sizeof path, "%s/slipway.db", fx->dir);
	assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
	return 0;
}

static int tear_down(void **state)
{
	sqlite3_close(h);
	fx_release(fx);
	free(fx);
	return 0;
}

static void test_all_prepare(void **state)
{
	for (int i = 0; i < STMT_COUNT; i++) {
		sqlite3_stmt *st;
		if (!store_statements[i].sql)
			fail_msg("statement %d has no text", i);
		if (sqlite3_prepare_v2(h, store_statements[i].sql, -1, &st, NULL) != SQLITE_OK)
			fail_msg("%s: %s", store_statements[i].name, sqlite3_errmsg(h));
		sqlite3_finalize(st);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(store_statements[i].name, store_statements[k].name);
	}
}

static void read_plan(enum stmt stmt, struct buf *out)
{
	struct buf sql = BUF_INIT;
	sqlite3_stmt *st;
	buf_adds(&sql, "EXPLAIN QUERY PLAN ");
	buf_adds(&sql, store_statements[stmt].sql);
	assert_int_equal(sqlite3_prepare_v2(h, sql.data, -1, &st, NULL), SQLITE_OK);
	buf_reset(out);
	while (sqlite3_step(st) == SQLITE_ROW) {
		buf_adds(out, (const char *)sqlite3_column_text(st, 3));
		buf_addc(out, '\n');
	}
	sqlite3_finalize(st);
	buf_release(&sql);
}

static const struct {
	enum stmt stmt;
	const char *uses, *avoids;
} plans[] = {
	{ STMT_TAKE_LANE, "USING INDEX job_waiting (lane=? AND state=? AND is_gated=?)", "TEMP B-TREE" },
	{ STMT_TAKE_OWNERS, "USING INDEX job_waiting (lane=? AND state=? AND is_gated=? AND owner>?)",
	  "TEMP B-TREE" },
	{ STMT_RUNNING_OWNERS, "USING COVERING INDEX job_leased", "PRIMARY KEY" },
	{ STMT_OWNER_RUNNING, "USING COVERING INDEX job_leased", "PRIMARY KEY" },
	{ STMT_OWNER_WAITS,
	  "USING COVERING INDEX job_waiting (lane=? AND state=? AND is_gated=? AND owner=?)", "TEMP B-TREE" },
	{ STMT_KEY_LANE, "USING COVERING INDEX job_key (limit_key=? AND state=? AND lane>?)", "TEMP B-TREE" },
	{ STMT_KEY_OPEN, "USING COVERING INDEX job_key (limit_key=? AND state=? AND lane=? AND is_gated=?)",
	  "TEMP B-TREE" },
	{ STMT_KEY_BEST_GATED,
	  "USING COVERING INDEX job_key (limit_key=? AND state=? AND lane=? AND is_gated=?)", "TEMP B-TREE" },
	{ STMT_KEY_WORST_OPEN,
	  "USING COVERING INDEX job_key (limit_key=? AND state=? AND lane=? AND is_gated=?)", "TEMP B-TREE" },
	{ STMT_JOB_MOVE, "USING INTEGER PRIMARY KEY", "SCAN" },
	{ STMT_LEASE_RENEW, "USING INDEX job_leased (worker=?)", "SCAN" },
	{ STMT_LEASED_OF, "INDEX job_leased (worker=?)", "SCAN" },
	{ STMT_LEASED_LIST, "USING INDEX job_leased (worker=?)", "SCAN" },
	{ STMT_LEASE_ENDED, "USING COVERING INDEX job_leased", "TEMP B-TREE" },
	{ STMT_LEASE_NEXT, "USING COVERING INDEX job_leased", "TEMP B-TREE" },
	{ STMT_SCHEDULED_DUE, "USING COVERING INDEX job_scheduled (state=? AND run_at<?)", "TEMP B-TREE" },
	{ STMT_SCHEDULED_NEXT, "USING COVERING INDEX job_scheduled", "TEMP B-TREE" },
	{ STMT_DEPWAIT_OF, "USING INDEX job_rare (state=?)", "SCAN" },
	{ STMT_POSITION,
	  "USING COVERING INDEX job_waiting (lane=? AND state=? AND is_gated=? AND owner=? AND priority>?)",
	  "SCAN job" },
	{ STMT_DURATION_TAKE, "PRIMARY KEY (lane=? AND owner=? AND target=? AND name=?)", "SCAN" },
	{ STMT_DURATION_SET, "PRIMARY KEY (lane=? AND owner=? AND target=? AND name=?)", "SCAN" },
	{ STMT_DURATION_RUNNING, "USING INDEX job_leased (worker=?)", "SCAN" },
	{ STMT_DURATION_AHEAD,
	  "USING INDEX job_waiting (lane=? AND state=? AND is_gated=? AND owner=? AND priority>?)",
	  "TEMP B-TREE" },
	{ STMT_JOB_LIVE_DEDUPE, "INDEX job_dedupe (dedupe=?)", "SCAN" },
	{ STMT_JOB_DEDUPE_TAKEN, "INDEX job_dedupe (dedupe=?)", "SCAN" },
	{ STMT_NEEDED_BY, "USING COVERING INDEX need_back (needs=?)", "TEMP B-TREE" },
	{ STMT_NEED_FAILED, "PRIMARY KEY (job=?)", "SCAN" },
	{ STMT_LIST_ALL, "USING INTEGER PRIMARY KEY (rowid<?)", "TEMP B-TREE" },
	{ STMT_LIST_KIND, "USING INDEX job_kind (kind=? AND rowid<?)", "TEMP B-TREE" },
	{ STMT_LIST_CHAIN, "job_chain (chain=?)", "SCAN j" },
	{ STMT_LIST_RARE, "USING INDEX job_rare (state=? AND rowid<?)", "TEMP B-TREE" },
	{ STMT_LIST_WAITING, "job_waiting", "PRIMARY KEY" },
	{ STMT_LIST_SCHEDULED, "job_scheduled", "PRIMARY KEY" },
	{ STMT_LIST_LEASED, "job_leased", "PRIMARY KEY" },
	{ STMT_LIST_NEEDS, "PRIMARY KEY (job=?)", "TEMP B-TREE" },
	{ STMT_LIST_DEPENDANTS, "need_back (needs=?)", "TEMP B-TREE" },
	{ STMT_EVENT_LIST, "PRIMARY KEY (job=?)", "TEMP B-TREE" },
	{ STMT_ATTEMPT_GET, "PRIMARY KEY (job=?)", "TEMP B-TREE" },
	{ STMT_BLOB_IS_USED, "artifact_blob (sha256=?)", "SCAN artifact" },
	{ STMT_TARGET_IS_USED, "job_rare", "SCAN job\n" },
};

static void test_plans(void **state)
{
	struct buf plan = BUF_INIT;
	for (size_t i = 0; i < sizeof plans / sizeof plans[0]; i++) {
		read_plan(plans[i].stmt, &plan);
		if (!strstr(plan.data, plans[i].uses) || strstr(plan.data, plans[i].avoids))
			fail_msg("%s:\n%s", store_statements[plans[i].stmt].name, plan.data);
	}
	buf_release(&plan);
}

/* What runs for each job must not make a table of its own, nor keep a journal for a half-done statement. */
static void test_hot_statements_are_plain(void **state)
{
	static const enum stmt hot[] = { STMT_JOB_ADD,	   STMT_JOB_MOVE,	 STMT_EVENT_ADD,
					 STMT_ATTEMPT_ADD, STMT_ATTEMPT_END,	 STMT_JOB_HEAD,
					 STMT_TAKE_LANE,   STMT_JOB_GET_PAYLOAD, STMT_NEED_ADD,
					 STMT_LEASE_RENEW, STMT_JOB_NEED_DONE,	 STMT_DURATION_TAKE,
					 STMT_DURATION_SET };
	for (size_t i = 0; i < sizeof hot / sizeof hot[0]; i++) {
		struct buf sql = BUF_INIT;
		sqlite3_stmt *st;
		buf_adds(&sql, "EXPLAIN ");
		buf_adds(&sql, store_statements[hot[i]].sql);
		assert_int_equal(sqlite3_prepare_v2(h, sql.data, -1, &st, NULL), SQLITE_OK);
		while (sqlite3_step(st) == SQLITE_ROW) {
			const char *op = (const char *)sqlite3_column_text(st, 1);
			if (hot[i] != STMT_LEASE_RENEW &&
			    (strcmp(op, "OpenEphemeral") == 0 || strcmp(op, "SorterOpen") == 0))
				fail_msg("%s: %s", store_statements[hot[i]].name, op);
		}
		sqlite3_finalize(st);
		buf_release(&sql);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_all_prepare, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_plans, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hot_statements_are_plain, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

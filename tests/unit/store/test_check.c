/* store_check() finds what is wrong: each row of the table is a damage, done behind the store's back. */
#include "test.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "contract/store_fixture.h"
#include "store/blobs.h"
#include "store/check.h"
#include "store/logs.h"

/* Jobs: 1 succeeded with artifact and log, 2 running, 3 blocked by 2, 4 failed, 5 waiting, 6 cancelled. */
static void furnish(struct fx *fx)
{
	struct job *jobs;
	size_t n;
	struct job_birth b[1];
	int64_t two = 2;
	enum job_state s;
	bool is_repeat;
	int64_t size;
	fx_worker(fx, "w", "s");
	fx_job(fx, NULL, 0);
	fx_job(fx, NULL, 0);
	fx_take(fx, 2, &jobs, &n);
	struct artifact art = { .name = "a", .size_bytes = 3 };
	assert_int_equal(blob_put(fx->store, "art", 3, art.sha256, NULL), 0);
	assert_int_equal(log_append(fx->store, 1, 1, 0, "hello", 5, &size, NULL), 0);
	struct job_end end = { .job = 1,
			       .attempt = 1,
			       .outcome = OUTCOME_SUCCEEDED,
			       .step = "",
			       .detail = "",
			       .artifacts = &art,
			       .artifacts_len = 1,
			       .log_bytes = 5 };
	assert_int_equal(fx_finish(fx, &end, &s, &is_repeat), 0);
	fx_job(fx, &two, 1);
	fx_job(fx, NULL, 0);
	fx_run(fx, 4, OUTCOME_FAILED);
	fx_job(fx, NULL, 0);
	fx_job(fx, NULL, 0);
	fx_control(fx, jobs_cancel, 6);
	struct job_new build = fx_new();
	build.kind = KIND_BUILD;
	build.build.type = "deb";
	fx_submit(fx, &build, 1, b);
}

static const struct {
	const char *sql, *says;
} damages[] = {
	{ "UPDATE attempt SET outcome = 5, finished = 1 WHERE job = 2",
	  "job 2 is leased but has no open attempt" },
	{ "UPDATE attempt SET outcome = 0, finished = 0 WHERE job = 4", "job 4 has an open attempt" },
	{ "DELETE FROM attempt WHERE job = 4", "job 4's attempts are not numbered" },
	{ "INSERT INTO attempt SELECT job, 2, worker, session_n, started, finished, outcome, reason, exit_code, signal,"
	  " wall_ms, cpu_user_us, cpu_sys_us, memory_peak, log_bytes, is_log_truncated, is_log_inline, step, detail"
	  " FROM attempt WHERE job = 1",
	  "job 1 succeeded more than once" },
	{ "UPDATE attempt SET outcome = 2 WHERE job = 1", "job 1's success" },
	{ "UPDATE job SET needs_left = 2 WHERE id = 3", "job 3 miscounts" },
	{ "DELETE FROM need", "job 3 miscounts" },
	{ "UPDATE job SET needs_left = 0 WHERE id = 3", "job 3 is blocked by nothing" },
	{ "UPDATE job SET state = 9, finished = 1, lease_until = 0 WHERE id = 2",
	  "job 3 is blocked by a job that failed" },
	{ "UPDATE job SET state = 3 WHERE id = 3", "job 3 may start" },
	{ "UPDATE job SET is_needed = 0 WHERE id = 2", "job 2 is needed but not marked" },
	{ "DELETE FROM event WHERE job = 5", "job 5 has no events" },
	{ "DELETE FROM event WHERE job = 4 AND n = 2", "job 4: event 2 is missing" },
	{ "DELETE FROM event WHERE job = 4 AND n = 3", "job 4 has 2 events, not 3" },
	{ "UPDATE event SET to_state = 8 WHERE job = 4 AND n = 3", "job 4 is not in the state" },
	{ "UPDATE event SET from_state = 2 WHERE job = 4 AND n = 3", "starts from scheduled" },
	{ "UPDATE event SET from_state = 3, to_state = 3 WHERE job = 4 AND n = 2", "started 0 times" },
	{ "UPDATE event SET actor = 99 WHERE job = 4", "an actor of them does not" },
	{ "UPDATE job SET artifacts = 2 WHERE id = 1", "job 1 miscounts the artifacts" },
	{ "UPDATE artifact SET size = 4", "has 3 bytes, not 4" },
	{ "UPDATE artifact SET sha256 = replace(hex(zeroblob(32)), '0', '0')", "is missing" },
	{ "UPDATE tally SET n = n + 1 WHERE kind = 1 AND state = 3", "tally 103" },
	{ "UPDATE attempt SET is_log_inline = 1 WHERE job = 4", "job 4's log in the database" },
	{ "UPDATE attempt SET log_bytes = 6 WHERE job = 1", "its log has 5 of 6 bytes" },
	{ "UPDATE job SET payload = NULL WHERE id = 5", "job 5 does not have exactly one payload" },
	{ "UPDATE build SET job = 5", "job 5 is no build" },
	{ "INSERT INTO recipe VALUES (5, '')", "job 5 is no recipe" },
	{ "UPDATE job SET lane = (SELECT lane FROM job WHERE id = 7) WHERE id = 5",
	  "job 5 is in a lane of another kind" },
	{ "INSERT INTO target VALUES (9, 't', 's', 'a', '', 0, 'ready', 0, 1)", "target number 9" },
	{ "DELETE FROM worker", "names a worker" },
	{ "UPDATE job SET worker = 77 WHERE id = 2", "no open attempt of that worker" },
};

struct finding {
	const char *says;
	bool is_found;
	int violations;
};

static void found(void *ctx, const char *text)
{
	struct finding *f = ctx;
	f->is_found |= strstr(text, f->says) != NULL;
}

static int do_check(struct tx *tx, void *ctx, struct err *e)
{
	struct finding *f = ctx;
	return store_check(tx, found, f, &f->violations, e);
}

static int set_up(void **state)
{
	struct fx *fx = calloc(1, sizeof *fx);
	fx_init(fx);
	furnish(fx);
	assert_int_equal(fx_check(fx), 0);
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	struct fx *fx = *state;
	fx_close(fx);
	arena_release(&fx->arena);
	fd_remove_tree(AT_FDCWD, fx->dir, NULL);
	free(fx);
	return 0;
}

static void test_each_damage_is_found(void **state)
{
	struct fx *fx = *state;
	char to[128], kept[160];
	fx_close(fx);
	snprintf(to, sizeof to, "%s/slipway.db", fx->dir);
	snprintf(kept, sizeof kept, "%s.kept", to);
	assert_int_equal(rename(to, kept), 0);
	for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
		sqlite3 *h;
		unlink(to);
		assert_int_equal(sqlite3_open(kept, &h), SQLITE_OK);
		char *copy = sqlite3_mprintf("VACUUM INTO %Q", to);
		assert_int_equal(sqlite3_exec(h, copy, NULL, NULL, NULL), SQLITE_OK);
		sqlite3_free(copy);
		sqlite3_close(h);
		assert_int_equal(sqlite3_open(to, &h), SQLITE_OK);
		if (sqlite3_exec(
			    h,
			    "PRAGMA foreign_keys=OFF; DROP TRIGGER job_change; DROP TRIGGER event_no_update;"
			    "DROP TRIGGER event_no_delete",
			    NULL, NULL, NULL) != SQLITE_OK ||
		    sqlite3_exec(h, damages[i].sql, NULL, NULL, NULL) != SQLITE_OK)
			fail_msg("%s: %s", damages[i].sql, sqlite3_errmsg(h));
		sqlite3_close(h);
		fx_open(fx);
		struct finding f = { .says = damages[i].says };
		if (fx_read(fx, do_check, &f) < 0 || !f.violations || !f.is_found)
			fail_msg("not found after \"%s\": %s (%d others)", damages[i].sql, damages[i].says,
				 f.violations);
		fx_close(fx);
	}
}

static void test_blobs_are_read(void **state)
{
	struct fx *fx = *state;
	struct finding f = { .says = "another content" };
	char sha[65], name[256];
	assert_int_equal(blob_put(fx->store, "art", 3, sha, NULL), 0);
	snprintf(name, sizeof name, "%s/%s", blob_dir(fx->store), sha);
	assert_int_equal(chmod(name, 0600), 0);
	int fd = open(name, O_WRONLY);
	assert_int_equal(pwrite(fd, "A", 1, 0), 1);
	close(fd);
	assert_int_equal(fx_read(fx, do_check, &f), 0);
	assert_true(f.is_found);
	f = (struct finding){ .says = "is missing" };
	unlink(name);
	assert_int_equal(fx_read(fx, do_check, &f), 0);
	assert_true(f.is_found);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_damage_is_found, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_blobs_are_read, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

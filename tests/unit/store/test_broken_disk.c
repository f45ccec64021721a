/* After a failed write the store takes no more; what was answered before is there when it opens anew. */
#include "test.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "contract/store_fixture.h"

static void test_a_failed_commit_is_final(void **state)
{
	struct fx fx;
	struct stat st;
	struct rlimit old, small;
	char wal[160];
	struct job_new one = fx_new();
	struct job_birth b;
	char *big = calloc(1, 900000);
	memset(big, 'x', 899999);
	sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	fx_init(&fx);
	fx_worker(&fx, "w", "s");
	assert_int_equal(fx_job(&fx, NULL, 0), 1);
	snprintf(wal, sizeof wal, "%s/slipway.db-wal", fx.dir);
	assert_int_equal(stat(wal, &st), 0);
	getrlimit(RLIMIT_FSIZE, &old);
	small = old;
	small.rlim_cur = (rlim_t)st.st_size + 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	fx.changes_len = 0;
	one.payload = big;
	assert_int_equal(fx_submit(&fx, &one, 1, &b), -1);
	assert_true(fx.err.code == ERR_UNCERTAIN || fx.err.code == ERR_SYSTEM);
	assert_int_equal(fx.changes_len, 0);
	setrlimit(RLIMIT_FSIZE, &old);
	/* There is room again, but nobody knows what the log holds. */
	assert_int_equal(fx_job(&fx, NULL, 0), -1);
	assert_int_equal(fx.err.code, ERR_SYSTEM);
	assert_int_equal(fx_state(&fx, 1), STATE_WAITING);
	fx_close(&fx);
	fx_open(&fx);
	assert_int_equal(fx_state(&fx, 1), STATE_WAITING);
	assert_int_equal(fx_job(&fx, NULL, 0), 2);
	fx_release(&fx);
	free(big);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_failed_commit_is_final),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

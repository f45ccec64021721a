/* The life of jobs in the store, whatever database is below. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "store_fixture.h"

#define OK(call)                                              \
	do {                                                  \
		if ((call) < 0)                               \
			fail_msg(#call ": %s", fx->err.text); \
	} while (0)
#define FAILS(call, with)                               \
	do {                                            \
		assert_int_equal((call), -1);           \
		assert_int_equal(fx->err.code, (with)); \
	} while (0)

static int set_up(void **state)
{
	struct fx *fx = calloc(1, sizeof *fx);
	fx_init(fx);
	fx_worker(fx, "w", "s1");
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	fx_release(*state);
	free(*state);
	return 0;
}

static void test_a_job_runs(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	int64_t id = fx_job(fx, NULL, 0);
	assert_int_equal(id, 1);
	struct job j = fx_get(fx, id);
	assert_int_equal(j.state, STATE_WAITING);
	assert_string_equal(j.owner, "ann");
	assert_string_equal(j.payload, "{\"argv\":[\"true\"]}");
	assert_int_equal(j.chain, id);
	assert_int_equal(j.exit_code, -1);
	OK(fx_take(fx, 10, &jobs, &n));
	assert_int_equal(n, 1);
	assert_int_equal(jobs[0].attempt, 1);
	assert_string_equal(jobs[0].worker, "w");
	assert_int_equal(fx_state(fx, id), STATE_RUNNING);
	OK(fx_end(fx, id, OUTCOME_SUCCEEDED, REASON_NONE));
	j = fx_get(fx, id);
	assert_int_equal(j.state, STATE_SUCCEEDED);
	assert_int_equal(j.exit_code, 0);
	assert_true(j.finished_ms >= j.started_ms && j.started_ms >= j.created_ms);
	assert_int_equal(fx->changes_len, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_a_job_runs, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

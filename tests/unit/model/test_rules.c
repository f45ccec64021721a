#include "test.h"

#include <string.h>

#include "model/job.h"
#include "model/lane.h"
#include "model/logfile.h"
#include "model/retry.h"
#include "model/spec.h"

static void test_names_come_back(void **state)
{
	for (int s = STATE_FIRST; s <= STATE_LAST; s++)
		assert_int_equal(state_parse(state_name((enum job_state)s)), s);
	for (int r = 1; r <= REASON_LAST; r++)
		assert_int_equal(reason_parse(reason_name((enum job_reason)r)), r);
	for (int k = 1; k <= KIND_LAST; k++)
		assert_int_equal(kind_parse(kind_name((enum job_kind)k)), k);
	for (int i = 0; i <= ISOLATION_LAST; i++)
		assert_int_equal(isolation_parse(isolation_name((enum isolation)i)), i);
	for (int o = 0; o <= OUTCOME_DEPWAIT; o++)
		assert_int_equal(outcome_parse(outcome_name((enum attempt_outcome)o)), o);
	for (int n = 0; n <= NETWORK_FULL; n++)
		assert_int_equal(network_parse(network_name((enum spec_network)n)), n);
	for (int w = WORKER_ACTIVE; w <= WORKER_DISABLED; w++)
		assert_int_equal(worker_state_parse(worker_state_name((enum worker_state)w)), w);
}

static void test_no_such_name(void **state)
{
	assert_int_equal(state_parse("done"), 0);
	assert_int_equal(reason_parse(""), REASON_NONE);
	assert_int_equal(kind_parse("Build"), 0);
	assert_int_equal(isolation_parse(""), -1);
	assert_int_equal(outcome_parse("lose"), -1);
	assert_null(kind_name((enum job_kind)99));
	assert_null(state_name((enum job_state) - 1));
	assert_null(isolation_name((enum isolation)7));
	assert_true(arch_native()[0]);
}

/* The design's table, written a second time on purpose. */
static void test_transitions(void **state)
{
	static const struct {
		enum job_state from;
		const char *to;
	} table[] = {
		{ 0, "blocked scheduled waiting suspended" },
		{ STATE_BLOCKED, "waiting scheduled failed suspended cancelled" },
		{ STATE_SCHEDULED, "waiting suspended cancelled" },
		{ STATE_WAITING, "running suspended cancelled" },
		{ STATE_RUNNING,
		  "collecting succeeded failed depwait cancelled suspended scheduled waiting" },
		{ STATE_COLLECTING, "succeeded failed cancelled depwait scheduled waiting" },
		{ STATE_DEPWAIT, "waiting cancelled failed" },
		{ STATE_SUSPENDED, "blocked scheduled waiting failed cancelled" },
		{ STATE_SUCCEEDED, "" },
		{ STATE_FAILED, "waiting blocked" },
		{ STATE_CANCELLED, "waiting blocked" },
	};
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		for (int to = STATE_FIRST; to <= STATE_LAST; to++) {
			char word[32], list[128];
			snprintf(word, sizeof word, " %s ", state_name((enum job_state)to));
			snprintf(list, sizeof list, " %s ", table[i].to);
			assert_int_equal(state_may_go(table[i].from, (enum job_state)to),
					 strstr(list, word) != NULL);
		}
	assert_false(state_may_go(STATE_FAILED, (enum job_state)0));
	assert_false(state_may_go((enum job_state)77, STATE_WAITING));
}

static struct verdict decide(struct job j, enum attempt_outcome o, enum job_reason r)
{
	return retry_decide(&j, o, r, 1000);
}

static void test_failures_are_counted(void **state)
{
	struct job j = { .max_attempts = 3 };
	struct verdict v = decide(j, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(v.state, STATE_WAITING);
	assert_int_equal(v.failures, 1);
	j.failures = 2;
	v = decide(j, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(v.state, STATE_FAILED);
	assert_int_equal(v.reason, REASON_EXIT);
	assert_int_equal(v.failures, 3);
}

static void test_delays_double_and_end(void **state)
{
	struct job j = { .max_attempts = 1000, .retry_delay_ms = 100 };
	struct verdict v = decide(j, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(v.state, STATE_SCHEDULED);
	assert_int_equal(v.run_at_ms, 1100);
	j.failures = 3;
	assert_int_equal(decide(j, OUTCOME_FAILED, REASON_EXIT).run_at_ms, 1800);
	j.failures = 900;
	assert_int_equal(decide(j, OUTCOME_FAILED, REASON_EXIT).run_at_ms, 1000 + RETRY_DELAY_MAX_MS);
}

/* Who is to blame for them: test_blame.c. */
static void test_losses_are_counted(void **state)
{
	struct job j = { .max_attempts = 1 };
	struct verdict v = decide(j, OUTCOME_LOST, REASON_NONE);
	assert_int_equal(v.state, STATE_WAITING);
	assert_int_equal(v.losses, 1);
	assert_int_equal(v.failures, 0);
	assert_int_equal(v.reason, REASON_LOST);
}

static void test_released_counts_for_nobody(void **state)
{
	struct job j = { .max_attempts = 1, .failures = 0, .losses = 2 };
	struct verdict v = decide(j, OUTCOME_RELEASED, REASON_NONE);
	assert_int_equal(v.state, STATE_WAITING);
	assert_int_equal(v.losses, 2);
	assert_int_equal(v.failures, 0);
}

static void test_cancel_wins_over_all_but_success(void **state)
{
	struct job j = { .max_attempts = 9, .is_cancel_asked = true };
	assert_int_equal(decide(j, OUTCOME_FAILED, REASON_EXIT).state, STATE_CANCELLED);
	assert_int_equal(decide(j, OUTCOME_LOST, REASON_NONE).state, STATE_CANCELLED);
	assert_int_equal(decide(j, OUTCOME_RELEASED, REASON_NONE).state, STATE_CANCELLED);
	assert_int_equal(decide(j, OUTCOME_DEPWAIT, REASON_DEPWAIT).state, STATE_CANCELLED);
	assert_int_equal(decide(j, OUTCOME_SUCCEEDED, REASON_NONE).state, STATE_SUCCEEDED);
	j.is_cancel_asked = false;
	assert_int_equal(decide(j, OUTCOME_DEPWAIT, REASON_DEPWAIT).state, STATE_DEPWAIT);
	assert_int_equal(decide(j, OUTCOME_CANCELLED, REASON_NONE).state, STATE_CANCELLED);
}

/* Whatever is decided is a legal way to go from a running attempt. */
static void test_verdicts_are_legal(void **state)
{
	for (int o = 0; o <= OUTCOME_DEPWAIT; o++)
		for (int asked = 0; asked < 2; asked++)
			for (int delay = 0; delay < 2; delay++) {
				struct job j = { .max_attempts = 2,
						 .is_cancel_asked = asked,
						 .retry_delay_ms = delay };
				struct verdict v = decide(j, (enum attempt_outcome)o, REASON_EXIT);
				assert_true(state_may_go(STATE_RUNNING, v.state));
				assert_true(state_may_go(STATE_COLLECTING, v.state));
			}
}

static void test_lanes(void **state)
{
	struct worker w = { .arch = "amd64",
			    .isolations = 1u << ISOLATION_NONE,
			    .tags = "big,fast,gpu",
			    .state = WORKER_ACTIVE,
			    .is_online = true };
	struct lane l = { .isolation = ISOLATION_NONE, .arch = "", .tags = "" };
	assert_int_equal(lane_match(&l, &w), LANE_FITS);
	l.tags = "big,gpu";
	l.arch = "amd64";
	assert_int_equal(lane_match(&l, &w), LANE_FITS);
	l.tags = "bi";
	assert_int_equal(lane_match(&l, &w), LANE_TAGS);
	l.tags = "big,gpu,net";
	assert_int_equal(lane_match(&l, &w), LANE_TAGS);
	l.tags = "fast";
	l.arch = "arm64";
	assert_int_equal(lane_match(&l, &w), LANE_ARCH);
	l.isolation = ISOLATION_CHROOT;
	assert_int_equal(lane_match(&l, &w), LANE_ISOLATION);
	w.state = WORKER_DRAINING;
	assert_int_equal(lane_match(&l, &w), LANE_STATE);
	w.is_online = false;
	assert_int_equal(lane_match(&l, &w), LANE_OFFLINE);
	assert_non_null(lane_misfit_text((enum lane_misfit)42));
}

static void test_log_file_names(void **state)
{
	char name[LOG_FILE_NAME_BYTES];
	assert_string_equal(log_file_name(7, 2, name), "7.2");
	assert_string_equal(log_file_name(INT64_MAX, INT32_MAX, name), "9223372036854775807.2147483647");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_come_back),
		cmocka_unit_test(test_no_such_name),
		cmocka_unit_test(test_transitions),
		cmocka_unit_test(test_failures_are_counted),
		cmocka_unit_test(test_delays_double_and_end),
		cmocka_unit_test(test_losses_are_counted),
		cmocka_unit_test(test_released_counts_for_nobody),
		cmocka_unit_test(test_cancel_wins_over_all_but_success),
		cmocka_unit_test(test_verdicts_are_legal),
		cmocka_unit_test(test_lanes),
		cmocka_unit_test(test_log_file_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A runner that cannot be as clean as an idle one has to be says so. */
#include "test.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "run_fixture.h"

static int setup(void **state)
{
	struct rx *fx = calloc(1, sizeof *fx);
	fx->stuck_ms = 100;
	rx_init(fx, ISOLATION_NONE);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	rx_release(*state);
	free(*state);
	return 0;
}

static void test_clean_after_each_attempt(void **state)
{
	struct rx *fx = *state;
	struct run_unclean u;
	rx_sh(fx, "touch a; mkdir -p d/e; chmod 0 d; exit 1");
	assert_false(run_is_unclean(fx->run, &u));
	rx_sh(fx, "exit 0");
	assert_false(run_is_unclean(fx->run, &u));
}

/* What a job can do to the worker's own folder, being the same user. */
static void test_a_folder_that_cannot_be_put_away(void **state)
{
	struct rx *fx = *state;
	struct run_unclean u;
	rx_sh(fx, "rm -rf ../../trash; touch ../../trash here");
	assert_true(run_is_unclean(fx->run, &u));
	assert_int_equal(u.job, 0);
	assert_non_null(strstr(u.reason, "cannot be put away"));
}

/* All children of this process: the spawners. */
static void signal_spawners(int sig)
{
	char path[64], text[4096] = "";
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	for (char *at = text, *end; *at; at = end + strspn(end, " ")) {
		long pid = strtol(at, &end, 10);
		if (end == at)
			break;
		kill((pid_t)pid, sig);
	}
}

/* Nobody carries out the kill: the same as processes that do not die of it. */
static void test_processes_that_do_not_die(void **state)
{
	struct rx *fx = *state;
	struct run_unclean u;
	struct spec s = rx_spec(fx, "echo begun; sleep 1000");
	rx_start(fx, &s);
	rx_wait_log(fx, 1);
	signal_spawners(SIGSTOP);
	run_stop(fx->run, s.job, s.attempt, RUN_STOP_STALE);
	int64_t killed_ms = clock_boot_ms();
	while (!run_is_unclean(fx->run, &u))
		rx_turn(fx);
	assert_true(clock_boot_ms() - killed_ms >= 100);
	assert_int_equal(u.job, s.job);
	assert_int_equal(u.attempt, s.attempt);
	assert_non_null(strstr(u.reason, "not dead"));
	assert_int_equal(fx->finished, 0);
	signal_spawners(SIGCONT);
	/* Dead after all: it is clean again. */
	while (run_is_unclean(fx->run, &u))
		rx_turn(fx);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_clean_after_each_attempt),
		TEST(test_a_folder_that_cannot_be_put_away),
		TEST(test_processes_that_do_not_die),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

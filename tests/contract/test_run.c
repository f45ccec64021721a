/* One suite against every driver of src/run. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "run_fixture.h"

static void test_exit_codes(void **state)
{
	struct rx *fx = *state;
	rx_sh(fx, "exit 0");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	assert_int_equal(fx->o.exit_code, 0);
	assert_int_equal(fx->o.signal, 0);
	rx_sh(fx, "exit 7");
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(fx->o.exit_code, 7);
	assert_string_equal(fx->detail, "exited with status 7");
	rx_sh(fx, "exit 255");
	assert_int_equal(fx->o.exit_code, 255);
}

static void test_signal(void **state)
{
	struct rx *fx = *state;
	rx_sh(fx, "kill -9 $$");
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_SIGNAL);
	assert_int_equal(fx->o.signal, SIGKILL);
	assert_int_equal(fx->o.exit_code, -1);
	rx_sh(fx, "kill -15 $$");
	assert_int_equal(fx->o.signal, SIGTERM);
	assert_string_equal(fx->detail, "ended by signal 15 (SIGTERM)");
}

static void test_output_bytes(void **state)
{
	struct rx *fx = *state;
	static const char want[] = "a\0b\377\nerr\n";
	rx_sh(fx, "printf 'a\\000b\\377\\n'; echo err >&2");
	assert_true(fx->is_log_inline);
	assert_int_equal(fx->log.len, sizeof want - 1);
	assert_memory_equal(fx->log.data, want, sizeof want - 1);
	assert_int_equal(fx->o.log_bytes, sizeof want - 1);
}

static void test_long_log(void **state)
{
	struct rx *fx = *state;
	rx_sh(fx, "head -c 3000000 /dev/zero; echo end");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	assert_false(fx->is_log_inline);
	assert_int_equal(fx->log.len, 3000004);
	assert_int_equal(fx->o.log_bytes, 3000004);
	assert_int_equal(fx->log_told, 3000004);
	assert_string_equal(fx->log.data + 3000000, "end\n");
}

static void test_log_appears_while_it_runs(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "echo hello; exec sleep 1000");
	rx_start(fx, &s);
	rx_wait_log(fx, 6);
	run_stop(fx->run, s.job, 1, RUN_STOP_CANCEL);
	rx_wait(fx, fx->finished + 1);
	rx_assert_log(fx, "hello\n");
	rx_assert_outcome(fx, OUTCOME_CANCELLED, REASON_NONE);
}

static void test_log_limit(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "head -c 500000 /dev/zero; echo last; touch $SLIPWAY_OUT/done");
	static const char *const globs[] = { "done", NULL };
	s.limits.log_bytes = 10000;
	s.collect = globs;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	assert_true(fx->o.is_log_truncated);
	assert_int_equal(fx->artifacts_len, 1);
	assert_string_equal(fx->log.data + 10000,
			    "\n[slipway: log limit of 10000 bytes reached; the rest was dropped]\n");
}

static void test_timeouts(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "sleep 1000 & wait");
	s.timeout_ms = 150;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_TIMEOUT);
	assert_int_equal(rx_count_processes(s.job), 0);
	s = rx_spec(fx, "sleep 1000");
	fx->step_room.timeout_ms = 150;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_TIMEOUT);
	s = rx_spec(fx, "echo one; exec sleep 1000");
	s.silence_ms = 200;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_SILENCE);
	rx_assert_log(fx, "one\n");
}

/* Output keeps it alive: five lines at intervals that are less than the silence allowed. */
static void test_output_is_not_silence(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "for i in 1 2 3 4 5; do echo $i; sleep 0.3; done");
	s.silence_ms = 1200;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

static void test_term_then_kill(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done");
	rx_start(fx, &s);
	rx_wait_log(fx, 3);
	run_stop(fx->run, s.job, 1, RUN_STOP_CANCEL);
	rx_wait(fx, fx->finished + 1);
	rx_assert_outcome(fx, OUTCOME_CANCELLED, REASON_NONE);
	assert_non_null(strstr(fx->log.data, "bye\n"));
	s = rx_spec(fx, "trap '' TERM; echo up; while :; do sleep 1000; done");
	s.grace_ms = 100;
	rx_start(fx, &s);
	rx_wait_log(fx, 3);
	int64_t t0 = clock_boot_ms();
	run_stop(fx->run, s.job, 1, RUN_STOP_RELEASE);
	rx_wait(fx, fx->finished + 1);
	rx_assert_outcome(fx, OUTCOME_RELEASED, REASON_NONE);
	assert_true(clock_boot_ms() - t0 >= 100);
	assert_int_equal(rx_count_processes(s.job), 0);
}

/* They left the session, ignore TERM and hold our pipe. */
#define RUNAWAYS \
	"(setsid sh -c 'trap \"\" TERM HUP; sleep 1000 & sleep 1000' &); (setsid setsid sleep 1000 &); "

/* An ordinary user may not look into processes that have mapped ids. */
static void assert_up(struct rx *fx, int64_t job)
{
	if (fx->isolation == ISOLATION_CHROOT && geteuid() != 0)
		print_message("# SKIP an ordinary user cannot count processes of a chroot\n");
	else
		assert_true(rx_count_processes(job) >= 5);
}

static void test_cancel_kills_runaways(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, RUNAWAYS "sleep 0.2; echo up; sleep 1000");
	s.grace_ms = 50;
	rx_start(fx, &s);
	rx_wait_log(fx, 3);
	assert_up(fx, s.job);
	run_stop(fx->run, s.job, 1, RUN_STOP_CANCEL);
	rx_wait(fx, fx->finished + 1);
	assert_int_equal(rx_count_processes(s.job), 0);
}

static void test_end_kills_runaways(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, RUNAWAYS "sleep 0.1; echo up; exit 5");
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(fx->o.exit_code, 5);
	assert_int_equal(rx_count_processes(s.job), 0);
}

static void test_stale_is_not_reported(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "trap '' TERM; echo up; sleep 1000");
	s.grace_ms = 1000000;
	rx_start(fx, &s);
	rx_wait_log(fx, 3);
	run_stop(fx->run, s.job, 1, RUN_STOP_STALE);
	int before = fx->finished;
	while (rx_count_processes(s.job))
		rx_turn(fx);
	rx_sh(fx, "exit 0");
	assert_int_equal(fx->finished, before + 1);
	assert_true(fx->o.job != s.job);
}

static void test_exec_failures(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "");
	fx->argv_room[0] = "nosuchprog";
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(fx->o.exit_code, 127);
	assert_string_equal(fx->detail, "exec nosuchprog: No such file or directory");
	rx_assert_log(fx, "[slipway: exec nosuchprog: No such file or directory]\n");
	s = rx_spec(fx, "");
	fx->argv_room[0] = "/dev/null";
	rx_run(fx, &s);
	assert_int_equal(fx->o.exit_code, 126);
	assert_string_equal(fx->detail, "exec /dev/null: Permission denied");
}

static void test_environment_is_exact(void **state)
{
	struct rx *fx = *state;
	static const struct env_var env[] = { { "B", "two words" }, { "SLIPWAY_JOB", "7" }, { "LANG", "C" } };
	char want[2000], folder[128] = "/job";
	struct spec s = rx_spec(fx, "");
	setenv("LEAK", "yes", 1);
	fx->argv_room[0] = "env";
	fx->argv_room[1] = NULL;
	s.env = env;
	s.env_len = 3;
	rx_run(fx, &s);
	unsetenv("LEAK");
	if (fx->isolation == ISOLATION_NONE)
		snprintf(folder, sizeof folder, "%s/slots/0", fx->work);
	const char *home = fx->isolation == ISOLATION_NONE ? getenv("HOME") : "/job";
	snprintf(
		want, sizeof want,
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nHOME=%s\n%sSLIPWAY_JOB=%lld\n"
		"SLIPWAY_ATTEMPT=1\nSLIPWAY_STEP=\nSLIPWAY_OUT=%s/out\nSLIPWAY_RESULT=%s/result.json\nB=two words\nLANG=C\n",
		home ? home : "/", fx->isolation == ISOLATION_NONE ? "" : "USER=build\nLOGNAME=build\n",
		(long long)s.job, folder, folder);
	rx_assert_log(fx, want);
}

static void test_nothing_is_inherited(void **state)
{
	struct rx *fx = *state;
	CLEAN_FD int leak = open("/dev/null", O_RDONLY);
	assert_true(leak >= 0);
	rx_sh(fx,
	      "n=3; while [ $n -lt 300 ]; do [ ! -e /proc/$$/fd/$n ] || [ $n = 255 ] || echo $n; n=$((n+1)); done;"
	      "read x || echo eof; umask; ulimit -c; trap");
	rx_assert_log(fx, "eof\n0022\n0\n");
}

static void test_inputs(void **state)
{
	struct rx *fx = *state;
	struct job_input in[3] = { { .name = "a.txt", .mode = 0644, .size_bytes = 5 },
				   { .name = "sub/deep/run.sh", .mode = 0755 },
				   { .name = "sub/empty", .mode = 0644 } };
	rx_add_blob(fx, "hello", 5, in[0].sha256);
	rx_add_blob(fx, "#!/bin/sh\necho ran\n", 19, in[1].sha256);
	rx_add_blob(fx, "", 0, in[2].sha256);
	struct spec s = rx_spec(
		fx, "cat a.txt; echo; sub/deep/run.sh; [ ! -s sub/empty ] && [ ! -x a.txt ] && echo ok;"
		    "echo more >>a.txt && echo mine");
	s.inputs = in;
	s.inputs_len = 3;
	rx_run(fx, &s);
	rx_assert_log(fx, "hello\nran\nok\nmine\n");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	memset(in[1].sha256, 'a', 64);
	s = rx_spec(fx, "echo no");
	s.inputs = in;
	s.inputs_len = 3;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_INPUT);
	rx_assert_log(fx, "");
}

static void test_collect(void **state)
{
	struct rx *fx = *state;
	static const char *const globs[] = { "*.deb", "logs/*", NULL };
	struct spec s = rx_spec(
		fx,
		"cd $SLIPWAY_OUT; echo 1 >a.deb; echo 2 >b.deb; mkdir logs; echo 3 >logs/x; echo 4 >other;"
		"chmod 4755 b.deb");
	s.collect = globs;
	int collecting = fx->collecting;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	assert_int_equal(fx->collecting, collecting + 1);
	assert_int_equal(fx->artifacts_len, 3);
	assert_string_equal(fx->artifacts[0].name, "a.deb");
	assert_string_equal(fx->artifacts[1].name, "b.deb");
	assert_string_equal(fx->artifacts[2].name, "logs/x");
	assert_string_equal(fx->artifacts[2].bytes.data, "3\n");
	s = rx_spec(fx, "echo 1 >$SLIPWAY_OUT/a.deb");
	s.collect = globs;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_COLLECT);
	assert_string_equal(fx->detail, "nothing in the out folder matches logs/*");
	s = rx_spec(fx, "exit 0");
	s.collect = globs;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_COLLECT);
	/* A failed job is not asked for its files, unless it says so. */
	s = rx_spec(fx, "echo 1 >$SLIPWAY_OUT/a.deb; exit 3");
	s.collect = globs;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(fx->artifacts_len, 0);
	s = rx_spec(fx, "echo 1 >$SLIPWAY_OUT/a.deb; exit 3");
	s.collect = globs;
	s.is_collecting_failed = true;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(fx->artifacts_len, 1);
}

/* Beside what is good; and the log says it. */
static void test_collect_leaves_out(void **state)
{
	static const char *const globs[] = { "**", NULL };
	struct rx *fx = *state;
	struct spec s = rx_spec(
		fx, "cd $SLIPWAY_OUT; echo 1 >good; ln -s good link; mkfifo pipe; echo >\"a\nb\"; "
		    "echo >id; chmod 4755 id");
	s.collect = globs;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	assert_int_equal(fx->artifacts_len, 2);
	assert_string_equal(fx->artifacts[0].name, "good");
	assert_string_equal(fx->artifacts[1].name, "id");
	rx_assert_log(fx, "[slipway: a file whose name may not be used was left out]\n"
			  "[slipway: out/id is kept without its set-id bits]\n"
			  "[slipway: out/link is not a plain file with one name and was left out]\n"
			  "[slipway: out/pipe is not a plain file with one name and was left out]\n");
	s = rx_spec(
		fx,
		"cd $SLIPWAY_OUT; echo 1 >good; i=0; while [ $i -lt 25 ]; do ln -s x l$i; i=$((i + 1)); done");
	s.collect = globs;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	assert_non_null(strstr(fx->log.data, "\n[slipway: and 5 more]\n"));
}

static void test_collect_refuses(void **state)
{
	static const struct {
		const char *script;
		enum job_reason reason;
	} cases[] = {
		{ "ln -s /etc/passwd $SLIPWAY_OUT/x", REASON_COLLECT },
		{ "rm -r out; ln -s /etc out", REASON_OUTPUT },
		{ "rm -r out; echo >out", REASON_OUTPUT },
		{ "mkfifo $SLIPWAY_OUT/x", REASON_COLLECT },
		{ "echo >f; ln f $SLIPWAY_OUT/x", REASON_COLLECT },
		{ "echo >\"$SLIPWAY_OUT/a\nb\"", REASON_COLLECT },
		{ "echo 1 >out/1; echo 2 >out/2; echo 3 >out/3; echo 4 >out/4", REASON_OUTPUT },
		{ "head -c 2000 /dev/zero >out/big", REASON_OUTPUT },
		{ "echo >\"$SLIPWAY_OUT/a$(printf '\\377')\"", REASON_COLLECT },
		/* What is behind a link isn't looked at: nothing matches. */
		{ "mkdir d; echo >d/x; ln -s ../d out/d", REASON_COLLECT },
	};
	static const char *const globs[] = { "[!d]*", "d/*", NULL };
	struct rx *fx = *state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct spec s = rx_spec(fx, cases[i].script);
		s.collect = globs;
		s.limits.artifacts = 3;
		s.limits.artifact_bytes = 1000;
		rx_run(fx, &s);
		if (fx->o.reason != cases[i].reason)
			fail_msg("%s: %s", cases[i].script, fx->detail);
	}
}

/* Processor time is that of all processes together, as far as somebody counts it. */
static void test_cpu_limit(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "burn() { while :; do :; done; }; (burn & burn & wait) & (burn) & wait");
	s.limits.cpu_ms = 500;
	s.timeout_ms = 60000;
	s.grace_ms = 0;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_TIMEOUT);
	assert_non_null(strstr(fx->detail, "processor time"));
}

/* A log that is over its limit is cut; one that never ends is ended. */
static void test_log_flood(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "while :; do head -c 10000000 /dev/zero || exit 0; done");
	s.limits.log_bytes = 1000;
	s.timeout_ms = 60000;
	s.grace_ms = 0;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_OUTPUT);
	assert_true(fx->o.is_log_truncated);
	assert_non_null(strstr(fx->detail, "wrote on long after"));
}

/* Its writer waits, and nothing is lost. */
static void test_log_rate(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "head -c 250000 /dev/zero; echo; echo end");
	s.limits.log_rate_bytes = 80000;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	assert_true(fx->o.usage.wall_ms >= 1900);
	assert_int_equal(fx->o.log_bytes, 250005);
}

static void test_collect_depth(void **state)
{
	static const char *const globs[] = { "**", NULL };
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "mkdir -p out/a/b; echo >out/a/b/f");
	s.collect = globs;
	s.limits.artifact_depth = 2;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	s.job = rx_next_job();
	s.limits.artifact_depth = 1;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_OUTPUT);
}

static void test_result(void **state)
{
	struct rx *fx = *state;
	rx_sh(fx, "echo '{\"version\":\"1.2\"}' >$SLIPWAY_RESULT");
	assert_non_null(fx->result);
	assert_string_equal(fx->result, "{\"version\":\"1.2\"}\n");
	rx_sh(fx, "printf '{\"a\":1}' >$SLIPWAY_RESULT; exit 4");
	assert_string_equal(fx->result, "{\"a\":1}");
	assert_int_equal(fx->o.exit_code, 4);
	static const char *const bad[] = {
		"echo '[1]' >$SLIPWAY_RESULT",
		"printf '{\"a\":\"\\377\"}' >$SLIPWAY_RESULT",
		"ln -s /etc/passwd $SLIPWAY_RESULT",
		"mkdir $SLIPWAY_RESULT",
		"mkfifo $SLIPWAY_RESULT",
		"head -c 100000 /dev/zero >$SLIPWAY_RESULT",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		rx_sh(fx, bad[i]);
		rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
		assert_null(fx->result);
	}
}

static void test_steps(void **state)
{
	struct rx *fx = *state;
	static const char *const one[] = { "sh", "-c", "echo one >f; echo $SLIPWAY_STEP", NULL };
	static const char *const two[] = { "sh", "-c", "cat f; echo two; exit 9", NULL };
	static const char *const three[] = { "sh", "-c", "echo never", NULL };
	static const char *const four[] = { "sh", "-c", "echo always", NULL };
	struct spec_step steps[] = {
		{ .name = "first", .argv = one, .user = USER_ROOT },
		{ .name = "second", .argv = two, .reason = REASON_DEPWAIT },
		{ .name = "third", .argv = three },
		{ .name = "last", .argv = four, .is_always = true },
	};
	struct spec s = rx_spec(fx, "");
	s.steps = steps;
	s.steps_len = 4;
	rx_run(fx, &s);
	rx_assert_log(fx, "first\none\ntwo\nalways\n");
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_DEPWAIT);
	assert_int_equal(fx->o.exit_code, 9);
	assert_string_equal(fx->step, "second");
	assert_string_equal(fx->detail, "step second exited with status 9");
}

static void test_limits(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "ulimit -n; ulimit -t");
	s.limits.files = 77;
	s.limits.cpu_ms = 1500;
	rx_run(fx, &s);
	rx_assert_log(fx, "77\n2\n");
	s = rx_spec(fx, "while :; do :; done");
	s.limits.cpu_ms = 1000;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_SIGNAL);
	s = rx_spec(fx, "x=1234567890; while :; do x=$x$x; done");
	s.limits.memory_bytes = 24 << 20;
	s.timeout_ms = 20000;
	rx_run(fx, &s);
	if (memmem(fx->log.data, fx->log.len, "cannot keep", 11))
		print_message("# SKIP this machine keeps no limit of memory\n");
	else
		rx_assert_outcome(fx, OUTCOME_FAILED, REASON_MEMORY);
	s = rx_spec(fx, "f() { f | f & f | f; }; f");
	s.limits.pids = 30;
	s.timeout_ms = 5000;
	rx_run(fx, &s);
	assert_int_equal(rx_count_processes(s.job), 0);
	if (memmem(fx->log.data, fx->log.len, "cannot keep", 11))
		print_message("# SKIP this machine keeps no limit of processes\n");
	else if (fx->o.reason != REASON_TIMEOUT)
		rx_assert_outcome(fx, OUTCOME_FAILED, REASON_PIDS);
}

static void test_each_starts_clean(void **state)
{
	struct rx *fx = *state;
	rx_sh(fx, "echo x >left; echo x >out/left; mkdir -p d/e; chmod 0 d; chmod 500 .");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	rx_sh(fx, "[ ! -e left ] && [ ! -e out/left ] && [ ! -e d ] && echo x >y && echo clean");
	rx_assert_log(fx, "clean\n");
	rx_sh(fx, "mkdir other; rm -r out; mkdir out");
	rx_sh(fx, "[ ! -e other ] && echo x >out/y && echo clean");
	rx_assert_log(fx, "clean\n");
	rx_sh(fx, "[ ! -e out/y ] && echo clean");
	rx_assert_log(fx, "clean\n");
}

static void assert_private_folder(const struct rx *fx)
{
	struct stat st;
	char path[128];
	snprintf(path, sizeof path, "%s/slots/0", fx->work);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	snprintf(path, sizeof path, "%s/slots/0/out", fx->work);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
}

/* The look at a folder that has been left alone for a while is a short one: it must not miss anything. */
static void test_each_starts_clean_later_too(void **state)
{
	static const char *const changes[] = {
		"echo x >f",	 "echo x >out/f", "echo x >f; rm f; mkdir g",
		"chmod 711 .",	 "chmod 711 out", "rm -r out; mkdir out",
		"mkdir out/sub", "rm -r out",
	};
	struct rx *fx = *state;
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		int64_t until = clock_boot_ms() + 120;
		do
			rx_sh(fx, "exit 0");
		while (clock_boot_ms() < until);
		rx_sh(fx, changes[i]);
		rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
		rx_sh(fx, "echo * out/*");
		rx_assert_log(fx, "out out/*\n");
		if (fx->isolation == ISOLATION_NONE)
			assert_private_folder(fx);
	}
}

static void test_long_arguments(void **state)
{
	struct rx *fx = *state;
	enum { LONG = 120000, COUNT = 8 };
	static char text[LONG + 1];
	static const char *argv[COUNT + 5] = { "sh", "-c", "echo $# ${#1} ${#8}", "sh" };
	memset(text, 'x', LONG);
	for (int i = 0; i < COUNT; i++)
		argv[4 + i] = text;
	struct spec s = rx_spec(fx, "");
	fx->step_room.argv = argv;
	rx_run(fx, &s);
	rx_assert_log(fx, "8 120000 120000\n");
}

static void test_many_at_once(void **state)
{
	struct rx *fx = *state;
	enum { MANY = 24 };
	int before = fx->finished;
	for (int i = 0; i < MANY; i++) {
		struct spec s = rx_spec(fx, "sleep 0.1; echo x; exit 0");
		rx_start(fx, &s);
	}
	rx_wait(fx, before + MANY);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

static void test_usage_is_told(void **state)
{
	struct rx *fx = *state;
	rx_sh(fx, "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done");
	assert_true(fx->o.usage.cpu_user_us + fx->o.usage.cpu_sys_us > 10000);
	assert_true(fx->o.usage.memory_peak_bytes > 500000);
	assert_true(fx->o.usage.wall_ms > 0);
}

static void close_run(struct rx *fx)
{
	run_close(fx->run);
	fx->run = NULL;
}

/* A worker of its own, in a child, that says when its job is up. Gives the child; *job is what it runs. */
static pid_t start_owner(struct rx *fx, int64_t keep_ms, int64_t *job)
{
	int ends[2];
	char up;
	enum { TEXT = 2000 };
	struct spec s = rx_spec(fx, RUNAWAYS "sleep 0.2; echo x >out/f; head -c 2000 /dev/zero; sleep 1000");
	s.limits.memory_bytes = 512 << 20;
	s.limits.pids = 100;
	*job = s.job;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		rx_open(fx);
		rx_start(fx, &s);
		/* More than notes about limits. */
		rx_wait_log(fx, TEXT);
		if (keep_ms)
			run_keep_until(fx->run, clock_boot_ms() + keep_ms);
		if (write(ends[1], "", 1) != 1)
			_exit(1);
		for (;;)
			rx_turn(fx);
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &up, 1), 1);
	close(ends[0]);
	assert_up(fx, *job);
	return pid;
}

static void wait_gone(int64_t job)
{
	int64_t until = clock_boot_ms() + 30000;
	while (rx_count_processes(job)) {
		assert_true(clock_boot_ms() < until);
		poll(NULL, 0, 10);
	}
}

static void test_watchdog(void **state)
{
	struct rx *fx = *state;
	int64_t job;
	CLEAN_INVENTORY struct inventory before = INVENTORY_INIT;
	close_run(fx);
	rx_take_inventory(fx, &before);
	pid_t owner = start_owner(fx, 400, &job);
	assert_int_equal(kill(owner, SIGSTOP), 0);
	wait_gone(job);
	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	rx_assert_inventory(fx, &before, true);
	rx_open(fx);
	rx_sh(fx, "exit 0");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

/* Whatever the owner had is ended and removed by its spawners alone: nobody opens the folder before the look. */
static void test_owner_killed(void **state)
{
	struct rx *fx = *state;
	int64_t job;
	CLEAN_INVENTORY struct inventory before = INVENTORY_INIT, amid = INVENTORY_INIT;
	close_run(fx);
	rx_take_inventory(fx, &before);
	pid_t owner = start_owner(fx, 0, &job);
	/* It has something to lose. */
	rx_take_inventory(fx, &amid);
	assert_true(inventory_count(&amid, "process") >= inventory_count(&before, "process") + 8);
	assert_true(inventory_count(&amid, "file") > inventory_count(&before, "file"));
	if (fx->isolation == ISOLATION_CHROOT && geteuid() == 0)
		assert_true(inventory_count(&amid, "namespace") >= 9 && inventory_count(&amid, "mount") > 10);
	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	rx_assert_inventory(fx, &before, true);
	assert_int_equal(rx_count_processes(job), 0);
	rx_open(fx);
	rx_sh(fx, "exit 0");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

static void test_second_owner_is_refused(void **state)
{
	struct rx *fx = *state;
	struct run_options o = { .work_dir = fx->work };
	struct run *second = NULL;
	struct err e = ERR_INIT;
	assert_int_equal(run_open(&second, &o, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
}

static void wait_swept(struct rx *fx)
{
	char paths[3][128];
	int64_t until = clock_boot_ms() + 10000;
	snprintf(paths[0], sizeof paths[0], "%s/trash", fx->work);
	snprintf(paths[1], sizeof paths[1], "%s/chroot/trash", fx->work);
	snprintf(paths[2], sizeof paths[2], "%s/chroot/scratch", fx->work);
	while (rx_count_files(paths[0]) + rx_count_files(paths[1]) + rx_count_files(paths[2])) {
		assert_true(clock_boot_ms() < until);
		poll(NULL, 0, 10);
	}
}

static int count_left(struct rx *fx)
{
	char path[128];
	int left = 0;
	static const char *const places[] = { "slots", "trash", "chroot/scratch", "chroot/trash" };
	run_close(fx->run);
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		snprintf(path, sizeof path, "%s/%s", fx->work, places[i]);
		left += rx_count_files(path);
	}
	left += rx_count_groups(fx);
	rx_open(fx);
	return left;
}

enum { ABORTED = 200, AT_ONCE = 8 };

static void start_several(struct rx *fx, const char *script, int64_t jobs[AT_ONCE])
{
	for (int n = 0; n < AT_ONCE; n++) {
		struct spec s = rx_spec(fx, script);
		s.grace_ms = 0;
		s.scratch = n % 2 ? SCRATCH_DISK : SCRATCH_MEMORY;
		if (n % 4 >= 2) {
			s.limits.memory_bytes = 512 << 20;
			s.limits.pids = 100;
		}
		jobs[n] = s.job;
		rx_start(fx, &s);
	}
}

/* Every slot that the test uses has been used, and was used in the same way last. */
static void use_slots(struct rx *fx)
{
	int64_t jobs[AT_ONCE];
	int before = fx->finished, succeeded = fx->succeeded;
	start_several(fx, "echo x >f; sleep 0.05", jobs);
	rx_wait(fx, before + AT_ONCE);
	assert_int_equal(fx->succeeded, succeeded + AT_ONCE);
}

static void abort_several(struct rx *fx, int turns)
{
	int64_t jobs[AT_ONCE];
	int before = fx->finished;
	start_several(fx, "(sleep 1000 &) ; echo x >f; echo >out/g; sleep 1000", jobs);
	/* At different moments of their lives. */
	for (; turns > 0; turns--) {
		struct pollfd p = { .fd = run_fd(fx->run), .events = POLLIN };
		poll(&p, 1, 3);
		assert_int_equal(run_dispatch(fx->run, &fx->err), 0);
	}
	for (int n = 0; n < AT_ONCE; n++)
		run_stop(fx->run, jobs[n], 1, RUN_STOP_CANCEL);
	rx_wait(fx, before + AT_ONCE);
	for (int n = 0; n < AT_ONCE; n++)
		assert_int_equal(rx_count_processes(jobs[n]), 0);
}

static void test_aborted_leave_nothing(void **state)
{
	struct rx *fx = *state;
	CLEAN_INVENTORY struct inventory open = INVENTORY_INIT, closed = INVENTORY_INIT;
	close_run(fx);
	rx_take_inventory(fx, &closed);
	fx->ready_ms = 50;
	rx_open(fx);
	use_slots(fx);
	use_slots(fx);
	rx_wait_nothing_ready(fx);
	/* What is in the trash is on its way out, and a root closes after its end is told. */
	wait_swept(fx);
	rx_take_inventory(fx, &open);
	for (int i = 0; i < ABORTED; i += AT_ONCE)
		abort_several(fx, i / AT_ONCE % 7);
	use_slots(fx);
	rx_assert_inventory(fx, &open, false);
	assert_int_equal(count_left(fx), 0);
	close_run(fx);
	rx_assert_inventory(fx, &closed, false);
	fx->ready_ms = 0;
	rx_open(fx);
}

/* What only a chroot promises. */

static void test_chroot_confined(void **state)
{
	struct rx *fx = *state;
	rx_sh(fx,
	      "while read k v; do case $k in CapEff:|CapPrm:|CapBnd:|CapAmb:|CapInh:|NoNewPrivs:|Seccomp:|Uid:) echo $k $v;;"
	      "esac; done </proc/self/status; cat /proc/sys/kernel/hostname; echo $$; pwd");
	rx_assert_log(
		fx,
		"Uid: 1000 1000 1000 1000\nCapInh: 0000000000000000\nCapPrm: 0000000000000000\n"
		"CapEff: 0000000000000000\nCapBnd: 0000000000000000\nCapAmb: 0000000000000000\nNoNewPrivs: 1\n"
		"Seccomp: 2\nsandbox\n2\n/job\n");
	/* Of the interfaces only the loopback, and of the host's files nothing. */
	rx_sh(fx, "while read name rest; do case $name in *:) echo $name;; esac; done </proc/net/dev");
	rx_assert_log(fx, "lo:\n");
	char script[300];
	snprintf(script, sizeof script, "[ -e %s ] || [ -e /w ] || [ -e /proc/1/root/w ] || echo hidden",
		 fx->dir);
	rx_sh(fx, script);
	rx_assert_log(fx, "hidden\n");
	rx_sh(fx,
	      "echo x >/etc/x || echo ro; echo 1 >/proc/sys/kernel/panic || echo no; mkdir /dev/x || echo nodev;"
	      "echo x >/dev/null && echo x >/dev/shm/f && cat /dev/shm/f; echo x >/dev/sda || true");
	assert_non_null(strstr(fx->log.data, "ro\n"));
	assert_non_null(strstr(fx->log.data, "no\n"));
	assert_non_null(strstr(fx->log.data, "nodev\n"));
	assert_non_null(strstr(fx->log.data, "\nx\n"));
}

static void test_chroot_root_step(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(
		fx, "touch /new; chown 123:456 /new && echo owned; echo 1 >/proc/sysrq-trigger || echo no;"
		    "echo x >/proc/sys/kernel/core_pattern || echo no");
	fx->step_room.user = USER_ROOT;
	rx_run(fx, &s);
	assert_non_null(strstr(fx->log.data, "owned\n"));
	assert_non_null(strstr(fx->log.data, "no\n"));
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	rx_sh(fx, "[ ! -e /new ] && echo clean");
	rx_assert_log(fx, "clean\n");
}

/* As its root, who could write into what belongs to his namespaces if the mount did not forbid it. */
static void test_chroot_masks(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(
		fx,
		"for f in kcore keys kmsg sysrq-trigger timer_list; do "
		"[ ! -e /proc/$f ] || [ -c /proc/$f ] || echo $f is open; [ -z \"$(cat /proc/$f 2>/dev/null)\" ] || echo $f says something; done;"
		"(echo x >/proc/sys/kernel/domainname) 2>/dev/null && echo a name was set; [ -e /sys/kernel ] && echo has /sys;"
		"cat /proc/sys/user/max_user_namespaces; while IFS=: read -r n what path; do case $path in /|/../*|/slipway-*/a*) ;; "
		"*) echo it is in $path;; esac; done </proc/self/cgroup; echo end");
	fx->step_room.user = USER_ROOT;
	rx_run(fx, &s);
	rx_assert_log(fx, "0\nend\n");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

static void test_chroot_disk_scratch(void **state)
{
	struct rx *fx = *state;
	static const char *const globs[] = { "f", NULL };
	struct spec s = rx_spec(fx, "echo kept >out/f");
	s.scratch = SCRATCH_DISK;
	s.collect = globs;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	assert_string_equal(fx->artifacts[0].bytes.data, "kept\n");
	s = rx_spec(fx, "head -c 30000000 /dev/zero >big || exit 3");
	s.limits.disk_bytes = 8 << 20;
	rx_run(fx, &s);
	if (!fx->is_disk_only)
		rx_assert_outcome(fx, OUTCOME_FAILED, REASON_DISK);
	s.scratch = SCRATCH_DISK;
	s.job = rx_next_job();
	s.limits.disk_bytes = 8 << 20;
	rx_run(fx, &s);
	assert_int_equal(fx->o.exit_code, 3);
	/* And all of them together: while it runs, and if it has ended before anybody looked. */
	for (int i = 0; i < 2; i++) {
		s = rx_spec(
			fx,
			i ? "mkdir d; for f in 1 2 d/3 d/4; do head -c 3000000 /dev/urandom >$f; done"
			  : "mkdir d; for f in 1 2 d/3 d/4; do head -c 3000000 /dev/urandom >$f; done; sleep 60");
		s.scratch = SCRATCH_DISK;
		s.limits.disk_bytes = 8 << 20;
		s.timeout_ms = 50000;
		rx_run(fx, &s);
		rx_assert_outcome(fx, OUTCOME_FAILED, REASON_DISK);
	}
	/* A tree too deep to be looked at is one that nobody builds. */
	s = rx_spec(fx, "i=0; while [ $i -lt 700 ]; do mkdir d && cd d && i=$((i + 1)); done; sleep 60");
	s.scratch = SCRATCH_DISK;
	s.limits.disk_bytes = 8 << 20;
	s.timeout_ms = 50000;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_DISK);
}

static void test_chroot_inodes(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(
		fx, "i=0; while [ $i -lt 90 ]; do : >f$i || exit 1; i=$((i + 1)); done; echo all");
	s.limits.inodes = 500;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	/* On disk it is noticed while it runs. */
	s = rx_spec(fx, "i=0; while [ $i -lt 900 ]; do : >f$i || exit 1; i=$((i + 1)); done; sleep 60");
	s.limits.inodes = 500;
	s.timeout_ms = 50000;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_DISK);
}

/* Folders of the image removed and made again, which an upper layer without attributes cannot do. */
static void test_chroot_replaced_folders(void **state)
{
	struct rx *fx = *state;
	static const char script[] = "rm -r /root && mkdir /root && echo x >/root/f && rm -r /root && "
				     "mkdir /root && echo ok && mkdir /root/d && rm -r /tmp && echo done";
	for (int i = 0; i < 2; i++) {
		struct spec s = rx_spec(fx, script);
		fx->step_room.user = USER_ROOT;
		s.scratch = i ? SCRATCH_DISK : SCRATCH_MEMORY;
		rx_run(fx, &s);
		rx_assert_log(fx, "ok\ndone\n");
		rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	}
}

/* A job that wants its scratch in memory gets one on disk where that is not possible, whose files are bounded too. */
static void test_chroot_disk_in_place_of_memory(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "head -c 30000000 /dev/zero >big || exit 3");
	s.limits.disk_bytes = 8 << 20;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_EXIT);
	assert_int_equal(fx->o.exit_code, 3);
}

/* An image that went away beneath us is what is told, not what failed for want of it. */
static void test_chroot_root_cannot_be_made(void **state)
{
	struct rx *fx = *state;
	struct job_input in = { .name = "a.txt", .mode = 0644, .size_bytes = 5 };
	char from[200], to[200];
	snprintf(from, sizeof from, "%s/chroot/images/%s", fx->work, fx->image);
	snprintf(to, sizeof to, "%s/chroot/images/.away", fx->work);
	rx_add_blob(fx, "hello", 5, in.sha256);
	/* One that is ready already would not notice. */
	close_run(fx);
	rx_open(fx);
	rx_sh(fx, "exit 0");
	if (rename(from, to) < 0)
		SKIP("cannot move what belongs to mapped ids");
	for (int n = 0; n < 2; n++) {
		struct spec s = rx_spec(fx, "cat a.txt");
		s.inputs = &in;
		s.inputs_len = (size_t)n;
		rx_run(fx, &s);
		rx_assert_outcome(fx, OUTCOME_FAILED, REASON_INTERNAL);
		assert_non_null(strstr(fx->detail, "mount the root image: No such file"));
	}
	assert_int_equal(rename(to, from), 0);
	rx_sh(fx, "exit 0");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

static void test_chroot_bad_images(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(fx, "exit 0");
	memset(s.image, 'a', 64);
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_TARGET);
	s = rx_spec(fx, "exit 0");
	rx_add_blob(fx, "this is no archive", 18, s.image);
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_TARGET);
	/* A whole image under a name that is not its hash. */
	char from[200], to[200];
	s = rx_spec(fx, "exit 0");
	memset(s.image, 'b', 64);
	snprintf(from, sizeof from, "%s/%s", fx->blobs, fx->image);
	snprintf(to, sizeof to, "%s/%s", fx->blobs, s.image);
	assert_int_equal(link(from, to), 0);
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_TARGET);
	assert_non_null(strstr(fx->detail, "its bytes are not those it is named after"));
}

/* An image that has links where the sandbox mounts and writes: none of them is followed. */
static void test_chroot_hostile_image(void **state)
{
	struct rx *fx = *state;
	static const char *const links[] = { "dev",	 "/tmp", "proc",      "/w", "job",
					     "/w/trash", "etc",	 "/w/images", NULL };
	struct spec s = rx_spec(
		fx,
		"[ -c /dev/null ] && [ -d /proc/self ] && [ ! -L /dev ] && [ ! -L /job ] && [ ! -L /etc ] &&"
		"cat /etc/hosts >/dev/null && pwd");
	rx_pack_image(fx, links, s.image);
	rx_run(fx, &s);
	rx_assert_log(fx, "/job\n");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

/* Of the images that nobody uses the newest four stay. */
static void test_chroot_images_are_bounded(void **state)
{
	struct rx *fx = *state;
	for (int i = 0; i < 7; i++) {
		char name[16];
		snprintf(name, sizeof name, "l%d", i);
		const char *links[] = { name, "/x", NULL };
		struct spec s = rx_spec(fx, "exit 0");
		rx_pack_image(fx, links, s.image);
		rx_run(fx, &s);
		rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	}
	char path[128];
	snprintf(path, sizeof path, "%s/chroot/images", fx->work);
	run_close(fx->run);
	int found = 0;
	CLEAN_DIR DIR *d = opendir(path);
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
		found += entry->d_name[0] != '.';
	rx_open(fx);
	assert_true(!d || found == 4);
}

/* Pages in memory. */
static long resident_pages(pid_t pid)
{
	char path[64];
	long size = 0, resident = 0;
	snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
	CLEAN_FILE FILE *f = fopen(path, "re");
	return f && fscanf(f, "%ld %ld", &size, &resident) == 2 ? resident : 0;
}

static pid_t wait_for_process(int64_t job, const char *name, long pages)
{
	int64_t until = clock_boot_ms() + 20000;
	for (;;) {
		pid_t pid = rx_find_process(job, name);
		if (pid && resident_pages(pid) >= pages)
			return pid;
		assert_true(clock_boot_ms() < until);
	}
}

/* One with much memory is long in dying: whoever does not wait for that tells the end too early. */
static void test_ended_is_told_when_all_are_dead(void **state)
{
	struct rx *fx = *state;
	struct spec s = rx_spec(
		fx,
		"trap 'exit 0' TERM; head -c 2000 /dev/zero; dd bs=400M count=1000 if=/dev/zero of=/dev/null & wait");
	int finished = fx->finished;
	rx_start(fx, &s);
	rx_wait_log(fx, 2000);
	pid_t large = wait_for_process(s.job, "dd", (400L << 20) / sysconf(_SC_PAGESIZE));
	pid_t shell = wait_for_process(s.job, "sh", 1);
	CLEAN_FD int pidfd = (int)syscall(SYS_pidfd_open, large, 0);
	assert_true(pidfd >= 0);
	assert_int_equal(kill(shell, SIGTERM), 0);
	while (fx->finished == finished)
		rx_turn(fx);
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 0), 1);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

static struct rx native_rx, chroot_rx, disk_only_rx = { .is_disk_only = true };

static int open_native(void **state)
{
	*state = &native_rx;
	return rx_init(&native_rx, ISOLATION_NONE) ? 0 : -1;
}

static int open_chroot(void **state)
{
	*state = &chroot_rx;
	return rx_init(&chroot_rx, ISOLATION_CHROOT) ? 0 : -1;
}

static int open_disk_only(void **state)
{
	*state = &disk_only_rx;
	return rx_init(&disk_only_rx, ISOLATION_CHROOT) ? 0 : -1;
}

#define COMMON(test) cmocka_unit_test(test)
#define COMMON_TESTS                                                                                    \
	COMMON(test_exit_codes), COMMON(test_signal), COMMON(test_output_bytes), COMMON(test_long_log), \
		COMMON(test_log_appears_while_it_runs), COMMON(test_log_limit), COMMON(test_timeouts),  \
		COMMON(test_output_is_not_silence), COMMON(test_term_then_kill),                        \
		COMMON(test_cancel_kills_runaways), COMMON(test_end_kills_runaways),                    \
		COMMON(test_ended_is_told_when_all_are_dead), COMMON(test_stale_is_not_reported),       \
		COMMON(test_exec_failures), COMMON(test_environment_is_exact),                          \
		COMMON(test_nothing_is_inherited), COMMON(test_inputs), COMMON(test_collect),           \
		COMMON(test_collect_refuses), COMMON(test_collect_leaves_out), COMMON(test_result),     \
		COMMON(test_cpu_limit), COMMON(test_log_flood), COMMON(test_log_rate),                  \
		COMMON(test_collect_depth), COMMON(test_steps), COMMON(test_limits),                    \
		COMMON(test_each_starts_clean), COMMON(test_each_starts_clean_later_too),               \
		COMMON(test_long_arguments), COMMON(test_many_at_once), COMMON(test_usage_is_told),     \
		COMMON(test_watchdog), COMMON(test_owner_killed), COMMON(test_aborted_leave_nothing)

#define CHROOT_TESTS                                                                                        \
	cmocka_unit_test(test_chroot_confined), cmocka_unit_test(test_chroot_masks),                        \
		cmocka_unit_test(test_chroot_inodes), cmocka_unit_test(test_chroot_root_step),              \
		cmocka_unit_test(test_chroot_disk_scratch), cmocka_unit_test(test_chroot_replaced_folders), \
		cmocka_unit_test(test_chroot_bad_images), cmocka_unit_test(test_chroot_hostile_image),      \
		cmocka_unit_test(test_chroot_images_are_bounded),                                           \
		cmocka_unit_test(test_chroot_root_cannot_be_made)

int main(void)
{
	const struct CMUnitTest native[] = { COMMON_TESTS, cmocka_unit_test(test_second_owner_is_refused) };
	const struct CMUnitTest chroot[] = { COMMON_TESTS, CHROOT_TESTS };
	const struct CMUnitTest disk_only[] = { COMMON_TESTS, CHROOT_TESTS,
						cmocka_unit_test(test_chroot_disk_in_place_of_memory) };
	inventory_adopt();
	int failed = cmocka_run_group_tests_name("run_native", native, open_native, rx_close);
	if (!rx_can_chroot())
		return failed;
	failed += cmocka_run_group_tests_name("run_chroot", chroot, open_chroot, rx_close);
	return failed +
	       cmocka_run_group_tests_name("run_chroot_disk_only", disk_only, open_disk_only, rx_close);
}

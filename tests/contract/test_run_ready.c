/* Sandboxes made ahead (sandbox/keeper_ready.c): when there is one, what it is used for, and that nobody can tell. */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "run_fixture.h"
#include "test.h"

enum { WAIT_MS = 20000, ENTRIES_MAX = 16 };

/* A process that waits in a sandbox, and that one's pid 1. */
struct waiting {
	pid_t command, first;
};

static bool read_status(pid_t pid, struct buf *text)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	return fd_read_file(AT_FDCWD, path, 1 << 16, text, NULL) == 0;
}

static pid_t parent_of(pid_t pid)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	const char *at = read_status(pid, &text) ? strstr(text.data, "\nPPid:") : NULL;
	return at ? (pid_t)strtol(at + 6, NULL, 10) : 0;
}

/* Not executed anything yet, confined, asleep. */
static bool is_waiting(pid_t pid)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	return read_status(pid, &text) && strstr(text.data, "Name:\tslipway-chroots\n") &&
	       strstr(text.data, "\nSeccomp:\t2\n") && strstr(text.data, "\nState:\tS");
}

/* They are great-grandchildren of ours: spawner, pid 1, command. */
static int list_waiting(struct waiting list[ENTRIES_MAX])
{
	int n = 0;
	CLEAN_DIR DIR *d = opendir("/proc");
	for (struct dirent *entry; d && n < ENTRIES_MAX && (entry = readdir(d)) != NULL;) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid <= 0 || !is_waiting(pid))
			continue;
		pid_t first = parent_of(pid);
		if (first > 0 && parent_of(parent_of(first)) == getpid())
			list[n++] = (struct waiting){ pid, first };
	}
	return n;
}

static void wait_for(int count, struct waiting list[ENTRIES_MAX])
{
	int64_t until = clock_boot_ms() + WAIT_MS;
	while (list_waiting(list) != count) {
		assert_true(clock_boot_ms() < until);
		poll(NULL, 0, 2);
	}
}

static void wait_dead(pid_t pid)
{
	int64_t until = clock_boot_ms() + WAIT_MS;
	while (kill(pid, 0) == 0) {
		assert_true(clock_boot_ms() < until);
		poll(NULL, 0, 2);
	}
}

/* Reaped or not. */
static void wait_ended(pid_t pid)
{
	int64_t until = clock_boot_ms() + WAIT_MS;
	for (;;) {
		CLEAN_BUF struct buf text = BUF_INIT;
		if (!read_status(pid, &text) || strstr(text.data, "\nState:\tZ"))
			return;
		assert_true(clock_boot_ms() < until);
	}
}

/* Two alike, and what is ready after them. */
static struct waiting make_ready(struct rx *fx)
{
	struct waiting list[ENTRIES_MAX];
	for (int i = 0; i < 2; i++) {
		rx_sh(fx, "exit 0");
		rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	}
	wait_for(1, list);
	return list[0];
}

static bool is_job(pid_t pid, int64_t job)
{
	char path[64], want[64];
	CLEAN_BUF struct buf text = BUF_INIT;
	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	snprintf(want, sizeof want, "SLIPWAY_JOB=%lld", (long long)job);
	return fd_read_file(AT_FDCWD, path, 1 << 20, &text, NULL) == 0 && text.len &&
	       memmem(text.data, text.len, want, strlen(want) + 1);
}

static void test_made_ahead_and_used_once(void **state)
{
	struct rx *fx = *state;
	struct waiting before = make_ready(fx), after[ENTRIES_MAX];
	struct spec s = rx_spec(fx, "head -c 2000 /dev/zero; sleep 1000");
	int finished = fx->finished;
	rx_start(fx, &s);
	rx_wait_log(fx, 2000);
	assert_true(is_job(before.command, s.job));
	/* The next is made while it runs, and is another. */
	wait_for(1, after);
	assert_int_not_equal(after[0].first, before.first);
	run_stop(fx->run, s.job, 1, RUN_STOP_CANCEL);
	rx_wait(fx, finished + 1);
	rx_assert_outcome(fx, OUTCOME_CANCELLED, REASON_NONE);
	wait_dead(before.command);
	wait_dead(before.first);
	rx_sh(fx, "exit 0");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	wait_dead(after[0].first);
}

static void test_nothing_of_the_one_before(void **state)
{
	struct rx *fx = *state;
	static const char script[] = "echo $LEAK/$(ulimit -n)/$(pwd)/$PATH; cat /etc/hosts; echo *; "
				     "echo x >f; echo x >out/g; echo x >/tmp/h; echo x >/dev/shm/i; "
				     "[ -e /dev/shm/j ] || echo none; echo x >/dev/shm/j";
	struct env_var leak = { .name = "LEAK", .value = "first" };
	CLEAN_BUF struct buf want = BUF_INIT;
	for (int i = 0; i < 4; i++) {
		struct waiting ready = make_ready(fx);
		struct spec s = rx_spec(fx, script);
		s.limits.files = i % 2 ? 77 : 55;
		s.env = &leak;
		s.env_len = i % 2 ? 0 : 1;
		rx_run(fx, &s);
		rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
		wait_dead(ready.first);
		buf_reset(&want);
		buf_addf(&want, "%s/%d//job//usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
			 i % 2 ? "" : "first", i % 2 ? 77 : 55);
		buf_addf(
			&want,
			"127.0.0.1\tlocalhost\n127.0.1.1\tsandbox\n::1\tlocalhost ip6-localhost\nout\nnone\n");
		rx_assert_log(fx, want.data);
	}
}

static const char who[] =
	"while read k v; do case $k in CapBnd:|Uid:) echo $k $v;; esac; done </proc/self/status;"
	"cat /proc/sys/kernel/hostname; while read a; do case $a in 127.0.1.1*) echo $a;; esac; "
	"done </etc/hosts; while read n r; do case $n in lo:) ;; *:) echo net;; esac; done "
	"</proc/net/dev";

/* Another user, host name or image than what is ready: the request decides, and what is ready goes. */
static void test_what_does_not_fit_is_not_used(void **state)
{
	struct rx *fx = *state;
	struct waiting ready = make_ready(fx);
	struct spec s = rx_spec(fx, who);
	fx->step_room.user = USER_ROOT;
	rx_run(fx, &s);
	assert_non_null(strstr(fx->log.data, "Uid: 0 0 0 0\n"));
	assert_null(strstr(fx->log.data, "CapBnd: 0000000000000000\n"));
	wait_dead(ready.first);

	ready = make_ready(fx);
	s = rx_spec(fx, who);
	s.hostname = "other";
	rx_run(fx, &s);
	assert_string_equal(fx->log.data, "Uid: 1000 1000 1000 1000\nCapBnd: 0000000000000000\nother\n"
					  "127.0.1.1 other\n");
	wait_dead(ready.first);

	static const char *const links[] = { "mark", "/x", NULL };
	ready = make_ready(fx);
	s = rx_spec(fx, "[ -L /mark ] && echo marked");
	rx_pack_image(fx, links, s.image);
	rx_run(fx, &s);
	rx_assert_log(fx, "marked\n");
	wait_dead(ready.first);
}

static void test_network_is_the_jobs_own(void **state)
{
	struct rx *fx = *state;
	struct waiting ready = make_ready(fx);
	char own[64], path[64], host[64];
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)ready.command);
	ssize_t n = readlink(path, own, sizeof own - 1);
	assert_true(n > 0);
	own[n] = '\0';
	n = readlink("/proc/self/ns/net", host, sizeof host - 1);
	assert_true(n > 0);
	host[n] = '\0';
	assert_string_not_equal(own, host);
	struct spec s = rx_spec(fx, who);
	fx->step_room.network = NETWORK_FULL;
	rx_run(fx, &s);
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	wait_dead(ready.first);
	/* Two such: one that waits in the host's network is not used by one that may have none. */
	for (int i = 0; i < 2; i++) {
		s = rx_spec(fx, "exit 0");
		fx->step_room.network = NETWORK_FULL;
		rx_run(fx, &s);
	}
	rx_sh(fx, who);
	assert_null(strstr(fx->log.data, "net\n"));
}

/* In its group before it is anything: the first thing that it does is to look. */
static void test_in_its_group_from_the_start(void **state)
{
	struct rx *fx = *state;
	struct waiting ready = make_ready(fx);
	struct spec s = rx_spec(fx, "cat /proc/$$/cgroup");
	s.limits.pids = 50;
	s.limits.memory_bytes = 256 << 20;
	rx_run(fx, &s);
	wait_dead(ready.first);
	if (strstr(fx->log.data, "cannot keep"))
		SKIP("no limits on this machine");
	assert_non_null(strstr(fx->log.data, "/a"));
	ready = make_ready(fx);
	s = rx_spec(fx, "for i in 1 2 3 4 5 6 7 8 9; do sleep 1000 & done; echo all; sleep 1000");
	s.limits.pids = 4;
	rx_run(fx, &s);
	wait_dead(ready.first);
	rx_assert_outcome(fx, OUTCOME_FAILED, REASON_PIDS);
}

/* Somebody kills what waits: the start makes another, on the spot. A command that was told to die does nothing more; with a
 * pid 1 that was, it may still run for a moment, as it may when a job's is killed, so its end is waited for. */
static void test_killed_while_it_waits(void **state)
{
	struct rx *fx = *state;
	for (int i = 0; i < 16; i++) {
		struct waiting ready = make_ready(fx);
		assert_int_equal(kill(i % 2 ? ready.command : ready.first, SIGKILL), 0);
		if (i % 2 == 0)
			wait_ended(ready.first);
		else if (i % 4 == 1)
			wait_dead(ready.first);
		struct spec s = rx_spec(fx, "echo ran");
		s.limits.pids = i % 8 < 4 ? 50 : 0;
		rx_run(fx, &s);
		rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
		assert_non_null(strstr(fx->log.data, "ran\n"));
	}
}

static void test_dropped_with_its_image(void **state)
{
	struct rx *fx = *state;
	struct waiting list[ENTRIES_MAX];
	for (int i = 0; i < 2; i++) {
		int finished = fx->finished;
		struct spec first = rx_spec(fx, "exit 0");
		rx_start(fx, &first);
		struct spec second = rx_spec(fx, "exit 0");
		rx_start(fx, &second);
		rx_wait(fx, finished + 2);
	}
	wait_for(2, list);
	/* Six others, one after the other in the first slot: the first image is one too many. */
	for (int i = 0; i < 6; i++) {
		char name[16];
		snprintf(name, sizeof name, "m%d", i);
		const char *links[] = { name, "/x", NULL };
		struct spec s = rx_spec(fx, "exit 0");
		rx_pack_image(fx, links, s.image);
		rx_run(fx, &s);
		rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	}
	wait_dead(list[0].first);
	wait_dead(list[1].first);
}

static void reopen(struct rx *fx, int ready_ms)
{
	run_close(fx->run);
	fx->ready_ms = ready_ms;
	rx_open(fx);
}

static void test_dropped_when_nobody_comes(void **state)
{
	struct rx *fx = *state;
	reopen(fx, 300);
	struct waiting ready = make_ready(fx);
	wait_dead(ready.first);
	rx_wait_nothing_ready(fx);
	rx_sh(fx, "exit 0");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
	reopen(fx, 0);
}

static void test_none_is_made_if_told_so(void **state)
{
	struct rx *fx = *state;
	struct waiting list[ENTRIES_MAX];
	reopen(fx, -1);
	for (int i = 0; i < 3; i++)
		rx_sh(fx, "exit 0");
	rx_wait_nothing_ready(fx);
	assert_int_equal(list_waiting(list), 0);
	reopen(fx, 0);
}

/* Whatever the owner had ready goes with it: nobody opens the folder before the look. */
static void test_owner_killed(void **state)
{
	struct rx *fx = *state;
	CLEAN_INVENTORY struct inventory before = INVENTORY_INIT;
	int ends[2];
	struct waiting ready;
	run_close(fx->run);
	fx->run = NULL;
	rx_take_inventory(fx, &before);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t owner = fork();
	assert_true(owner >= 0);
	if (owner == 0) {
		rx_open(fx);
		ready = make_ready(fx);
		if (write(ends[1], &ready, sizeof ready) != sizeof ready)
			_exit(1);
		for (;;)
			pause();
	}
	close(ends[1]);
	assert_int_equal(read(ends[0], &ready, sizeof ready), sizeof ready);
	close(ends[0]);
	assert_true(is_waiting(ready.command));
	assert_int_equal(kill(owner, SIGKILL), 0);
	assert_int_equal(waitpid(owner, NULL, 0), owner);
	rx_assert_inventory(fx, &before, true);
	rx_open(fx);
	rx_sh(fx, "exit 0");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

/* The spawner itself: it is pid 1 of the namespace that all of them are in. */
static void test_spawner_killed(void **state)
{
	struct rx *fx = *state;
	struct waiting ready = make_ready(fx);
	assert_int_equal(kill(parent_of(ready.first), SIGKILL), 0);
	wait_dead(ready.command);
	wait_dead(ready.first);
	reopen(fx, 0);
	rx_sh(fx, "exit 0");
	rx_assert_outcome(fx, OUTCOME_SUCCEEDED, REASON_NONE);
}

static struct rx memory_rx, disk_rx = { .is_disk_only = true };

static int open_memory(void **state)
{
	*state = &memory_rx;
	return rx_init(&memory_rx, ISOLATION_CHROOT) ? 0 : -1;
}

static int open_disk(void **state)
{
	*state = &disk_rx;
	return rx_init(&disk_rx, ISOLATION_CHROOT) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_made_ahead_and_used_once),
		cmocka_unit_test(test_nothing_of_the_one_before),
		cmocka_unit_test(test_what_does_not_fit_is_not_used),
		cmocka_unit_test(test_network_is_the_jobs_own),
		cmocka_unit_test(test_in_its_group_from_the_start),
		cmocka_unit_test(test_killed_while_it_waits),
		cmocka_unit_test(test_dropped_with_its_image),
		cmocka_unit_test(test_dropped_when_nobody_comes),
		cmocka_unit_test(test_none_is_made_if_told_so),
		cmocka_unit_test(test_owner_killed),
		cmocka_unit_test(test_spawner_killed),
	};
	inventory_adopt();
	if (!rx_can_chroot())
		return 0;
	return cmocka_run_group_tests_name("ready_memory", tests, open_memory, rx_close) +
	       cmocka_run_group_tests_name("ready_disk", tests, open_disk, rx_close);
}

/* The spawner by itself: its messages, its events, its end. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "sandbox/spawner.h"
#include "sandbox/wire_priv.h"

struct fx {
	char dir[64];
	struct spawner *spawner;
	struct err err;
	int cwd, pipe[2];
};

static void echo_task(int sock, const void *arg, size_t len, const int *fds, int fds_len, int root_fd)
{
	char reply[64];
	int n = snprintf(reply, sizeof reply, "%.*s %d %d", (int)len, (const char *)arg, fds_len, root_fd);
	send(sock, reply, (size_t)n, 0);
	(void)fds;
}

static int open_spawner(void **state)
{
	static struct fx fx;
	static spawner_task_fn *const tasks[] = { echo_task };
	snprintf(fx.dir, sizeof fx.dir, "/tmp/spawner-test-XXXXXX");
	assert_non_null(mkdtemp(fx.dir));
	struct spawner_options o = { .work_dir = fx.dir, .tasks = tasks, .tasks_len = 1 };
	if (spawner_open(&fx.spawner, &o, &fx.err) < 0)
		fail_msg("%s", fx.err.text);
	fx.cwd = open(fx.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(pipe2(fx.pipe, O_CLOEXEC), 0);
	*state = &fx;
	return 0;
}

static int close_spawner(void **state)
{
	struct fx *fx = *state;
	spawner_close(fx->spawner);
	close(fx->cwd);
	close(fx->pipe[0]);
	close(fx->pipe[1]);
	return fd_remove_tree(AT_FDCWD, fx->dir, NULL);
}

static struct spawner_event next_event(struct fx *fx)
{
	struct spawner_event ev;
	for (;;) {
		struct pollfd p = { .fd = spawner_fd(fx->spawner), .events = POLLIN };
		assert_int_equal(poll(&p, 1, 30000), 1);
		int got = spawner_next(fx->spawner, &ev, &fx->err);
		if (got < 0)
			fail_msg("%s", fx->err.text);
		if (got)
			return ev;
	}
}

static void start(struct fx *fx, uint32_t id, int slot, const char *script)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	const char *envp[] = { "PATH=/usr/bin:/bin", NULL };
	struct spawner_start s = { .id = id,
				   .slot = slot,
				   .argv = argv,
				   .envp = envp,
				   .out_fd = fx->pipe[1],
				   .cgroup_fd = -1,
				   .procs_fds = { -1, -1, -1, -1 } };
	assert_int_equal(spawner_slot(fx->spawner, slot, fx->cwd, -1, &fx->err), 0);
	assert_int_equal(spawner_start(fx->spawner, &s, &fx->err), 0);
}

static void test_ended(void **state)
{
	struct fx *fx = *state;
	char text[64] = "";
	start(fx, 7, 3, "echo hi; exit 9");
	struct spawner_event ev = next_event(fx);
	assert_int_equal(ev.kind, SPAWNER_ENDED);
	assert_int_equal(ev.id, 7);
	assert_int_equal(ev.slot, 3);
	assert_true(ev.is_started);
	assert_int_equal(WEXITSTATUS(ev.status), 9);
	assert_int_equal(read(fx->pipe[0], text, sizeof text - 1), 3);
	assert_string_equal(text, "hi\n");
}

static void test_several_at_once(void **state)
{
	struct fx *fx = *state;
	bool is_seen[20] = { false };
	for (int i = 0; i < 20; i++)
		start(fx, 100 + (uint32_t)i, i, "sleep 0.05");
	for (int i = 0; i < 20; i++) {
		struct spawner_event ev = next_event(fx);
		assert_in_range(ev.id, 100, 119);
		assert_false(is_seen[ev.id - 100]);
		is_seen[ev.id - 100] = true;
	}
}

static void test_kill_is_for_one_start(void **state)
{
	struct fx *fx = *state;
	start(fx, 1, 0, "exec sleep 1000");
	/* That start has ended, or never was. */
	assert_int_equal(spawner_kill(fx->spawner, 99, 0, SIGKILL, &fx->err), 0);
	assert_int_equal(spawner_kill(fx->spawner, 1, 0, SIGKILL, &fx->err), 0);
	struct spawner_event ev = next_event(fx);
	assert_int_equal(ev.id, 1);
	assert_int_equal(WTERMSIG(ev.status), SIGKILL);
}

static void test_deadline(void **state)
{
	struct fx *fx = *state;
	start(fx, 5, 0, "exec sleep 1000");
	assert_int_equal(spawner_keep_until(fx->spawner, clock_boot_ms() + 50, &fx->err), 0);
	struct spawner_event ev = next_event(fx);
	assert_true(ev.is_by_watchdog);
	assert_int_equal(spawner_keep_until(fx->spawner, 0, &fx->err), 0);
	start(fx, 6, 0, "exit 0");
	ev = next_event(fx);
	assert_false(ev.is_by_watchdog);
	assert_int_equal(ev.status, 0);
}

static void test_task(void **state)
{
	struct fx *fx = *state;
	char reply[64] = "";
	int sock = -1;
	assert_int_equal(spawner_task(fx->spawner, 0, -1, "hello", 5, &fx->cwd, 1, &sock, &fx->err), 0);
	struct pollfd p = { .fd = sock, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_true(recv(sock, reply, sizeof reply - 1, 0) > 0);
	assert_string_equal(reply, "hello 1 -1");
	close(sock);
	/* No such task: the socket ends without an answer. */
	assert_int_equal(spawner_task(fx->spawner, 5, -1, "", 0, NULL, 0, &sock, &fx->err), 0);
	p.fd = sock;
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(recv(sock, reply, sizeof reply, 0), 0);
	close(sock);
}

/* More than a message takes, and more than is allowed. */
static void test_large_plans(void **state)
{
	struct fx *fx = *state;
	enum { LONG = 100000 };
	char *text = calloc(1, LONG + 1);
	assert_non_null(text);
	memset(text, 'x', LONG);
	const char *argv[64] = { "true", text, text };
	const char *envp[] = { NULL };
	struct spawner_start s = { .id = 1,
				   .argv = argv,
				   .envp = envp,
				   .out_fd = fx->pipe[1],
				   .cgroup_fd = -1,
				   .procs_fds = { -1, -1, -1, -1 } };
	assert_int_equal(spawner_slot(fx->spawner, 0, fx->cwd, -1, &fx->err), 0);
	assert_int_equal(spawner_start(fx->spawner, &s, &fx->err), 0);
	assert_int_equal(next_event(fx).status, 0);
	for (int i = 1; i < 60; i++)
		argv[i] = text;
	assert_int_equal(spawner_start(fx->spawner, &s, &fx->err), -1);
	assert_int_equal(fx->err.code, ERR_TOO_LARGE);
	free(text);
}

static void test_wire_refuses_nonsense(void **state)
{
	(void)state;
	int ends[2];
	static char room[WIRE_BYTES_MAX];
	struct wire_message m;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	assert_int_equal(send(ends[0], "xy", 2, 0), 2);
	assert_int_equal(wire_receive(ends[1], room, &m, 0), -1);
	assert_int_equal(errno, EBADMSG);
	static char large[WIRE_BYTES_MAX + 100];
	assert_int_equal(send(ends[0], large, sizeof large, 0), (ssize_t)sizeof large);
	assert_int_equal(wire_receive(ends[1], room, &m, 0), -1);
	struct wire_head head = { .kind = WIRE_KEEP };
	int fds[2] = { ends[0], ends[1] };
	assert_int_equal(wire_send(ends[0], &head, NULL, 0, fds, 2, 0), 0);
	assert_int_equal(wire_receive(ends[1], room, &m, 0), 1);
	assert_int_equal(m.fds_len, 2);
	wire_close_fds(&m);
	close(ends[0]);
	assert_int_equal(wire_receive(ends[1], room, &m, 0), 0);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_ended, open_spawner, close_spawner),
		cmocka_unit_test_setup_teardown(test_several_at_once, open_spawner, close_spawner),
		cmocka_unit_test_setup_teardown(test_kill_is_for_one_start, open_spawner, close_spawner),
		cmocka_unit_test_setup_teardown(test_deadline, open_spawner, close_spawner),
		cmocka_unit_test_setup_teardown(test_task, open_spawner, close_spawner),
		cmocka_unit_test_setup_teardown(test_large_plans, open_spawner, close_spawner),
		cmocka_unit_test(test_wire_refuses_nonsense),
	};
	return cmocka_run_group_tests_name("sandbox_spawner", tests, NULL, NULL);
}

/* The system call filters, in force: a child takes one and tries what it may not. */
#include "test.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "sandbox/filter_priv.h"

/* Arguments are such that without a filter each would fail with another errno, or do no harm. */
static const struct probe {
	const char *name;
	long nr, a, b, c;
	int sys; /* errno; 0: succeeds */
	bool is_build_only;
} probes[] = {
	{ "mount", SYS_mount, 0, 0, 0, EPERM, false },
	{ "umount2", SYS_umount2, 0, 0, 0, EPERM, false },
	{ "pivot_root", SYS_pivot_root, 0, 0, 0, EPERM, false },
	{ "fsopen", SYS_fsopen, 0, 0, 0, ENOSYS, false },
	{ "open_tree", SYS_open_tree, -1, 0, 0, ENOSYS, false },
	{ "move_mount", SYS_move_mount, -1, 0, -1, ENOSYS, false },
	{ "mount_setattr", SYS_mount_setattr, -1, 0, 0, ENOSYS, false },
	{ "unshare", SYS_unshare, 0, 0, 0, EPERM, false },
	{ "setns", SYS_setns, -1, 0, 0, EPERM, false },
	{ "clone3", SYS_clone3, 0, 0, 0, ENOSYS, false },
	{ "clone with a user namespace", SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, EPERM, false },
	{ "clone with a net namespace", SYS_clone, CLONE_NEWNET | SIGCHLD, 0, 0, EPERM, false },
	{ "bpf", SYS_bpf, -1, 0, 0, EPERM, false },
	{ "perf_event_open", SYS_perf_event_open, 0, 0, 0, EPERM, false },
	{ "userfaultfd", SYS_userfaultfd, -1, 0, 0, EPERM, false },
	{ "io_uring_setup", SYS_io_uring_setup, 0, 0, 0, ENOSYS, false },
	{ "keyctl", SYS_keyctl, -1, 0, 0, EPERM, false },
	{ "add_key", SYS_add_key, 0, 0, 0, EPERM, false },
	{ "request_key", SYS_request_key, 0, 0, 0, EPERM, false },
	{ "kexec_load", SYS_kexec_load, 0, 0, 0, EPERM, false },
	{ "finit_module", SYS_finit_module, -1, 0, 0, EPERM, false },
	{ "open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0, EPERM, false },
	{ "swapon", SYS_swapon, 0, 0, 0, EPERM, false },
	{ "reboot", SYS_reboot, 0, 0, 0, EPERM, false },
	{ "clock_settime", SYS_clock_settime, -1, 0, 0, EPERM, false },
	{ "acct", SYS_acct, -1, 0, 0, EPERM, false },
	{ "syslog", SYS_syslog, 10, 0, 0, EPERM, false },
	{ "socket of AF_VSOCK", SYS_socket, AF_VSOCK, SOCK_STREAM, 0, EAFNOSUPPORT, false },
	{ "socket of AF_PACKET", SYS_socket, AF_PACKET, SOCK_RAW, 0, EAFNOSUPPORT, false },
	{ "socket of AF_ALG", SYS_socket, AF_ALG, SOCK_SEQPACKET, 0, EAFNOSUPPORT, false },
	{ "typing into a terminal", SYS_ioctl, -1, TIOCSTI, 0, EPERM, false },
	{ "the same with high bits set", SYS_ioctl, -1, TIOCSTI | 1L << 40, 0, EPERM, false },
	{ "chroot", SYS_chroot, 0, 0, 0, EPERM, true },
	{ "name_to_handle_at", SYS_name_to_handle_at, -1, 0, 0, EPERM, false },
	{ "fanotify_init", SYS_fanotify_init, 0, 0, 0, EPERM, false },
	{ "sethostname", SYS_sethostname, 0, -1, 0, EPERM, false },
	{ "set_mempolicy", SYS_set_mempolicy, 99, 0, 0, ENOSYS, false },
	{ "move_pages", SYS_move_pages, 0, 0, 0, ENOSYS, false },
	{ "kcmp", SYS_kcmp, -1, -1, 0, ENOSYS, false },
	{ "pidfd_getfd", SYS_pidfd_getfd, -1, 0, 0, ENOSYS, false },
	{ "memfd_secret", SYS_memfd_secret, -1, 0, 0, ENOSYS, false },
	{ "a call that is yet to come", 5000, 0, 0, 0, ENOSYS, false },
	{ "netlink of the audit system", SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_AUDIT, EPROTONOSUPPORT,
	  false },
	{ "netlink of the packet filter", SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER,
	  EPROTONOSUPPORT, false },
	{ "SCTP", SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_SCTP, EPROTONOSUPPORT, false },
	{ "DCCP with high bits set", SYS_socket, AF_INET6, SOCK_STREAM, IPPROTO_DCCP | 1L << 40,
	  EPROTONOSUPPORT, false },
	{ "MPTCP", SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_MPTCP, EPROTONOSUPPORT, false },
	{ "a family with high bits set", SYS_socket, AF_PACKET | 1L << 40, SOCK_RAW, 0, EAFNOSUPPORT, false },
	{ "a personality that makes data run", SYS_personality, READ_IMPLIES_EXEC, 0, 0, ENOSYS, false },
	/* What programs live by. */
	{ "getppid", SYS_getppid, 0, 0, 0, 0, false },
	{ "umask", SYS_umask, 022, 0, 0, 0, false },
	{ "sched_yield", SYS_sched_yield, 0, 0, 0, 0, false },
	{ "personality, asked", SYS_personality, 0xffffffff, 0, 0, 0, false },
	{ "fixed addresses", SYS_personality, ADDR_NO_RANDOMIZE, 0, 0, 0, false },
	{ "TCP", SYS_socket, AF_INET, SOCK_STREAM, IPPROTO_TCP, 0, false },
	{ "a socket of this machine", SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, false },
	{ "the table of interfaces", SYS_socket, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 0, false },
};

static void enter(bool is_root)
{
	struct filter f;
	struct err e = ERR_INIT;
	if (filter_build(is_root, &f, &e) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f.arguments) < 0 ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &f.calls) < 0)
		_exit(99);
}

/* 0: all is as it should be; else 1 + the number of the probe that is not. */
static int try_all(bool is_root)
{
	enter(is_root);
	for (size_t i = 0; i < ARRAY_LEN(probes); i++) {
		const struct probe *p = &probes[i];
		errno = 0;
		long r = syscall(p->nr, p->a, p->b, p->c, 0, 0, 0);
		int sys = r < 0 ? errno : 0;
		/* Steps of root get as far as the kernel's own checks. */
		bool is_denied = !(is_root && p->is_build_only);
		if (is_denied ? sys != p->sys : sys == EPERM)
			return 1 + (int)i;
	}
	return 0;
}

static void check_all(bool is_root)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(try_all(is_root));
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 99);
	if (WEXITSTATUS(status))
		fail_msg("not as it should be: %s", probes[WEXITSTATUS(status) - 1].name);
}

static void test_build_steps(void **state)
{
	(void)state;
	check_all(false);
}

static void test_root_steps(void **state)
{
	(void)state;
	check_all(true);
}

/* Other tables of calls have other numbers, which would walk past the list: here those of x32. */
static void test_foreign_calls_kill(void **state)
{
	(void)state;
#ifdef __x86_64__
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct sigaction plain = { .sa_handler = SIG_DFL };
		sigaction(SIGSYS, &plain, NULL);
		enter(false);
		syscall(SYS_getpid | 0x40000000);
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
#else
	SKIP("this architecture has one table");
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_build_steps),
		cmocka_unit_test(test_root_steps),
		cmocka_unit_test(test_foreign_calls_kill),
	};
	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}

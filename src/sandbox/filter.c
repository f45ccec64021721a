#include "sandbox/filter_priv.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"

enum { FILTER_BOTH, FILTER_BUILD_ONLY };

struct rule {
	const char *call;
	int sys;
	int who;
};

/* Names this libseccomp does not know are passed over: the kernel's table grows faster than it. Calls that new
 * programs try first and fall back from get ENOSYS. */
static const struct rule rules[] = {
	{ "mount", EPERM, FILTER_BOTH },
	{ "umount", EPERM, FILTER_BOTH },
	{ "umount2", EPERM, FILTER_BOTH },
	{ "pivot_root", EPERM, FILTER_BOTH },
	{ "open_tree", ENOSYS, FILTER_BOTH },
	{ "move_mount", ENOSYS, FILTER_BOTH },
	{ "fsopen", ENOSYS, FILTER_BOTH },
	{ "fsconfig", ENOSYS, FILTER_BOTH },
	{ "fsmount", ENOSYS, FILTER_BOTH },
	{ "fspick", ENOSYS, FILTER_BOTH },
	{ "mount_setattr", ENOSYS, FILTER_BOTH },
	{ "unshare", EPERM, FILTER_BOTH },
	{ "setns", EPERM, FILTER_BOTH },
	/* Its flags are behind a pointer, where no filter can look. */
	{ "clone3", ENOSYS, FILTER_BOTH },
	{ "bpf", EPERM, FILTER_BOTH },
	{ "perf_event_open", EPERM, FILTER_BOTH },
	{ "userfaultfd", EPERM, FILTER_BOTH },
	{ "io_uring_setup", ENOSYS, FILTER_BOTH },
	{ "io_uring_enter", ENOSYS, FILTER_BOTH },
	{ "io_uring_register", ENOSYS, FILTER_BOTH },
	{ "keyctl", EPERM, FILTER_BOTH },
	{ "add_key", EPERM, FILTER_BOTH },
	{ "request_key", EPERM, FILTER_BOTH },
	{ "kexec_load", EPERM, FILTER_BOTH },
	{ "kexec_file_load", EPERM, FILTER_BOTH },
	{ "init_module", EPERM, FILTER_BOTH },
	{ "finit_module", EPERM, FILTER_BOTH },
	{ "delete_module", EPERM, FILTER_BOTH },
	{ "open_by_handle_at", EPERM, FILTER_BOTH },
	{ "name_to_handle_at", EPERM, FILTER_BUILD_ONLY },
	{ "process_vm_writev", EPERM, FILTER_BUILD_ONLY },
	{ "swapon", EPERM, FILTER_BOTH },
	{ "swapoff", EPERM, FILTER_BOTH },
	{ "reboot", EPERM, FILTER_BOTH },
	{ "settimeofday", EPERM, FILTER_BOTH },
	{ "clock_settime", EPERM, FILTER_BOTH },
	{ "adjtimex", EPERM, FILTER_BOTH },
	{ "clock_adjtime", EPERM, FILTER_BOTH },
	{ "quotactl", EPERM, FILTER_BOTH },
	{ "quotactl_fd", EPERM, FILTER_BOTH },
	{ "acct", EPERM, FILTER_BOTH },
	{ "lookup_dcookie", EPERM, FILTER_BOTH },
	{ "modify_ldt", EPERM, FILTER_BOTH },
	{ "syslog", EPERM, FILTER_BOTH },
	{ "vhangup", EPERM, FILTER_BOTH },
	{ "iopl", EPERM, FILTER_BOTH },
	{ "ioperm", EPERM, FILTER_BOTH },
	{ "chroot", EPERM, FILTER_BUILD_ONLY },
};

/* Families a build has a use for; the others carry most of the kernel's holes. */
static const int families_denied[] = { AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH,
				       AF_CAN,	  AF_KEY,   AF_RDS, AF_TIPC };

static int add_calls(scmp_filter_ctx ctx, bool is_root)
{
	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		if (is_root && rules[i].who == FILTER_BUILD_ONLY)
			continue;
		int nr = seccomp_syscall_resolve_name(rules[i].call);
		/* Negative: known to libseccomp but not a call of this architecture. */
		if (nr < 0)
			continue;
		int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(rules[i].sys), nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_arguments(scmp_filter_ctx ctx)
{
	static const unsigned long spaces[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
						CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP };
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(spaces) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, spaces[i], spaces[i]));
	for (size_t i = 0; i < ARRAY_LEN(families_denied) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)families_denied[i], 0));
	/* Typing into somebody's terminal. */
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCSTI));
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, TIOCLINUX));
	return r;
}

static int export_program(scmp_filter_ctx ctx, struct sock_fprog *out, struct err *e)
{
	CLEAN_FD int fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0 || seccomp_export_bpf(ctx, fd) < 0)
		return err_sys(e, "export the system call filter");
	struct stat st;
	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return err_sys(e, "read the system call filter");
	struct sock_filter *program = malloc((size_t)st.st_size);
	if (!program)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (pread(fd, program, (size_t)st.st_size, 0) != st.st_size) {
		free(program);
		return err_sys(e, "read the system call filter");
	}
	out->filter = program;
	out->len = (unsigned short)((size_t)st.st_size / sizeof *program);
	return 0;
}

int filter_build(bool is_root, struct sock_fprog *out, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (!ctx)
		return err_set(e, ERR_NOMEM, "out of memory");
	/* A tree instead of a list: every call a sandboxed process makes goes through it. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	int r = add_calls(ctx, is_root);
	if (r >= 0)
		r = add_arguments(ctx);
	int failed = r < 0 ? err_set(e, ERR_UNSUPPORTED, "make the system call filter: libseccomp says %d", r)
			   : export_program(ctx, out, e);
	seccomp_release(ctx);
	return failed;
}

void filter_bound_caps(uint64_t kept)
{
	for (int cap = 0; cap < 64; cap++)
		if (!(kept & FILTER_CAP(cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

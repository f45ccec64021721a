#include "sandbox/filter_priv.h"

#include <errno.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "sandbox/filter_calls.h"

/* Wide enough for int and pid_t arguments, whose upper halves the kernel does not look at. */
#define LOW 0xffffffff

/* Personalities without a meaning for security: as it is, 32-bit names of the machine, an old version's name, addresses that
 * do not change from run to run; and the question what it is. */
static const scmp_datum_t personalities[] = {
	PER_LINUX,
	PER_LINUX32,
	UNAME26,
	PER_LINUX32 | UNAME26,
	ADDR_NO_RANDOMIZE,
	PER_LINUX32 | ADDR_NO_RANDOMIZE,
	LOW,
};

/* Of those up to AF_NETLINK, the ones that builds have no use for; above it they have none for any. */
static const scmp_datum_t families_denied[] = { 0, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15 };

/* Which argument of clone holds its flags: there the first two are swapped. */
#ifdef __s390x__
#define CLONE_FLAGS SCMP_A1
#else
#define CLONE_FLAGS SCMP_A0
#endif

static int add_list(scmp_filter_ctx ctx, const char *const *names, uint32_t action)
{
	for (; *names; names++) {
		int nr = seccomp_syscall_resolve_name(*names);
		/* Negative: known to libseccomp but not a call of this architecture. */
		if (nr < 0)
			continue;
		int r = seccomp_rule_add(ctx, action, nr, 0);
		if (r < 0 && r != -EACCES)
			return r;
	}
	return 0;
}

static int add_calls(scmp_filter_ctx ctx, bool is_root)
{
	int r = add_list(ctx, filter_allowed, SCMP_ACT_ALLOW);
	if (r >= 0 && is_root)
		r = add_list(ctx, filter_allowed_root, SCMP_ACT_ALLOW);
	for (size_t i = 0; i < ARRAY_LEN(personalities) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1,
				     SCMP_A0(SCMP_CMP_MASKED_EQ, LOW, personalities[i]));
	/* What is allowed by name is not refused after it. */
	return r < 0 ? r : add_list(ctx, filter_refused, SCMP_ACT_ERRNO(EPERM));
}

static int refuse_clones(scmp_filter_ctx ctx)
{
	static const unsigned long spaces[] = { CLONE_NEWUSER, CLONE_NEWNS,  CLONE_NEWPID,   CLONE_NEWNET,
						CLONE_NEWIPC,  CLONE_NEWUTS, CLONE_NEWCGROUP };
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(spaces) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
				     CLONE_FLAGS(SCMP_CMP_MASKED_EQ, spaces[i], spaces[i]));
	return r;
}

/* With the answer of a kernel that has no such sockets: programs (the audit library, for one) go on without them. */
static int refuse_sockets(scmp_filter_ctx ctx)
{
	int r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				 SCMP_A0(SCMP_CMP_GT, AF_NETLINK, 0));
	for (size_t i = 0; i < ARRAY_LEN(families_denied) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				     SCMP_A0(SCMP_CMP_EQ, families_denied[i], 0));
	/* Of netlink the table of interfaces and routes alone; of the internet nothing above ICMPv6: SCTP, MPTCP. */
	if (r >= 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
				     SCMP_A0(SCMP_CMP_EQ, AF_NETLINK, 0),
				     SCMP_A2(SCMP_CMP_NE, NETLINK_ROUTE, 0));
	static const scmp_datum_t internet[] = { AF_INET, AF_INET6 };
	for (size_t i = 0; i < ARRAY_LEN(internet) && r >= 0; i++) {
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
				     SCMP_A0(SCMP_CMP_EQ, internet[i], 0),
				     SCMP_A2(SCMP_CMP_GT, IPPROTO_ICMPV6, 0));
		if (r >= 0)
			r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
					     SCMP_A0(SCMP_CMP_EQ, internet[i], 0),
					     SCMP_A2(SCMP_CMP_MASKED_EQ, LOW, IPPROTO_DCCP));
	}
	return r;
}

/* Typing into somebody's terminal. */
static int refuse_typing(scmp_filter_ctx ctx)
{
	static const scmp_datum_t typing[] = { TIOCSTI, TIOCLINUX };
	int r = 0;
	for (size_t i = 0; i < ARRAY_LEN(typing) && r >= 0; i++)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				     SCMP_A1(SCMP_CMP_MASKED_EQ, LOW, typing[i]));
	return r;
}

static int add_arguments(scmp_filter_ctx ctx)
{
	int r = refuse_clones(ctx);
	if (r >= 0)
		r = refuse_sockets(ctx);
	return r < 0 ? r : refuse_typing(ctx);
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

static scmp_filter_ctx open_program(uint32_t otherwise, struct err *e)
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	if (!ctx) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	/* A tree instead of a list: calls that the kernel does not know to be allowed go through it. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	return ctx;
}

static int close_program(scmp_filter_ctx ctx, int r, struct sock_fprog *out, struct err *e)
{
	int failed = r < 0 ? err_set(e, ERR_UNSUPPORTED, "make the system call filter: libseccomp says %d", r)
			   : export_program(ctx, out, e);
	seccomp_release(ctx);
	return failed;
}

int filter_build(bool is_root, struct filter *out, struct err *e)
{
	scmp_filter_ctx ctx = open_program(SCMP_ACT_ERRNO(ENOSYS), e);
	if (!ctx || close_program(ctx, add_calls(ctx, is_root), &out->calls, e) < 0)
		return -1;
	ctx = open_program(SCMP_ACT_ALLOW, e);
	if (ctx && close_program(ctx, add_arguments(ctx), &out->arguments, e) == 0)
		return 0;
	filter_release(out);
	return -1;
}

void filter_release(struct filter *f)
{
	free(f->calls.filter);
	free(f->arguments.filter);
	memset(f, 0, sizeof *f);
}

void filter_bound_caps(uint64_t kept)
{
	for (int cap = 0; cap < 64; cap++)
		if (!(kept & FILTER_CAP(cap)) && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) > 0)
			prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

/* What processes in a sandbox may not ask of the kernel: capabilities and system calls. */
#ifndef SLIPWAY_SANDBOX_FILTER_PRIV_H
#define SLIPWAY_SANDBOX_FILTER_PRIV_H

#include <linux/capability.h>
#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

#define FILTER_CAP(n) ((uint64_t)1 << (n))
/* What dpkg, apt and maintainer scripts need as root of a sandbox; all others go from the bounding set at the start
 * of the held spawner. */
#define FILTER_ROOT_CAPS                                                                                   \
	(FILTER_CAP(CAP_CHOWN) | FILTER_CAP(CAP_DAC_OVERRIDE) | FILTER_CAP(CAP_DAC_READ_SEARCH) |          \
	 FILTER_CAP(CAP_FOWNER) | FILTER_CAP(CAP_FSETID) | FILTER_CAP(CAP_KILL) | FILTER_CAP(CAP_SETGID) | \
	 FILTER_CAP(CAP_SETUID) | FILTER_CAP(CAP_SETPCAP) | FILTER_CAP(CAP_SETFCAP) |                      \
	 FILTER_CAP(CAP_NET_BIND_SERVICE) | FILTER_CAP(CAP_SYS_CHROOT) | FILTER_CAP(CAP_MKNOD) |           \
	 FILTER_CAP(CAP_AUDIT_WRITE))

/* Two programs, since libseccomp cannot say "this call, but not with that argument" in a list of what is allowed. The
 * kernel takes the stricter of their answers, and passes both by for calls that neither ever refuses (Linux 5.11). */
struct filter {
	struct sock_fprog calls;     /* which exist (sandbox/filter_calls.h) */
	struct sock_fprog arguments; /* with which arguments they do not */
};

/* Lower this process's bounding set to `kept`. */
void filter_bound_caps(uint64_t kept);
/* Compile the filter of build steps, or of root steps, for this architecture; others are killed at their first call. */
int filter_build(bool is_root, struct filter *out, struct err *e);
void filter_release(struct filter *f);

#endif

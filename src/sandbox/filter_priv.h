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

/* Lower this process's bounding set to `kept`. */
void filter_bound_caps(uint64_t kept);
/* Compile the filter of build steps, or of root steps. The program is the caller's (free filter). */
int filter_build(bool is_root, struct sock_fprog *out, struct err *e);

#endif

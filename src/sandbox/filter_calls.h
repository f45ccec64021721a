/* Which system calls there are for a process in a sandbox. What is in neither list does not exist there: ENOSYS, which the
 * C library and programs take for an older kernel and do without. Names that an architecture, or the libseccomp at hand, does not know
 * are passed over, so the lists are those of all architectures. */
#ifndef SLIPWAY_SANDBOX_FILTER_CALLS_H
#define SLIPWAY_SANDBOX_FILTER_CALLS_H

/* NULL-terminated names. */
extern const char *const filter_allowed[];
/* For root steps besides. */
extern const char *const filter_allowed_root[];
/* Exist, but one may not: EPERM, as for anybody without the right; programs say so instead of "not implemented". */
extern const char *const filter_refused[];

#endif

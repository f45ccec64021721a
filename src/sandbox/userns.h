/* One user namespace, made once and held: ids 0…65535 in it are a range of subordinate ids outside.
 *
 * The process forked by userns_fork() is root in it and has no right outside; no host id, not even the worker's own, is
 * mapped. Files that belong to it must lie in the folder that userns_give() made over to it.
 *
 * The range is that of the user in /etc/subuid and /etc/subgid. Root without an entry there takes USERNS_ROOT_BASE,
 * above what login.defs hands out. Others without an entry, or without newuidmap, cannot have chroots. */
#ifndef SLIPWAY_SANDBOX_USERNS_H
#define SLIPWAY_SANDBOX_USERNS_H

#include <stdint.h>
#include <sys/types.h>

struct err;

enum { USERNS_IDS = 65536, USERNS_ROOT_BASE = 0x40000000 };

struct userns_range {
	uint32_t uid, gid;
};

int userns_find_range(struct userns_range *r, struct err *e);
/* Make `name` beneath dirfd a folder that belongs to the namespace's root; what lies in it already stays. */
int userns_give(int dirfd, const char *name, const struct userns_range *r, struct err *e);
/* As fork(), with new user, mount, pid, ipc and uts namespaces and the ids mapped when the child returns. */
pid_t userns_fork(const struct userns_range *r, struct err *e);

#endif

/* The messages between owner and spawner: a head, a body by kind, descriptors beside it. Both sides are of one
 * program, so structs go as they are; lengths are checked all the same. */
#ifndef SLIPWAY_SANDBOX_WIRE_PRIV_H
#define SLIPWAY_SANDBOX_WIRE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sandbox/spawner.h"

struct err;

enum wire_kind {
	WIRE_SLOT = 1, /* fds: cwd, group (flags) */
	WIRE_START,    /* wire_start, strings; fds by flags */
	WIRE_KILL,     /* int32 signal */
	WIRE_KEEP,     /* int64 boot ms */
	WIRE_TASK,     /* int32 task, argument; fds: socket, others */
	WIRE_ROOT,     /* wire_root, strings */
	WIRE_UNROOT,
	WIRE_DROP, /* name */
	WIRE_SWEEP,
	WIRE_EVENT, /* wire_event, text */
};

enum { WIRE_BYTES_MAX = 64 * 1024 };

enum {
	WIRE_HAS_CWD = 1,
	WIRE_HAS_CGROUP = 2,
	WIRE_HAS_PROCS0 = 4,
	WIRE_HAS_PROCS1 = 8,
	WIRE_STRINGS_IN_FD = 16, /* the strings are the last descriptor's content */
	WIRE_ROOT_USER = 32,
	WIRE_NET_NONE = 64,
	WIRE_HAS_PROCS2 = 128,
	WIRE_HAS_PROCS3 = 512,
	WIRE_UPPER = 256, /* of a task: over what the slot's root has written, not the root */
};

struct wire_head {
	uint32_t kind, id;
	int32_t slot;
	uint32_t flags;
};

struct wire_start {
	int64_t files, cpu_s, file_bytes;
	uint32_t argc, envc, strings_len; /* argv, environment, hostname: each with its NUL */
};

struct wire_root {
	int64_t memory_bytes, inodes;
	int32_t scratch;
	uint32_t has_hosts, has_resolv, unused; /* no padding: two requests are compared byte by byte */
						/* then: image, hosts, resolv.conf, each with its NUL */
};

struct wire_event {
	int32_t kind, status, sys;
	uint32_t is_started, is_by_watchdog, has_result, is_disk_full, is_disk_only;
	int64_t cpu_user_us, cpu_sys_us, memory_peak_bytes;
};

struct wire_message {
	struct wire_head head;
	const char *body;
	size_t len;
	int fds[SPAWNER_FDS_MAX];
	int fds_len;
};

struct wire_part {
	const void *bytes;
	size_t len;
};

/* One message of a head and up to three parts. flags: MSG_DONTWAIT. 0, or -1 with errno. */
int wire_send(int sock, const struct wire_head *head, const struct wire_part *parts, int parts_len,
	      const int *fds, int fds_len, int flags);
/* Into `room` (WIRE_BYTES_MAX bytes). 1 got one, 0 end of the socket, -1 errno. The descriptors are the caller's. */
int wire_receive(int sock, char *room, struct wire_message *m, int flags);
void wire_close_fds(struct wire_message *m);

#endif

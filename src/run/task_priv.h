/* What tasks and their owners say to each other: packets that begin with one letter, over SOCK_SEQPACKET.
 *
 *   inputs    →  'I' struct task_input, name, a descriptor     ←  'n' next please   'x' code, text
 *   collect   ←  'F' struct task_file, name, a descriptor   'R' result.json   'G' glob without match
 *                'N' line for the log   'x' code, text   'd' done
 *   unpack    ←  'x' code, text   'd' done
 *   measure   ←  'U' struct task_usage */
#ifndef SLIPWAY_RUN_TASK_PRIV_H
#define SLIPWAY_RUN_TASK_PRIV_H

#include <stddef.h>
#include <stdint.h>

enum { TASK_PACKET_MAX = 80 * 1024 };

struct task_input {
	int32_t mode;
};

struct task_file {
	char sha256[65];
	int64_t size_bytes;
};

struct task_usage {
	int64_t bytes, inodes;
	int32_t is_too_deep;
};

/* 'x' and a reason (enum job_reason) before its text. */
void task_fail(int sock, int reason, const char *text);
int task_send(int sock, char kind, const void *head, size_t head_len, const void *rest, size_t rest_len,
	      int fd);
/* A packet into `room` (TASK_PACKET_MAX + 1 bytes), ended by a NUL. Its length, 0 at the end, -1 with errno.
 * *fd = -1 or the descriptor that came along. */
long task_receive(int sock, char *room, int *fd, int flags);

#endif

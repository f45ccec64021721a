#include "sandbox/wire_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PARTS_MAX = 3 };

int wire_send(int sock, const struct wire_head *head, const struct wire_part *parts, int parts_len,
	      const int *fds, int fds_len, int flags)
{
	struct iovec iov[PARTS_MAX + 1];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * SPAWNER_FDS_MAX)];
	} control;
	if (parts_len > PARTS_MAX || fds_len > SPAWNER_FDS_MAX) {
		errno = EINVAL;
		return -1;
	}
	struct wire_head copy = *head;
	iov[0].iov_base = &copy;
	iov[0].iov_len = sizeof copy;
	for (int i = 0; i < parts_len; i++) {
		/* sendmsg() reads only; its struct has no const. */
		memcpy(&iov[i + 1].iov_base, &parts[i].bytes, sizeof(void *));
		iov[i + 1].iov_len = parts[i].len;
	}
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = (size_t)parts_len + 1 };
	if (fds_len) {
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fds_len);
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fds_len);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)fds_len);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &m, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

int wire_receive(int sock, char *room, struct wire_message *msg, int flags)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int) * SPAWNER_FDS_MAX)];
	} control;
	struct iovec iov[2] = { { .iov_base = &msg->head, .iov_len = sizeof msg->head },
				{ .iov_base = room, .iov_len = WIRE_BYTES_MAX } };
	struct msghdr m = { .msg_iov = iov,
			    .msg_iovlen = 2,
			    .msg_control = control.room,
			    .msg_controllen = sizeof control.room };
	ssize_t n;
	do
		n = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	msg->fds_len = 0;
	if (n <= 0)
		return (int)n;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		msg->fds_len = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(msg->fds, CMSG_DATA(c), sizeof(int) * (size_t)msg->fds_len);
	}
	if ((size_t)n < sizeof msg->head || (m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		wire_close_fds(msg);
		errno = EBADMSG;
		return -1;
	}
	msg->body = room;
	msg->len = (size_t)n - sizeof msg->head;
	return 1;
}

void wire_close_fds(struct wire_message *m)
{
	for (int i = 0; i < m->fds_len; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	m->fds_len = 0;
}

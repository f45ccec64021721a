#include "run/task_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int))];
};

int task_send(int sock, char kind, const void *head, size_t head_len, const void *rest, size_t rest_len,
	      int fd)
{
	union control control;
	struct iovec iov[3] = { { .iov_base = &kind, .iov_len = 1 },
				{ .iov_len = head_len },
				{ .iov_len = rest_len } };
	/* sendmsg() reads only; its struct has no const. */
	memcpy(&iov[1].iov_base, &head, sizeof head);
	memcpy(&iov[2].iov_base, &rest, sizeof rest);
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	if (fd >= 0) {
		m.msg_control = control.room;
		m.msg_controllen = sizeof control.room;
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof fd);
		memcpy(CMSG_DATA(c), &fd, sizeof fd);
	}
	ssize_t n;
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

void task_fail(int sock, int reason, const char *text)
{
	task_send(sock, 'x', &reason, sizeof reason, text, strlen(text), -1);
}

long task_receive(int sock, char *room, int *fd, int flags)
{
	union control control;
	struct iovec iov = { .iov_base = room, .iov_len = TASK_PACKET_MAX };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = control.room,
			    .msg_controllen = sizeof control.room };
	*fd = -1;
	ssize_t n;
	do
		n = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n;
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(c), sizeof *fd);
	room[n] = '\0';
	return n;
}

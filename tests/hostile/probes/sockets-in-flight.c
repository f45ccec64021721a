#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "sends descriptors to itself in a circle and closes them, for the kernel to keep",
	.must = "all are gone with the job",
};

void probe_run(void)
{
	for (int i = 0; i < 200; i++) {
		int ends[2];
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
			break;
		char room[CMSG_SPACE(sizeof ends)] = { 0 }, byte = 0;
		struct iovec iov = { &byte, 1 };
		struct msghdr m = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room
		};
		struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof ends);
		memcpy(CMSG_DATA(c), ends, sizeof ends);
		sendmsg(ends[0], &m, MSG_DONTWAIT);
		close(ends[0]);
		close(ends[1]);
	}
}

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "sends to all machines on the link",
	.must = "no network leads there",
};

void probe_run(void)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9), .sin6_scope_id = 2 };
	inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
	int fd = socket(AF_INET6, SOCK_DGRAM, 0);
	absent("sendto", sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
}

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "connects to a service on the host's loopback",
	.must = "refused: the loopback is the sandbox's own",
	.is_controlled = true,
};

void probe_run(void)
{
	const char *port = getenv("HOSTILE_PORT");
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	to.sin_port = htons((unsigned short)strtol(port ? port : "0", NULL, 10));
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	absent("connect", connect(fd, (struct sockaddr *)&to, sizeof to));
}

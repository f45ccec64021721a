#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "asks the cloud's metadata service for credentials",
	.must = "no network leads there",
};

void probe_run(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(80) };
	inet_pton(AF_INET, "169.254.169.254", &to.sin_addr);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	absent("connect", connect(fd, (struct sockaddr *)&to, sizeof to));
}

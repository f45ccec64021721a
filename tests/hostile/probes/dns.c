#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "sends what it knows in the names it asks a name server for",
	.must = "no network leads there",
};

void probe_run(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(53) };
	inet_pton(AF_INET, "192.0.2.53", &to.sin_addr);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	absent("connect", connect(fd, (struct sockaddr *)&to, sizeof to));
}

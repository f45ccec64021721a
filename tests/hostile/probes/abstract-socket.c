#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "connects to a socket of the host that has no file",
	.must = "refused: it is in another network",
	.is_controlled = true,
};

void probe_run(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *name = bait("");
	memcpy(to.sun_path + 1, name, strlen(name));
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	absent("connect", connect(fd, (struct sockaddr *)&to, 3 + strlen(name)));
}

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "connects to the server's own socket",
	.must = "not there",
	.is_controlled = true,
};

void probe_run(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	snprintf(to.sun_path, sizeof to.sun_path, "/%s/../d/slipway.sock", host_path());
	char *name = strstr(to.sun_path, "secret/../");
	if (name)
		memmove(name, name + strlen("secret/../"), strlen(name + strlen("secret/../")) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	absent(to.sun_path, connect(fd, (struct sockaddr *)&to, sizeof to));
}

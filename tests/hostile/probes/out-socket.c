#include <sys/socket.h>
#include <sys/un.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a socket",
	.must = "left out, and the log says so",
	.log = "out/socket",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "/job/out/socket" };
	if (bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&at, sizeof at) < 0)
		untried("bind");
}

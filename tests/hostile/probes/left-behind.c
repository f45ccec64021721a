#include <fcntl.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "leaves files everywhere for the job that comes next",
	.must = "the next job begins with a clean root",
};

void probe_run(void)
{
	static const char *const places[] = { "/left",	       "/tmp/left", "/probes/left",
					      "/dev/shm/left", "/job/left", "/dev/left" };
	for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
		if (access(places[i], F_OK) == 0)
			broken("%s is from another job", places[i]);
		int fd = open(places[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
		note("%s: %s", places[i], fd < 0 ? "refused" : "left");
	}
}

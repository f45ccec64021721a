#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "runs a set-id program of root, made by itself or not",
	.must = "it runs with the rights one has",
};

void probe_run(void)
{
	struct stat st;
	if (fork() == 0) {
		execl("/probes/own-id", "own-id", (char *)NULL);
		_exit(97);
	}
	int status = 0;
	wait(&status);
	if (stat("/probes/own-id", &st) < 0 || !(st.st_mode & S_ISUID))
		untried("the program is not set-id");
	if (WEXITSTATUS(status) != (getuid() == 0))
		broken("it ran as root, or not at all: %d", WEXITSTATUS(status));
}

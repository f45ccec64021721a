#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes a user namespace with clone",
	.must = "refused before the kernel looks at it",
	.is_controlled = true,
};

void probe_run(void)
{
	long pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0)
		_exit(0);
	refused("clone", pid);
}

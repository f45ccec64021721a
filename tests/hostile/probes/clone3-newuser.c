#include <linux/sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes a user namespace with clone3, whose flags no filter can read",
	.must = "refused as unknown, so that libraries fall back to clone",
	.is_controlled = true,
};

void probe_run(void)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	long pid = syscall(SYS_clone3, &args, sizeof args);
	if (pid == 0)
		_exit(0);
	refused("clone3", pid);
}

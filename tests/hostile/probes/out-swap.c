#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a daemon that swaps a file and a link while results are collected",
	.must = "the daemon is dead by then: the file, or nothing, is kept",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	if (fork() > 0)
		return;
	for (;;) {
		unlink("/job/out/swap");
		if (symlink("/etc/shadow", "/job/out/swap") < 0)
			continue;
		unlink("/job/out/swap");
		write_file("/job/out/swap", "swap", 4);
	}
}

#include <sys/stat.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a pipe, which stops whoever opens it",
	.must = "left out, and the log says so",
	.log = "out/pipe",
	.artifacts = "good",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("good"), "good", 4);
	if (mkfifo(out_path("pipe"), 0644) < 0)
		untried("mkfifo");
}

#include <sys/stat.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "leaves a set-id program of root as a result",
	.must = "its bytes are kept, the bits are not, and the log says so",
	.log = "out/program",
	.artifacts = "program",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	write_file(out_path("program"), "x", 1);
	chmod(out_path("program"), 06755);
}

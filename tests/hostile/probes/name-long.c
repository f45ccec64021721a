#include <string.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "gives a result the longest name there can be",
	.must = "kept under that name",
	.is_collecting = true,
	.as = AS_ROOT,
};

void probe_run(void)
{
	char name[256];
	memset(name, 'n', 255);
	name[255] = 0;
	write_file(out_path(name), "x", 1);
}

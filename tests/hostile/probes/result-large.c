#include <string.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "writes a result.json of a megabyte",
	.must = "ignored",
};

void probe_run(void)
{
	static char text[1 << 20];
	memset(text, ' ', sizeof text);
	text[0] = '{';
	text[sizeof text - 1] = '}';
	write_file("/job/result.json", text, sizeof text);
}

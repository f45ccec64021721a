#include <string.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "writes a result.json that is nested ten thousand deep",
	.must = "ignored, and the log says so",
	.log = "result.json is not a JSON object",
};

void probe_run(void)
{
	static char text[20000];
	memset(text, '[', sizeof text);
	write_file("/job/result.json", text, sizeof text);
}

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "writes a result.json that breaks off",
	.must = "ignored, and the log says so",
	.log = "result.json is not a JSON object",
};

void probe_run(void)
{
	write_file("/job/result.json", "{\"a", 3);
}

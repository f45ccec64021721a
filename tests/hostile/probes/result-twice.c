#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "writes a result.json that says everything twice",
	.must = "ignored, and the log says so",
	.log = "result.json is not a JSON object",
};

void probe_run(void)
{
	static const char text[] = "{\"version\":\"1\",\"version\":\"2\"}";
	write_file("/job/result.json", text, sizeof text - 1);
}

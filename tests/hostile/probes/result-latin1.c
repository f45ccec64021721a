#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "writes a result.json that is no UTF-8",
	.must = "ignored, and the log says so",
	.log = "result.json is not a JSON object",
};

void probe_run(void)
{
	write_file("/job/result.json", "{\"version\":\"\377\"}", 15);
}

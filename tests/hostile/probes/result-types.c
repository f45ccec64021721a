#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "writes a result.json whose fields have wrong types",
	.must = "ignored: no version, no message",
};

void probe_run(void)
{
	static const char text[] = "{\"version\":[1],\"message\":{},\"missing\":\"x\"}";
	write_file("/job/result.json", text, sizeof text - 1);
}

#include <sys/stat.h>

#include "probe.h"

const struct probe probe = {
	.class = LIE,
	.tries = "makes result.json a pipe, which stops whoever opens it",
	.must = "not opened",
};

void probe_run(void)
{
	if (mkfifo("/job/result.json", 0666) < 0)
		untried("mkfifo");
}

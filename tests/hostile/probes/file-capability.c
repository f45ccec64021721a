#include <sys/xattr.h>
#include <unistd.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "gives a program of its own all capabilities, by an attribute of the file",
	.must = "refused, or without effect",
};

void probe_run(void)
{
	static const unsigned char all[20] = {
		1, 0, 0, 2, 255, 255, 255, 255, 0, 0, 0, 0, 255, 255, 255, 255
	};
	write_file("/tmp/able", "x", 1);
	if (setxattr("/tmp/able", "security.capability", all, sizeof all, 0) == 0 && geteuid() != 0)
		broken("a build gave capabilities to a file");
}

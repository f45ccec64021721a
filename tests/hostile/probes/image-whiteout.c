#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes the overlay's own marks by hand: whiteouts and its attributes",
	.must = "refused, or without effect on the image",
};

void probe_run(void)
{
	if (mknod("/tmp/white", S_IFCHR, makedev(0, 0)) < 0)
		note("a whiteout is refused");
	mkdir("/tmp/opaque", 0755);
	if (setxattr("/tmp/opaque", "trusted.overlay.opaque", "y", 1, 0) == 0 ||
	    setxattr("/tmp/opaque", "trusted.overlay.redirect", "/", 1, 0) == 0)
		broken("the overlay's attributes can be set");
}

/* x86 alone has two more entries into its kernel. */
#include "probe.h"

const struct probe probe = {
	.class = ESCAPE,
	.tries = "makes a call by the entry of 32-bit programs, whose numbers the filter does not have",
	.must = "killed",
	.is_controlled = true,
	.end = "signal",
};

void probe_run(void)
{
	long r;
	__asm__ volatile("int $0x80" : "=a"(r) : "a"(20) : "memory");
	broken("getpid gave %ld", r);
}

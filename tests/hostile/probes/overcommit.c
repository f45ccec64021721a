#include <stddef.h>
#include <sys/mman.h>

#include "probe.h"

const struct probe probe = {
	.class = EXHAUSTION,
	.tries = "reserves more address space than any machine has",
	.must = "it gets addresses and no memory",
};

void probe_run(void)
{
	for (int i = 0; i < 1000; i++)
		mmap(NULL, 1UL << 40, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

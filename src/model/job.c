#include "model/job.h"

#include <string.h>

#include "base/clean.h"

static const char *const kinds[KIND_LAST + 1] = {
	[KIND_COMMAND] = "command", [KIND_BUILD] = "build",   [KIND_RECIPE] = "recipe",
	[KIND_IMPORT] = "import",   [KIND_TARGET] = "target",
};

static const char *const isolations[ISOLATION_LAST + 1] = {
	[ISOLATION_NONE] = "none",
	[ISOLATION_CHROOT] = "chroot",
	[ISOLATION_VM] = "vm",
};

static const char *const outcomes[] = {
	[OUTCOME_RUNNING] = "running",	   [OUTCOME_SUCCEEDED] = "succeeded", [OUTCOME_FAILED] = "failed",
	[OUTCOME_CANCELLED] = "cancelled", [OUTCOME_RELEASED] = "released",   [OUTCOME_LOST] = "lost",
	[OUTCOME_DEPWAIT] = "depwait",
};

static int find_name(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] && strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *kind_name(enum job_kind k)
{
	return (unsigned)k < ARRAY_LEN(kinds) ? kinds[k] : NULL;
}

enum job_kind kind_parse(const char *name)
{
	int k = find_name(kinds, ARRAY_LEN(kinds), name);
	return k < 0 ? (enum job_kind)0 : (enum job_kind)k;
}

const char *isolation_name(enum isolation i)
{
	return (unsigned)i < ARRAY_LEN(isolations) ? isolations[i] : NULL;
}

int isolation_parse(const char *name)
{
	return find_name(isolations, ARRAY_LEN(isolations), name);
}

const char *outcome_name(enum attempt_outcome o)
{
	return (unsigned)o < ARRAY_LEN(outcomes) ? outcomes[o] : NULL;
}

int outcome_parse(const char *name)
{
	return find_name(outcomes, ARRAY_LEN(outcomes), name);
}

/* Debian's names. */
const char *arch_native(void)
{
#if defined(__x86_64__) && defined(__ILP32__)
	return "x32";
#elif defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#elif defined(__arm__)
	return "armhf";
#elif defined(__i386__)
	return "i386";
#elif defined(__powerpc64__) && defined(__LITTLE_ENDIAN__)
	return "ppc64el";
#elif defined(__riscv) && __riscv_xlen == 64
	return "riscv64";
#elif defined(__s390x__)
	return "s390x";
#elif defined(__mips__) && defined(__LP64__)
	return "mips64el";
#elif defined(__loongarch64)
	return "loong64";
#else
#error "name this architecture as Debian does"
#endif
}

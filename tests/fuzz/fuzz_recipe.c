/* An accepted recipe has a base, and no word that a program could take for an option. */
#include "fuzz.h"

#include <stdbool.h>

#include "base/arena.h"
#include "text/recipe.h"

static bool goes_up(const char *path)
{
	for (const char *part = path; part; part = strchr(part, '/')) {
		part += *part == '/';
		if (strncmp(part, "..", 2) == 0 && (!part[2] || part[2] == '/'))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct recipe r;
	if (recipe_parse((const char *)data, size, &a, &r, NULL) < 0)
		return 0;
	MUST(r.branches_len > 0 && r.branches[0].verb == RECIPE_BASE);
	for (size_t i = 0; i < r.branches_len; i++) {
		const struct recipe_branch *b = &r.branches[i];
		MUST(b->url[0] != '-' && (!b->revision || b->revision[0] != '-'));
		MUST(!b->folder || (b->folder[0] != '/' && b->folder[0] != '-' && !goes_up(b->folder)));
		MUST(i == 0 || b->name);
	}
	return 0;
}

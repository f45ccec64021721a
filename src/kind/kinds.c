#include "kind/kind.h"

#include "base/clean.h"
#include "kind/kind_priv.h"

/* To add a kind: its number and name (model/job.h, job.c), its own field of a body (model/submit.c), a file here. */
static const struct kind *const kinds[] = { &kind_command, &kind_build, &kind_recipe, &kind_target };

const struct kind *kind_find(enum job_kind id)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (kinds[i]->id == id)
			return kinds[i];
	return NULL;
}

const struct kind *kind_at(size_t i)
{
	return i < ARRAY_LEN(kinds) ? kinds[i] : NULL;
}

/* result.json: whatever a step writes, the effects are clean lines of bounded length and a legal outcome. */
#include "fuzz.h"

#include "base/arena.h"
#include "kind/build_type.h"
#include "kind/kind.h"

static void check_line(const char *text)
{
	for (const char *c = text ? text : ""; *c; c++)
		MUST((unsigned char)*c >= ' ' && *c != 127);
	MUST(!text || strlen(text) <= OUTCOME_DETAIL_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct build_types *types;
	CLEAN_ARENA struct arena a = ARENA_INIT;
	if (!types)
		MUST(build_types_load(NULL, &types, NULL) == 0);
	const struct job j = { .id = 1, .attempt = 1, .kind = KIND_BUILD };
	const struct payload p = { 0 };
	const struct kind_context c = { .job = &j, .payload = &p, .types = types, .build_type = "deb" };
	struct outcome o = { .outcome = OUTCOME_FAILED,
			     .reason = REASON_EXIT,
			     .step = size % 2 ? "build" : "dependencies",
			     .result = arena_strndup(&a, (const char *)data, size) };
	struct kind_effects fx;
	MUST(kind_find(KIND_BUILD)->settle(&c, &o, &a, &fx, NULL) == 0);
	MUST(fx.outcome == OUTCOME_FAILED || fx.outcome == OUTCOME_DEPWAIT);
	MUST(fx.births_len == 0 && !fx.image);
	check_line(fx.detail);
	check_line(fx.step);
	check_line(fx.version);
	return 0;
}

/* An accepted type.ini has steps, and each runs a file of the type's folder. */
#include "fuzz.h"

#include "base/arena.h"
#include "kind/build_type_priv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct build_type_file files[] = { { .name = "run", .mode = 0755 },
							{ .name = "data", .mode = 0644 } };
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct build_type t = { .name = "x", .files = files, .files_len = 2 };
	const char *text = arena_strndup(&a, (const char *)data, size);
	if (type_ini_parse(text, strlen(text), &t, &a, NULL) < 0)
		return 0;
	MUST(t.steps_len > 0 && t.summary);
	for (size_t i = 0; i < t.steps_len; i++)
		MUST(strcmp(t.steps[i].argv[0], ".type/run") == 0 && build_type_is_name(t.steps[i].name));
	return 0;
}

/* A job's body: what is accepted is stored as text that says the same again, and its kind can look at it. */
#include "fuzz.h"

#include "base/arena.h"
#include "kind/build_type.h"
#include "kind/kind.h"
#include "model/submit.h"
#include "text/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct build_types *types;
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct job_new n;
	struct payload p;
	if (!types)
		MUST(build_types_load(NULL, &types, NULL) == 0);
	CLEAN_JSON json_t *body = json_parse("body", (const char *)data, size, NULL);
	if (!body || submit_decode(body, (int)(size % 3), &a, &n, NULL) < 0)
		return 0;
	MUST(payload_decode(n.payload, &a, &p, NULL) == 0);
	MUST(strcmp(payload_encode(&p, &a), n.payload) == 0);
	const struct kind *k = kind_find(n.kind);
	struct kind_context c = {
		.payload = &p, .types = types, .target_suite = "s", .target_arch = "amd64"
	};
	if (!k || k->check(&n, &c, &a, NULL) < 0)
		return 0;
	struct job j = {
		.id = 1, .attempt = 1, .name = n.name, .isolation = n.isolation, .target = n.target
	};
	struct spec s;
	c.job = &j;
	c.target_image = "";
	c.build_type = n.build.type ? n.build.type : "";
	c.build_source = n.build.source ? n.build.source : "";
	c.recipe_text = n.recipe_text ? n.recipe_text : "";
	(void)k->plan(&c, &a, &s, NULL);
	return 0;
}

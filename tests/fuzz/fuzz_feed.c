/* Specs and outcomes: what is read is written, and read, as the same. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/buf.h"
#include "model/spec.h"
#include "text/json.h"

static void check_spec(const json_t *json)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf first = BUF_INIT, second = BUF_INIT;
	struct spec s;
	if (spec_decode(json, &a, &s, NULL) < 0)
		return;
	spec_encode(&s, &first);
	CLEAN_JSON json_t *again = json_parse("spec", first.data, first.len, NULL);
	MUST(again && spec_decode(again, &a, &s, NULL) == 0);
	spec_encode(&s, &second);
	MUST(strcmp(first.data, second.data) == 0);
}

static void check_outcome(const json_t *json)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf first = BUF_INIT, second = BUF_INIT;
	struct outcome o;
	if (outcome_decode(json, &a, &o, NULL) < 0)
		return;
	outcome_encode(&o, &first);
	CLEAN_JSON json_t *again = json_parse("outcome", first.data, first.len, NULL);
	MUST(again && outcome_decode(again, &a, &o, NULL) == 0);
	outcome_encode(&o, &second);
	MUST(strcmp(first.data, second.data) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEAN_JSON json_t *json = json_parse("feed", (const char *)data, size, NULL);
	if (!json)
		return 0;
	check_spec(json);
	check_outcome(json);
	return 0;
}

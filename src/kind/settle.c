#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "kind/build_type_priv.h"
#include "kind/kind_priv.h"
#include "text/json.h"
#include "text/utf8.h"

enum { MISSING_MAX = 100, VERSION_MAX = 200 };

void settle_begin(const struct outcome *o, struct kind_effects *out)
{
	*out = (struct kind_effects){
		.outcome = o->outcome,
		.reason = o->reason,
		.step = o->step ? o->step : "",
		.detail = o->detail ? o->detail : "",
	};
}

void settle_fail(struct kind_effects *out, enum job_reason r, const char *detail)
{
	out->outcome = OUTCOME_FAILED;
	out->reason = r;
	out->detail = detail;
}

/* One line for a person from what somebody else wrote: no control characters, bounded. */
static const char *clean_line(const char *text, size_t limit, struct arena *a)
{
	char *line = text ? arena_strndup(a, text, utf8_cut(text, strlen(text), limit)) : NULL;
	for (char *c = line; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = ' ';
	return line && line[0] ? line : NULL;
}

static const char *read_version(const json_t *in, struct arena *a)
{
	static const char chars[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+:~-";
	const char *text = json_string_value(json_object_get(in, "version"));
	size_t n = text ? strspn(text, chars) : 0;
	return n && !text[n] && n <= VERSION_MAX ? arena_strdup(a, text) : NULL;
}

static const char *read_missing(const json_t *in, struct arena *a)
{
	CLEAN_BUF struct buf joined = BUF_INIT;
	const json_t *list = json_object_get(in, "missing");
	for (size_t i = 0; i < json_array_size(list) && i < MISSING_MAX; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (!text || !text[0])
			continue;
		if (joined.len)
			buf_adds(&joined, ", ");
		buf_adds(&joined, text);
	}
	return joined.is_failed ? NULL : clean_line(joined.data, OUTCOME_DETAIL_MAX, a);
}

void step_result_read(const char *json, struct arena *a, struct step_result *out)
{
	*out = (struct step_result){ .reason = REASON_NONE };
	if (!json || strlen(json) > OUTCOME_RESULT_MAX)
		return;
	CLEAN_JSON json_t *in = json_parse("result.json", json, strlen(json), NULL);
	if (!json_is_object(in))
		return;
	out->version = read_version(in, a);
	out->missing = read_missing(in, a);
	out->message = clean_line(json_string_value(json_object_get(in, "message")), OUTCOME_DETAIL_MAX, a);
	const char *step = json_string_value(json_object_get(in, "step"));
	out->step = step && build_type_is_name(step) ? arena_strdup(a, step) : NULL;
	const char *reason = json_string_value(json_object_get(in, "reason"));
	out->reason = reason ? reason_parse(reason) : REASON_NONE;
}

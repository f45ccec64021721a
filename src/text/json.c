#include "text/json.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/err.h"

json_t *json_parse(const char *what, const char *text, size_t len, struct err *e)
{
	json_error_t why;
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (j)
		return j;
	/* The text of jansson may quote what it read, which is not ours to pass on unseen. */
	for (char *c = why.text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	err_set(e, ERR_INVALID, "%s: not valid JSON: line %d, column %d: %.150s", what, why.line, why.column,
		why.text);
	return NULL;
}

/* NULL if it is absent or null. */
static const json_t *field(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return json_is_null(v) ? NULL : v;
}

int json_get_str(const json_t *o, const char *key, const char *dflt, const char **out, struct err *e)
{
	const json_t *v = field(o, key);
	if (v && !json_is_string(v))
		return err_set(e, ERR_INVALID, "%s: must be a string", key);
	*out = v ? json_string_value(v) : dflt;
	return 0;
}

int json_get_int(const json_t *o, const char *key, int64_t min, int64_t max, int64_t dflt, int64_t *out,
		 struct err *e)
{
	const json_t *v = field(o, key);
	if (!v) {
		*out = dflt;
		return 0;
	}
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return err_set(e, ERR_INVALID, "%s: must be a whole number between %" PRId64 " and %" PRId64,
			       key, min, max);
	*out = json_integer_value(v);
	return 0;
}

int json_get_bool(const json_t *o, const char *key, bool dflt, bool *out, struct err *e)
{
	const json_t *v = field(o, key);
	if (v && !json_is_boolean(v))
		return err_set(e, ERR_INVALID, "%s: must be true or false", key);
	*out = v ? json_is_true(v) : dflt;
	return 0;
}

int json_get_seconds(const json_t *o, const char *key, int64_t dflt_ms, int64_t *out_ms, struct err *e)
{
	/* A thousand years: far from where a sum of times would overflow. */
	const double limit = 3.2e10;
	const json_t *v = field(o, key);
	if (!v) {
		*out_ms = dflt_ms;
		return 0;
	}
	double s = json_is_number(v) ? json_number_value(v) : -1;
	if (!(s >= 0 && s <= limit))
		return err_set(e, ERR_INVALID, "%s: must be a number of seconds, not negative", key);
	*out_ms = json_is_integer(v) ? json_integer_value(v) * 1000 : llround(s * 1000);
	return 0;
}

int json_get_array(const json_t *o, const char *key, const json_t **out, struct err *e)
{
	*out = field(o, key);
	if (*out && !json_is_array(*out))
		return err_set(e, ERR_INVALID, "%s: must be an array", key);
	return 0;
}

int json_get_object(const json_t *o, const char *key, const json_t **out, struct err *e)
{
	*out = field(o, key);
	if (*out && !json_is_object(*out))
		return err_set(e, ERR_INVALID, "%s: must be an object", key);
	return 0;
}

static bool is_listed(const char *const *list, const char *key)
{
	for (; *list; list++)
		if (strcmp(*list, key) == 0)
			return true;
	return false;
}

int json_check_fields(const json_t *o, const char *const *allowed, struct err *e)
{
	if (!json_is_object(o))
		return err_set(e, ERR_INVALID, "must be an object");
	const char *key;
	const json_t *value;
	/* jansson walks by a pointer that is not const, but changes nothing. */
	json_object_foreach ((json_t *)(uintptr_t)o, key, value)
		if (!is_listed(allowed, key))
			return err_set(e, ERR_INVALID, "unknown field \"%.60s\"", key);
	return 0;
}

#include "base/parse.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/err.h"

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit duration_units[] = {
	{ "", 1000 },	  { "ms", 1 },	     { "s", 1000 }, { "m", 60000 },
	{ "h", 3600000 }, { "d", 86400000 }, { NULL, 0 },
};

static const struct unit size_units[] = {
	{ "", 1 },
	{ "k", INT64_C(1) << 10 },
	{ "K", INT64_C(1) << 10 },
	{ "M", INT64_C(1) << 20 },
	{ "G", INT64_C(1) << 30 },
	{ "T", INT64_C(1) << 40 },
	{ NULL, 0 },
};

/* The digits at the front; *rest is what follows them. -1: no digit, or too large. */
static int take_number(const char *text, int64_t *out, const char **rest)
{
	int64_t value = 0;
	const char *at = text;
	for (; *at >= '0' && *at <= '9'; at++)
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *at - '0', &value))
			return -1;
	if (at == text)
		return -1;
	*out = value;
	*rest = at;
	return 0;
}

int parse_int(const char *what, const char *text, int64_t min, int64_t max, int64_t *out, struct err *e)
{
	/* A minus is taken only where negative numbers are allowed. */
	bool is_negative = text[0] == '-' && min < 0;
	int64_t value;
	const char *rest;
	if (take_number(text + is_negative, &value, &rest) < 0 || *rest)
		return err_set(e, ERR_INVALID, "%s: \"%.40s\" is not a number", what, text);
	if (is_negative)
		value = -value;
	if (value < min || value > max)
		return err_set(e, ERR_INVALID, "%s: %" PRId64 " is not between %" PRId64 " and %" PRId64,
			       what, value, min, max);
	*out = value;
	return 0;
}

static int parse_with_unit(const struct unit *units, const char *text, int64_t *out)
{
	int64_t value;
	const char *rest;
	if (take_number(text, &value, &rest) < 0)
		return -1;
	for (const struct unit *u = units; u->name; u++)
		if (strcmp(u->name, rest) == 0)
			return __builtin_mul_overflow(value, u->factor, out) ? -1 : 0;
	return -1;
}

int parse_duration(const char *what, const char *text, int64_t *ms, struct err *e)
{
	int64_t value;
	if (parse_with_unit(duration_units, text, &value) < 0)
		return err_set(e, ERR_INVALID,
			       "%s: \"%.40s\" is not a duration like 90, 500ms, 90s, 15m, 2h or 1d", what,
			       text);
	*ms = value;
	return 0;
}

int parse_size(const char *what, const char *text, int64_t *bytes, struct err *e)
{
	int64_t value;
	if (parse_with_unit(size_units, text, &value) < 0)
		return err_set(e, ERR_INVALID, "%s: \"%.40s\" is not a size like 4096, 64k, 512M or 2G", what,
			       text);
	*bytes = value;
	return 0;
}

#include "cli/fields.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clean.h"
#include "base/clock.h"
#include "cli/term.h"
#include "text/size.h"

enum { MS = 1000, MINUTE = 60, HOUR = 3600, DAY = 86400 };

const char *field_text(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

int64_t field_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

bool field_has(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);
	return v && !json_is_null(v);
}

bool field_bool(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

int64_t field_ms(const json_t *o, const char *key)
{
	return (int64_t)(json_number_value(json_object_get(o, key)) * MS + 0.5);
}

int64_t field_time(const json_t *o, const char *key)
{
	int64_t ms;
	return clock_parse(field_text(o, key), &ms) == 0 ? ms : 0;
}

size_t field_count(const json_t *o, const char *key)
{
	return json_array_size(json_object_get(o, key));
}

const json_t *field_at(const json_t *o, const char *key, size_t i)
{
	return json_array_get(json_object_get(o, key), i);
}

static bool to_local(int64_t wall_ms, struct tm *tm)
{
	time_t when = (time_t)(wall_ms / MS);
	return wall_ms != 0 && localtime_r(&when, tm);
}

const char *show_time(int64_t wall_ms, char out[SHOW_BYTES])
{
	struct tm tm, now;
	out[0] = '\0';
	if (!to_local(wall_ms, &tm) || !to_local(clock_wall_ms(), &now))
		return out;
	bool is_this_year = tm.tm_year == now.tm_year;
	if (is_this_year && tm.tm_yday == now.tm_yday)
		strftime(out, SHOW_BYTES, "%H:%M:%S", &tm);
	else if (is_this_year)
		strftime(out, SHOW_BYTES, "%b %d %H:%M", &tm);
	else
		strftime(out, SHOW_BYTES, "%Y-%m-%d", &tm);
	return out;
}

const char *show_date(int64_t wall_ms, char out[SHOW_BYTES])
{
	struct tm tm;
	out[0] = '\0';
	if (to_local(wall_ms, &tm))
		strftime(out, SHOW_BYTES, "%Y-%m-%d %H:%M:%S", &tm);
	return out;
}

const char *show_duration(int64_t ms, char out[SHOW_BYTES])
{
	long long s = ms / MS;
	if (ms < 10 * MS)
		snprintf(out, SHOW_BYTES, "%.2fs", (double)ms / MS);
	else if (s < MINUTE)
		snprintf(out, SHOW_BYTES, "%.1fs", (double)ms / MS);
	else if (s < HOUR)
		snprintf(out, SHOW_BYTES, "%lldm%02llds", s / MINUTE, s % MINUTE);
	else if (s < DAY)
		snprintf(out, SHOW_BYTES, "%lldh%02lldm", s / HOUR, s % HOUR / MINUTE);
	else
		snprintf(out, SHOW_BYTES, "%lldd%02lldh", s / DAY, s % DAY / HOUR);
	return out;
}

const char *show_size(int64_t bytes, char out[SHOW_BYTES])
{
	return size_format(bytes, out);
}

void show_json(const json_t *json)
{
	/* jansson leaves the controls of U+0080 to U+009F as they are. */
	json_dumpf(json, stdout, JSON_INDENT(2) | (term_is_terminal() ? JSON_ENSURE_ASCII : 0));
	putchar('\n');
}

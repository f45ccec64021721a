/* The writing half of text/json.h. */
#include "text/json.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "text/utf8.h"

void jw_init(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){ .out = out };
}

static void before_value(struct json_writer *w)
{
	if (w->needs_comma)
		buf_addc(w->out, ',');
	w->needs_comma = true;
}

static void open_with(struct json_writer *w, char c)
{
	before_value(w);
	buf_addc(w->out, c);
	w->needs_comma = false;
}

static void close_with(struct json_writer *w, char c)
{
	buf_addc(w->out, c);
	w->needs_comma = true;
}

void jw_begin_object(struct json_writer *w)
{
	open_with(w, '{');
}

void jw_end_object(struct json_writer *w)
{
	close_with(w, '}');
}

void jw_begin_array(struct json_writer *w)
{
	open_with(w, '[');
}

void jw_end_array(struct json_writer *w)
{
	close_with(w, ']');
}

static void add_escape(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[][2] = {
		{ '"', '"' }, { '\\', '\\' }, { '\n', 'n' }, { '\t', 't' }, { '\r', 'r' }
	};
	for (size_t i = 0; i < sizeof shorts / sizeof shorts[0]; i++)
		if ((unsigned char)shorts[i][0] == c) {
			buf_addc(out, '\\');
			buf_addc(out, shorts[i][1]);
			return;
		}
	char text[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	buf_add(out, text, sizeof text);
}

static void add_string(struct buf *out, const char *s, size_t n)
{
	size_t from = 0;
	buf_addc(out, '"');
	for (size_t i = 0; i < n;) {
		unsigned char c = (unsigned char)s[i];
		size_t length = c >= ' ' && c < 127 && c != '"' && c != '\\' ? 1 : 0;
		if (c >= 0x80)
			length = utf8_length(s + i, n - i);
		if (length) {
			i += length;
			continue;
		}
		buf_add(out, s + from, i - from);
		if (c < 0x80)
			add_escape(out, c);
		else
			buf_adds(out, "\xEF\xBF\xBD");
		from = ++i;
	}
	buf_add(out, s + from, n - from);
	buf_addc(out, '"');
}

void jw_key(struct json_writer *w, const char *key)
{
	before_value(w);
	add_string(w->out, key, strlen(key));
	buf_addc(w->out, ':');
	w->needs_comma = false;
}

void jw_str(struct json_writer *w, const char *s)
{
	if (s)
		jw_strn(w, s, strlen(s));
	else
		jw_null(w);
}

void jw_strn(struct json_writer *w, const char *s, size_t n)
{
	before_value(w);
	add_string(w->out, s, n);
}

static void add_int(struct buf *out, int64_t v)
{
	char text[24];
	size_t at = sizeof text;
	uint64_t left = v < 0 ? -(uint64_t)v : (uint64_t)v;
	do
		text[--at] = (char)('0' + left % 10);
	while (left /= 10);
	if (v < 0)
		text[--at] = '-';
	buf_add(out, text + at, sizeof text - at);
}

void jw_int(struct json_writer *w, int64_t v)
{
	before_value(w);
	add_int(w->out, v);
}

void jw_bool(struct json_writer *w, bool v)
{
	jw_raw(w, v ? "true" : "false");
}

void jw_null(struct json_writer *w)
{
	jw_raw(w, "null");
}

void jw_seconds(struct json_writer *w, int64_t ms)
{
	before_value(w);
	if (ms < 0)
		buf_addc(w->out, '-');
	uint64_t left = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;
	add_int(w->out, (int64_t)(left / 1000));
	unsigned part = (unsigned)(left % 1000);
	if (!part)
		return;
	buf_addc(w->out, '.');
	for (unsigned unit = 100; part; unit /= 10) {
		buf_addc(w->out, (char)('0' + part / unit));
		part %= unit;
	}
}

void jw_time(struct json_writer *w, int64_t wall_ms)
{
	char text[CLOCK_TEXT_BYTES];
	jw_str(w, wall_ms ? clock_format(wall_ms, text, sizeof text) : NULL);
}

void jw_raw(struct json_writer *w, const char *json)
{
	before_value(w);
	buf_adds(w->out, json);
}

void jw_base64(struct json_writer *w, const void *bytes, size_t n)
{
	before_value(w);
	buf_addc(w->out, '"');
	base64_encode(bytes, n, w->out);
	buf_addc(w->out, '"');
}

void jw_kstr(struct json_writer *w, const char *key, const char *s)
{
	jw_key(w, key);
	jw_str(w, s);
}

void jw_kint(struct json_writer *w, const char *key, int64_t v)
{
	jw_key(w, key);
	jw_int(w, v);
}

void jw_kbool(struct json_writer *w, const char *key, bool v)
{
	jw_key(w, key);
	jw_bool(w, v);
}

void jw_ktime(struct json_writer *w, const char *key, int64_t wall_ms)
{
	jw_key(w, key);
	jw_time(w, wall_ms);
}

#include "cli/term.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/parse.h"
#include "text/utf8.h"

bool term_is_terminal(void)
{
	return isatty(STDOUT_FILENO);
}

int term_width(void)
{
	const char *columns = getenv("COLUMNS");
	int64_t n;
	if (columns && parse_int("COLUMNS", columns, 1, TERM_WIDTH_UNLIMITED, &n, NULL) == 0)
		return (int)n;
	struct winsize size;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
		return size.ws_col;
	return TERM_WIDTH_UNLIMITED;
}

bool term_has_colours(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	return term_is_terminal() && !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
}

const char *term_state_colour(const char *state)
{
	static const struct {
		const char *state, *colour;
	} rows[] = {
		{ "succeeded", "32" },	{ "failed", "31" },   { "cancelled", "35" }, { "running", "36" },
		{ "collecting", "36" }, { "waiting", "33" },  { "depwait", "33" },   { "blocked", "2" },
		{ "scheduled", "2" },	{ "suspended", "2" }, { "online", "32" },    { "offline", "31" },
		{ "ready", "32" },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].state, state) == 0)
			return rows[i].colour;
	return NULL;
}

void term_add_coloured(struct buf *out, const char *colour, const char *text)
{
	if (!colour || !term_has_colours()) {
		buf_adds(out, text);
		return;
	}
	buf_addf(out, "\033[%sm%s\033[0m", colour, text);
}

/* One character of UTF-8: gives its length in bytes, 0 if there is none here. */
static size_t take_character(const unsigned char *s, size_t len, uint32_t *code)
{
	size_t n = utf8_length(s, len);
	*code = n <= 1 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		*code = *code << 6 | (s[i] & 0x3f);
	return n;
}

/* Controls, and the marks that turn the direction of what follows. */
static bool is_harmful(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

void term_add_safe(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		uint32_t code;
		size_t n = take_character((const unsigned char *)text + i, len - i, &code);
		if (n > 0 && !is_harmful(code))
			buf_add(out, text + i, n);
		else
			buf_addc(out, n > 0 && (code == '\n' || code == '\t' || code == '\r') ? ' ' : '?');
		i += n > 0 ? n : 1;
	}
}

size_t term_fit(const char *text, size_t len, size_t limit, size_t *columns)
{
	size_t i = 0;
	*columns = 0;
	while (i < len) {
		uint32_t code;
		size_t n = take_character((const unsigned char *)text + i, len - i, &code);
		int w = n > 1 ? wcwidth((wchar_t)code) : 1;
		/* A locale that does not know the character: one column is the best guess. */
		size_t wide = w < 0 ? 1 : (size_t)w;
		if (*columns + wide > limit)
			break;
		*columns += wide;
		i += n > 0 ? n : 1;
	}
	return i;
}

size_t term_columns(const char *text, size_t len)
{
	size_t columns;
	term_fit(text, len, SIZE_MAX, &columns);
	return columns;
}

#include "text/ansi.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "text/utf8.h"

static const char hex[] = "0123456789abcdef";

/* Length of the SGR sequence at `p`; 0: it is none; -1: it may become one. */
static int sgr_length(const char *p, size_t n)
{
	if (n >= 2 && p[1] != '[')
		return 0;
	for (size_t i = 2; i < n && i < ANSI_KEPT_MAX; i++) {
		if (p[i] == 'm')
			return (int)i + 1;
		if (!strchr("0123456789;:", p[i]) || !p[i])
			return 0;
	}
	return n < ANSI_KEPT_MAX ? -1 : 0;
}

/* Could these few bytes be the beginning of a character? */
static bool is_cut_character(const char *p, size_t n)
{
	static const char tails[3] = { '\x80', '\x90', '\xA0' };
	char whole[4];
	if (n == 0 || n > 3)
		return false;
	/* Some continuation makes it valid: the second byte's range is what differs, the rest takes any tail. */
	for (size_t t = 0; t < sizeof tails; t++) {
		memcpy(whole, p, n);
		memset(whole + n, tails[t], sizeof whole - n);
		size_t length = utf8_length(whole, sizeof whole);
		if (length > n)
			return true;
	}
	return false;
}

static uint32_t code_point(const unsigned char *p, size_t length)
{
	if (length == 2)
		return (uint32_t)(p[0] & 0x1F) << 6 | (p[1] & 0x3F);
	if (length == 3)
		return (uint32_t)(p[0] & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
	return 0;
}

/* C1 controls, line separators and what turns the direction (bidirectional marks, embeddings, isolates). */
static bool is_tricky(uint32_t c)
{
	return (c >= 0x80 && c < 0xA0) || c == 0x061C || c == 0x200E || c == 0x200F ||
	       (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

static void show_byte(unsigned char c, struct buf *out)
{
	char text[] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
	buf_add(out, text, sizeof text);
}

static void show_control(unsigned char c, struct buf *out)
{
	buf_addc(out, '^');
	buf_addc(out, (char)(c ^ 64));
}

static void show_character(const char *p, size_t length, struct buf *out)
{
	uint32_t c = code_point((const unsigned char *)p, length);
	if (!is_tricky(c)) {
		buf_add(out, p, length);
		return;
	}
	char text[] = { '\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15], hex[c & 15] };
	buf_add(out, text, sizeof text);
}

/* Passes on one thing at `p`; gives its length, 0 if more bytes are needed to tell what it is. */
static size_t clean_one(const struct ansi *a, const char *p, size_t n, bool is_end, struct buf *out)
{
	unsigned char c = (unsigned char)*p;
	if (c == 27 && a->is_colour_kept) {
		int length = sgr_length(p, n);
		if (length < 0 && !is_end)
			return 0;
		if (length > 0) {
			buf_add(out, p, (size_t)length);
			return (size_t)length;
		}
	}
	if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 127) {
		show_control(c, out);
		return 1;
	}
	size_t length = utf8_length(p, n);
	if (length) {
		show_character(p, length, out);
		return length;
	}
	if (!is_end && is_cut_character(p, n))
		return 0;
	show_byte(c, out);
	return 1;
}

static void clean(struct ansi *a, const char *p, size_t n, bool is_end, struct buf *out)
{
	size_t at = 0, from = 0;
	while (at < n) {
		/* Plain text goes in one piece. */
		if ((p[at] >= ' ' && p[at] < 127) || p[at] == '\n') {
			at++;
			continue;
		}
		buf_add(out, p + from, at - from);
		from = at;
		size_t length = clean_one(a, p + at, n - at, is_end, out);
		if (!length) {
			a->kept_len = n - at;
			memcpy(a->kept, p + at, a->kept_len);
			return;
		}
		from = at += length;
	}
	buf_add(out, p + from, at - from);
}

void ansi_clean(struct ansi *a, const void *bytes, size_t n, struct buf *out)
{
	if (!a->kept_len) {
		clean(a, bytes, n, false, out);
		return;
	}
	CLEAN_BUF struct buf all = BUF_INIT;
	buf_add(&all, a->kept, a->kept_len);
	buf_add(&all, bytes, n);
	a->kept_len = 0;
	if (all.is_failed)
		out->is_failed = true;
	else
		clean(a, all.data, all.len, false, out);
}

void ansi_finish(struct ansi *a, struct buf *out)
{
	char kept[ANSI_KEPT_MAX];
	size_t n = a->kept_len;
	memcpy(kept, a->kept, n);
	a->kept_len = 0;
	clean(a, kept, n, true, out);
}

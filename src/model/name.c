#include "model/name.h"

#include <string.h>

#include "base/path.h"
#include "text/utf8.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"

bool name_is_line(const char *text, size_t limit)
{
	size_t n = 0;
	for (; text[n]; n++)
		if ((unsigned char)text[n] < ' ' || text[n] == 127)
			return false;
	return n <= limit;
}

/* Of a character's bytes. C1; LRE to RLO; LRI to PDI. */
static bool is_shown_as_it_is(const unsigned char *c, size_t n)
{
	if (n == 2)
		return c[0] != 0xc2 || c[1] >= 0xa0;
	if (n == 3 && c[0] == 0xe2)
		return !(c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) &&
		       !(c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
	return true;
}

bool name_is_artifact(const char *path)
{
	if (!path_is_safe_relative(path))
		return false;
	for (size_t left = strlen(path); left;) {
		size_t n = utf8_length(path, left);
		if (!n || !is_shown_as_it_is((const unsigned char *)path, n))
			return false;
		path += n;
		left -= n;
	}
	return true;
}

static bool is_made_of(const char *text, const char *first, const char *rest, size_t limit)
{
	if (!text[0] || !strchr(first, text[0]))
		return false;
	size_t n = 1 + strspn(text + 1, rest);
	return !text[n] && n <= limit;
}

bool name_is_target(const char *text)
{
	return is_made_of(text, LOWER DIGIT, LOWER DIGIT ".+-", 100);
}

bool name_is_tag(const char *text)
{
	return is_made_of(text, LOWER UPPER DIGIT, LOWER UPPER DIGIT "._+-", 64);
}

bool name_is_env(const char *text)
{
	return is_made_of(text, LOWER UPPER "_", LOWER UPPER DIGIT "_", 200);
}

#include "model/name.h"

#include <string.h>

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

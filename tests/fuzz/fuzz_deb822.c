/* Paragraph by paragraph to the end, always forward. */
#include "fuzz.h"

#include "base/arena.h"
#include "text/deb822.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	while (size) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct deb822 d;
		size_t used;
		if (deb822_parse(text, size, &a, &d, &used, NULL) < 0 || !d.fields_len)
			break;
		MUST(used > 0 && used <= size);
		for (size_t i = 0; i < d.fields_len; i++)
			MUST(deb822_find(&d, d.fields[i].name) == d.fields[i].value);
		text += used;
		size -= used;
	}
	return 0;
}

/* What comes out is valid UTF-8 without controls but colours, the same however the input was cut. */
#include "fuzz.h"

#include "base/buf.h"
#include "text/ansi.h"
#include "text/utf8.h"

static void clean(bool colour, const uint8_t *data, size_t size, size_t step, struct buf *out)
{
	struct ansi a = ANSI_INIT(colour);
	for (size_t at = 0; at < size; at += step)
		ansi_clean(&a, data + at, step < size - at ? step : size - at, out);
	ansi_finish(&a, out);
}

static void check_safe(bool colour, const struct buf *out)
{
	for (size_t i = 0; i < out->len;) {
		size_t n = utf8_length(out->data + i, out->len - i);
		unsigned char c = (unsigned char)out->data[i];
		MUST(n > 0);
		MUST(c >= ' ' || c == '\n' || c == '\t' || c == '\r' || (colour && c == 27));
		MUST(c != 27 || out->data[i + 1] == '[');
		MUST(c != 127);
		i += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	for (int colour = 0; colour < 2; colour++) {
		CLEAN_BUF struct buf whole = BUF_INIT, cut = BUF_INIT;
		clean(colour, data, size, size ? size : 1, &whole);
		clean(colour, data, size, 1 + size % 5, &cut);
		MUST(whole.len == cut.len && memcmp(whole.data, cut.data, whole.len) == 0);
		check_safe(colour, &whole);
	}
	return 0;
}

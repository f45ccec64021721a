/* Bytes that somebody else wrote, made safe for a terminal.
 *
 * Passed on: valid UTF-8, line ends, tabs, carriage returns and, if wanted, colours (SGR). Made visible: every other
 * escape sequence and control character (^[ ^@ …, as cat -v does), bytes that are not UTF-8 (\x80), C1 controls and
 * characters that turn the direction of writing (\u202e). The state carries over what a read cut in two. One thread. */
#ifndef SLIPWAY_TEXT_ANSI_H
#define SLIPWAY_TEXT_ANSI_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum { ANSI_KEPT_MAX = 32 };

struct ansi {
	bool is_colour_kept;
	char kept[ANSI_KEPT_MAX];
	size_t kept_len;
};

#define ANSI_INIT(colour)                  \
	{                                  \
		.is_colour_kept = (colour) \
	}

void ansi_clean(struct ansi *a, const void *bytes, size_t n, struct buf *out);
/* Nothing comes after: what was cut is shown as it is. */
void ansi_finish(struct ansi *a, struct buf *out);

#endif

/* Where a log is shown: bytes as they are into a file or a pipe (or with `is_raw`), harmless on a terminal. One thread. */
#ifndef SLIPWAY_CLI_LOG_VIEW_H
#define SLIPWAY_CLI_LOG_VIEW_H

#include <stdbool.h>
#include <stddef.h>

#include "text/ansi.h"

struct err;

struct log_view {
	int fd;
	bool is_filtered;
	struct ansi ansi;
};

void log_view_init(struct log_view *v, int fd, bool is_raw);
int log_view_write(struct log_view *v, const void *bytes, size_t n, struct err *e);
/* Nothing follows: the terminal gets its own colours back. */
int log_view_end(struct log_view *v, struct err *e);

#endif

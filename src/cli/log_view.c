#include "cli/log_view.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"

void log_view_init(struct log_view *v, int fd, bool is_raw)
{
	*v = (struct log_view){ .fd = fd, .is_filtered = !is_raw && isatty(fd) };
}

int log_view_write(struct log_view *v, const void *bytes, size_t n, struct err *e)
{
	if (!v->is_filtered)
		return fd_write_all(v->fd, bytes, n, e);
	CLEAN_BUF struct buf safe = BUF_INIT;
	const char *at = bytes;
	for (size_t i = 0; i < n; i++) {
		if (at[i] == '\n' || at[i] == '\t' || ((unsigned char)at[i] >= 0x20 && at[i] != 0x7f))
			buf_addc(&safe, at[i]);
		else
			buf_addf(&safe, "^%c", at[i] ^ 0x40);
	}
	if (buf_check(&safe, e) < 0)
		return -1;
	return fd_write_all(v->fd, safe.data, safe.len, e);
}

int log_view_end(struct log_view *v, struct err *e)
{
	(void)v;
	(void)e;
	return 0;
}

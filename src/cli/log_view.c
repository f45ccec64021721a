#include "cli/log_view.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "cli/term.h"

void log_view_init(struct log_view *v, int fd, bool is_raw)
{
	*v = (struct log_view){ .fd = fd,
				.is_filtered = !is_raw && isatty(fd),
				.ansi = ANSI_INIT(term_has_colours()) };
}

int log_view_write(struct log_view *v, const void *bytes, size_t n, struct err *e)
{
	if (!v->is_filtered)
		return fd_write_all(v->fd, bytes, n, e);
	CLEAN_BUF struct buf safe = BUF_INIT;
	ansi_clean(&v->ansi, bytes, n, &safe);
	if (buf_check(&safe, e) < 0)
		return -1;
	return fd_write_all(v->fd, safe.data, safe.len, e);
}

int log_view_end(struct log_view *v, struct err *e)
{
	if (!v->is_filtered)
		return 0;
	CLEAN_BUF struct buf rest = BUF_INIT;
	ansi_finish(&v->ansi, &rest);
	if (v->ansi.is_colour_kept)
		buf_adds(&rest, "\033[0m");
	if (buf_check(&rest, e) < 0)
		return -1;
	return fd_write_all(v->fd, rest.data, rest.len, e);
}

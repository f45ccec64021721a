#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

/* Longer lines are cut: a line is one write() of at most PIPE_BUF, so that threads and processes don't mix theirs. */
enum { LINE_BYTES = 2048 };

static const char *log_name;

void log_set_name(const char *name)
{
	log_name = name;
}

static bool is_debug_shown(void)
{
	const char *debug = getenv("SLIPWAY_DEBUG");
	return debug && strcmp(debug, "1") == 0;
}

/* What vsnprintf() wanted to write, cut to what it could. */
static size_t fitted(int wanted, size_t room)
{
	if (wanted < 0)
		return 0;
	return (size_t)wanted < room ? (size_t)wanted : room - 1;
}

static void write_line(enum log_level level, const struct err *cause, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void write_line(enum log_level level, const struct err *cause, const char *fmt, va_list ap)
{
	if (level == LOG_LEVEL_DEBUG && !is_debug_shown())
		return;
	char line[LINE_BYTES];
	size_t room = sizeof line - 1, n = 0; /* one byte for the newline */
	if (getenv("JOURNAL_STREAM"))
		n += fitted(snprintf(line, room, "<%d>", (int)level), room);
	n += fitted(snprintf(line + n, room - n, "slipway%s%s: ", log_name ? " " : "",
			     log_name ? log_name : ""),
		    room - n);
	size_t text_at = n;
	n += fitted(vsnprintf(line + n, room - n, fmt, ap), room - n);
	if (cause)
		n += fitted(snprintf(line + n, room - n, ": %s", cause->text), room - n);
	/* A text of several lines, or one that carries terminal codes, stays one harmless line. */
	for (size_t i = text_at; i < n; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 127)
			line[i] = ' ';
	line[n++] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, n);
	(void)ignored;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	write_line(level, NULL, fmt, ap);
	va_end(ap);
}

void log_err(const struct err *e, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	write_line(LOG_LEVEL_ERROR, e, fmt, ap);
	va_end(ap);
}

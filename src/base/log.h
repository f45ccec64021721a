/* The program's own diagnostics, one line each to stderr: "slipway: text". Libraries do not log; the mains of
 * serve, worker and the spawner do. With SLIPWAY_DEBUG=1 debug lines are shown too. Under a supervisor that
 * sets JOURNAL_STREAM each line starts with its "<N>" priority. Any thread: a line is one write. */
#ifndef SLIPWAY_BASE_LOG_H
#define SLIPWAY_BASE_LOG_H

struct err;

enum log_level { LOG_LEVEL_ERROR = 3, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, LOG_LEVEL_DEBUG = 7 };

/* Put in front of each line: "serve", "worker". A static string. */
void log_set_name(const char *name);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_err(const struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

/* Logs: one a attempt. A short one ends up in the database (attempts_log_inline); a long one is a file in
 * files_dir/logs/, written by appends at an offset while it runs, and compressed (".zst") in the background
 * after. Any thread; no transaction. */
#ifndef SLIPWAY_STORE_LOGS_H
#define SLIPWAY_STORE_LOGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct log_reader;
struct store;
struct tx;

const char *logs_dir(const struct store *s);
/* Append at `offset`: bytes that are there already are a no-op, a gap is ERR_CONFLICT. *size: what is
 * there after. */
int log_append(struct store *s, int64_t job, int attempt, int64_t offset, const void *bytes, size_t n,
	       int64_t *size, struct err *e);
/* 0 = there is no file (yet). */
int64_t log_size(struct store *s, int64_t job, int attempt);
/* Reading from an offset, compressed or not. ERR_NOT_FOUND if there is no file. read gives 0 at the end
 * (of what is there now; for a live log call again later). */
int log_reader_open(struct store *s, int64_t job, int attempt, int64_t offset, struct log_reader **out,
		    struct err *e);
int64_t log_reader_read(struct log_reader *r, void *bytes, size_t n, struct err *e);
void log_reader_close(struct log_reader *r);
/* The attempt is over: compress it when there is time. Of several servers that share the folder one does it. */
void log_seal(struct store *s, int64_t job, int attempt);
/* The same for each log whose attempt is over: what was left by a server that was killed. At open; and from a task's run(). */
int logs_find_unsealed(struct tx *tx, struct err *e);

#endif

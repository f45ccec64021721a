#include <string.h>

#include "server/why_priv.h"
#include "store/logs.h"

enum {
	TAIL_BYTES = 2048,
	TAIL_LINES = 5,
	TAIL_FILE_MAX = 64 << 20, /* reading to the end of a longer one takes too long */
};

/* The length of a terminal's escape sequence at `s`; 0: it is none. */
static size_t escape_len(const char *s, size_t n)
{
	if (n < 2 || s[0] != '\033' || s[1] != '[')
		return 0;
	size_t i = 2;
	while (i < n && (unsigned char)s[i] < 0x40)
		i++;
	return i < n ? i + 1 : n;
}

/* A line of a log as text: no control characters, no colours. Bytes that are no UTF-8 are the JSON writer's. */
static const char *safe_line(struct arena *a, const char *s, size_t n)
{
	char *out = arena_alloc(a, n + 1);
	size_t len = 0;
	for (size_t i = 0; out && i < n;) {
		size_t skip = escape_len(s + i, n - i);
		if (skip == 0 && ((unsigned char)s[i] >= ' ' || s[i] == '\t') && s[i] != 0x7f)
			out[len++] = s[i];
		i += skip ? skip : 1;
	}
	return out;
}

static void tell_tail(struct why *y, int64_t job, const char *text, size_t n)
{
	while (n && text[n - 1] == '\n')
		n--;
	size_t start = n;
	for (int lines = 0; start > 0; start--)
		if (text[start - 1] == '\n' && ++lines == TAIL_LINES)
			break;
	for (size_t at = start; at < n;) {
		const char *stop = memchr(text + at, '\n', n - at);
		size_t len = stop ? (size_t)(stop - text) - at : n - at;
		const char *line = safe_line(y->arena, text + at, len);
		if (line && *line)
			why_cause(y, job, arena_printf(y->arena, "log: %s", line));
		at += len + 1;
	}
}

int why_attempt(struct why *y, const struct job *j, struct err *e)
{
	struct attempt t;
	const void *log;
	size_t len;
	if (attempts_get(y->tx, j->id, 0, y->arena, &t, e) ||
	    attempts_log_inline(y->tx, j->id, t.n, y->arena, &log, &len, e))
		return -1;
	int64_t id = j->id == y->job.id ? 0 : j->id;
	if (t.step && t.step[0])
		why_cause(y, id, arena_printf(y->arena, "it ended in the step %s", t.step));
	if (t.detail && t.detail[0])
		why_cause(y, id, t.detail);
	if (t.outcome != OUTCOME_FAILED)
		return 0;
	size_t skip = len > TAIL_BYTES ? len - TAIL_BYTES : 0;
	if (log) {
		tell_tail(y, id, (const char *)log + skip, len - skip);
	} else if (t.log_bytes > 0 && t.log_bytes < TAIL_FILE_MAX && !y->is_nested) {
		y->log_job = j->id;
		y->log_attempt = t.n;
		y->log_size = t.log_bytes;
	}
	return 0;
}

/* "a, b", each worker once. */
static const char *workers_of_lost(struct why *y, const struct attempt *attempts, size_t n)
{
	const char *names = "";
	for (size_t i = 0; i < n && names; i++) {
		bool is_known = attempts[i].outcome != OUTCOME_LOST;
		for (size_t k = 0; k < i && !is_known; k++)
			is_known = attempts[k].outcome == OUTCOME_LOST &&
				   strcmp(attempts[k].worker, attempts[i].worker) == 0;
		if (!is_known)
			names = arena_printf(y->arena, "%s%s%s", names, *names ? ", " : "",
					     attempts[i].worker);
	}
	return names;
}

int why_losses(struct why *y, const struct job *j, struct err *e)
{
	struct attempt *attempts;
	size_t n;
	if (j->losses == 0)
		return 0;
	if (attempts_list(y->tx, j->id, y->arena, &attempts, &n, e))
		return -1;
	const char *names = workers_of_lost(y, attempts, n);
	why_cause(y, j->id == y->job.id ? 0 : j->id,
		  names ? arena_printf(y->arena, "it was lost %d time%s, on %s", j->losses,
				       j->losses == 1 ? "" : "s", names)
			: NULL);
	return 0;
}

void why_log_tail(struct why *y)
{
	struct log_reader *r;
	char *tail = arena_alloc(y->arena, TAIL_BYTES);
	int64_t from = y->log_size > TAIL_BYTES ? y->log_size - TAIL_BYTES : 0, got;
	size_t n = 0;
	if (!tail || log_reader_open(y->server->store, y->log_job, y->log_attempt, from, &r, NULL))
		return;
	while (n < TAIL_BYTES && (got = log_reader_read(r, tail + n, TAIL_BYTES - n, NULL)) > 0)
		n += (size_t)got;
	log_reader_close(r);
	tell_tail(y, y->log_job == y->job.id ? 0 : y->log_job, tail, n);
}

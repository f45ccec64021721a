#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "model/logfile.h"
#include "run/run_priv.h"

enum {
	LOG_DEFAULT_BYTES = 256 << 20,
	PIPE_FULL_BYTES = 64 * 1024, /* what a pipe holds as it is made */
	PIPE_WIDE_BYTES = 1024 * 1024,
	SECOND_MS = 1000,
	READS_AT_ONCE = 16, /* then the others get their turn */
	FLOOD_BYTES = 64 << 20,
	READS_AT_END = 64, /* more than a pipe holds, for one whose writer fled with it */
};

void pump_init(struct pump *p, const struct spec *s)
{
	buf_init(&p->memory);
	p->fd = p->file_fd = -1;
	p->rate_bytes = s->limits.log_rate_bytes;
	p->limit_bytes = s->limits.log_bytes ? s->limits.log_bytes : LOG_DEFAULT_BYTES;
}

void pump_release(struct pump *p)
{
	if (p->fd >= 0)
		close(p->fd);
	if (p->file_fd >= 0)
		close(p->file_fd);
	p->fd = p->file_fd = -1;
	buf_release(&p->memory);
}

static void write_out(struct run_attempt *a, const void *bytes, size_t n)
{
	struct pump *p = &a->pump;
	struct err e = ERR_INIT;
	if (p->is_broken)
		return;
	if (fd_write_all(p->file_fd, bytes, n, &e) == 0) {
		p->size_bytes += (int64_t)n;
		return;
	}
	/* The job goes on without a log: it isn't its fault. */
	p->is_broken = p->is_truncated = true;
}

void pump_to_file(struct run_attempt *a)
{
	struct pump *p = &a->pump;
	char name[LOG_FILE_NAME_BYTES];
	if (p->file_fd >= 0)
		return;
	log_file_name(a->spec.job, a->spec.attempt, name);
	p->file_fd = openat(a->run->log_fd, name,
			    O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
	p->is_broken = p->file_fd < 0;
	p->is_truncated |= p->is_broken;
	p->size_bytes = 0;
	write_out(a, p->memory.data, p->memory.len);
	buf_release(&p->memory);
	p->first_ms = 0;
}

void pump_tell(struct run_attempt *a)
{
	struct pump *p = &a->pump;
	if (p->file_fd < 0 || p->size_bytes == p->told_bytes || !a->run->options.events.on_log)
		return;
	p->told_bytes = p->size_bytes;
	a->run->options.events.on_log(a->run->options.ctx, a->spec.job, a->spec.attempt, p->size_bytes);
}

static void add(struct run_attempt *a, const char *bytes, size_t n)
{
	struct pump *p = &a->pump;
	if (!n)
		return;
	if (p->file_fd < 0 && !p->is_broken) {
		if (p->memory.len + n <= OUTCOME_LOG_INLINE_MAX) {
			if (!p->first_ms)
				p->first_ms = clock_boot_ms();
			buf_add(&p->memory, bytes, n);
			p->size_bytes = (int64_t)p->memory.len;
			return;
		}
		pump_to_file(a);
	}
	write_out(a, bytes, n);
}

void pump_note(struct run_attempt *a, const char *fmt, ...)
{
	char text[1200];
	va_list ap;
	memcpy(text, "[slipway: ", 10);
	va_start(ap, fmt);
	vsnprintf(text + 10, sizeof text - 13, fmt, ap);
	va_end(ap);
	size_t n = strlen(text);
	memcpy(text + n, "]\n", 2);
	add(a, text, n + 2);
}

static void take_bytes(struct run_attempt *a, const char *bytes, size_t n)
{
	struct pump *p = &a->pump;
	int64_t left = p->limit_bytes - p->size_bytes;
	if (p->is_truncated) {
		p->dropped_bytes += (int64_t)n;
		return;
	}
	if ((int64_t)n <= left) {
		add(a, bytes, n);
		return;
	}
	add(a, bytes, left > 0 ? (size_t)left : 0);
	p->is_truncated = true;
	char last = left > 0 ? bytes[left - 1] : '\n';
	if (last != '\n')
		add(a, "\n", 1);
	pump_note(a, "log limit of %lld bytes reached; the rest was dropped", (long long)p->limit_bytes);
}

bool pump_is_flood(const struct pump *p)
{
	int64_t most = p->limit_bytes > FLOOD_BYTES ? p->limit_bytes : FLOOD_BYTES;
	return p->is_truncated && p->dropped_bytes > most;
}

static void close_pipe(struct pump *p)
{
	close(p->fd);
	p->fd = -1;
	p->is_paused = false;
}

/* How much may be taken now. */
static size_t room_in_second(struct pump *p, int64_t now)
{
	if (!p->rate_bytes)
		return RUN_ROOM_BYTES;
	if (now >= p->second_ms + SECOND_MS) {
		p->second_ms = now;
		p->second_bytes = 0;
	}
	int64_t left = p->rate_bytes - p->second_bytes;
	return left > RUN_ROOM_BYTES ? RUN_ROOM_BYTES : left > 0 ? (size_t)left : 0;
}

/* What is not taken stays in the pipe, and when that is full its writer waits. */
static void pause_pipe(struct run_attempt *a)
{
	run_unwatch(a->run, a->pump.fd);
	a->pump.is_paused = true;
}

void pump_on_time(struct run_attempt *a, int64_t now)
{
	struct pump *p = &a->pump;
	struct err e = ERR_INIT;
	if (!p->is_paused || now < p->second_ms + SECOND_MS)
		return;
	p->is_paused = false;
	if (p->fd >= 0 && run_watch(a->run, p->fd, SOURCE_PIPE, a->slot, &e) < 0)
		attempt_fail(a, REASON_INTERNAL, "%s", e.text);
}

bool pump_read(struct run_attempt *a, bool is_last)
{
	struct pump *p = &a->pump;
	ssize_t n = 0;
	for (int i = 0; p->fd >= 0 && i < (is_last ? READS_AT_END : READS_AT_ONCE); i++) {
		size_t room = is_last ? RUN_ROOM_BYTES : room_in_second(p, clock_boot_ms());
		if (!room) {
			pause_pipe(a);
			n = -1;
			errno = EAGAIN;
			break;
		}
		n = read(p->fd, a->run->room, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		p->second_bytes += n;
		take_bytes(a, a->run->room, (size_t)n);
		/* A full pipe: its writer had to wait for us. */
		if (n >= PIPE_FULL_BYTES && !p->is_wide && !p->rate_bytes) {
			fcntl(p->fd, F_SETPIPE_SZ, PIPE_WIDE_BYTES);
			p->is_wide = true;
		}
		if (n < 4096 && !is_last)
			break;
	}
	a->output_ms = clock_boot_ms();
	bool is_over = n == 0 || is_last || (n < 0 && errno != EAGAIN);
	if (is_over && p->fd >= 0)
		close_pipe(p);
	pump_tell(a);
	return !is_over;
}

/* A growing byte buffer, always followed by a NUL.
 *
 * A failed allocation is remembered, not returned: further additions do nothing and buf_is_failed() says so
 * at the end, so that code which builds a text checks once. BUF_INIT owns nothing; buf_release() frees and
 * makes it BUF_INIT again. One thread at a time. */
#ifndef SLIPWAY_BASE_BUF_H
#define SLIPWAY_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct err;

struct buf {
	char *data; /* never NULL: points at a static "" while empty */
	size_t len;
	size_t cap; /* 0 = nothing allocated */
	bool is_failed;
};

extern char buf_empty[1];
#define BUF_INIT                  \
	{                         \
		.data = buf_empty \
	}
#define CLEAN_BUF __attribute__((cleanup(buf_release)))

void buf_init(struct buf *b);
void buf_release(struct buf *b);
/* Keep the memory, forget the content. */
void buf_reset(struct buf *b);
/* Room for `extra` bytes more. Gives where they start, or NULL. The caller adds what it wrote to len. */
char *buf_reserve(struct buf *b, size_t extra);
void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_adds(struct buf *b, const char *s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drop `n` bytes from the front. */
void buf_drop(struct buf *b, size_t n);
/* 0, or -1 with ERR_NOMEM if any addition failed. */
int buf_check(const struct buf *b, struct err *e);
/* Hand the bytes over (free() them); the buffer is empty after. NULL if an addition failed. */
char *buf_take(struct buf *b);

#endif

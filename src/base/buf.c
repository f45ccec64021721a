#include "base/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

char buf_empty[1];

void buf_init(struct buf *b)
{
	*b = (struct buf)BUF_INIT;
}

void buf_release(struct buf *b)
{
	if (b->cap)
		free(b->data);
	buf_init(b);
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	b->is_failed = false;
	if (b->cap)
		b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t extra)
{
	if (b->is_failed)
		return NULL;
	if (extra >= SIZE_MAX / 4 - b->len) {
		b->is_failed = true;
		return NULL;
	}
	size_t need = b->len + extra + 1;
	if (need > b->cap) {
		size_t cap = b->cap ? b->cap : 64;
		while (cap < need)
			cap += cap / 2 + 64;
		char *data = realloc(b->cap ? b->data : NULL, cap);
		if (!data) {
			b->is_failed = true;
			return NULL;
		}
		b->data = data;
		b->cap = cap;
		b->data[b->len] = '\0';
	}
	return b->data + b->len;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	char *at = buf_reserve(b, n);
	if (!at)
		return;
	if (n)
		memcpy(at, bytes, n);
	b->len += n;
	b->data[b->len] = '\0';
}

void buf_adds(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_addc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	char *at = n < 0 ? NULL : buf_reserve(b, (size_t)n);
	if (at) {
		vsnprintf(at, (size_t)n + 1, fmt, again);
		b->len += (size_t)n;
	}
	va_end(again);
}

void buf_drop(struct buf *b, size_t n)
{
	if (n >= b->len) {
		b->len = 0;
	} else {
		memmove(b->data, b->data + n, b->len - n);
		b->len -= n;
	}
	if (b->cap)
		b->data[b->len] = '\0';
}

int buf_check(const struct buf *b, struct err *e)
{
	return b->is_failed ? err_set(e, ERR_NOMEM, "out of memory") : 0;
}

char *buf_take(struct buf *b)
{
	if (b->is_failed) {
		buf_release(b);
		return NULL;
	}
	if (!b->cap && !buf_reserve(b, 0))
		return NULL;
	char *data = b->data;
	buf_init(b);
	return data;
}

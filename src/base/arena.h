/* An arena: many small allocations that end together (a request, a plan, a transaction).
 *
 * Allocation failure gives NULL; arena_strdup(NULL) gives NULL. Memory is zeroed and aligned for any type.
 * One thread at a time. Freed by arena_release() only. */
#ifndef SLIPWAY_BASE_ARENA_H
#define SLIPWAY_BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *blocks;
};

#define ARENA_INIT             \
	{                      \
		.blocks = NULL \
	}
#define CLEAN_ARENA __attribute__((cleanup(arena_release)))

void arena_release(struct arena *a);
void *arena_alloc(struct arena *a, size_t n);
/* n * size, checked. */
void *arena_array(struct arena *a, size_t n, size_t size);
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
void *arena_memdup(struct arena *a, const void *p, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

/* Hash maps to pointers: `struct map` from text, `struct idmap` from int64_t.
 *
 * Keys of a map are copied; values are borrowed, the owner frees them (walk with *_next before *_release). A value
 * may not be NULL: NULL means "not there". Hashing is keyed at random per process, so that nobody outside can choose
 * colliding keys. A map does not lock: one thread, or the owner's lock. Initialise with MAP_INIT / IDMAP_INIT. */
#ifndef SLIPWAY_BASE_MAP_H
#define SLIPWAY_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct map_slot;
struct idmap_slot;

struct map {
	struct map_slot *slots;
	size_t cap; /* a power of two, or 0 */
	size_t count;
};

struct idmap {
	struct idmap_slot *slots;
	size_t cap;
	size_t count;
};

#define MAP_INIT              \
	{                     \
		.slots = NULL \
	}
#define IDMAP_INIT            \
	{                     \
		.slots = NULL \
	}
#define CLEAN_MAP __attribute__((cleanup(map_release)))
#define CLEAN_IDMAP __attribute__((cleanup(idmap_release)))

void map_release(struct map *m);
/* Add, or replace the value of, `key`. -1: out of memory, nothing changed. */
int map_set(struct map *m, const char *key, void *value, struct err *e);
/* The value, or NULL. */
void *map_find(const struct map *m, const char *key);
/* Takes the key out and gives its value, or NULL. */
void *map_remove(struct map *m, const char *key);
/* Walk all, in no order: `size_t at = 0; while (map_next(m, &at, &key, &value))`. No change during the walk. */
bool map_next(const struct map *m, size_t *at, const char **key, void **value);

void idmap_release(struct idmap *m);
int idmap_set(struct idmap *m, int64_t id, void *value, struct err *e);
void *idmap_find(const struct idmap *m, int64_t id);
void *idmap_remove(struct idmap *m, int64_t id);
bool idmap_next(const struct idmap *m, size_t *at, int64_t *id, void **value);

#endif

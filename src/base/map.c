/* Open addressing with linear probing and deletion by shifting back: no tombstones, so a map that lives as long as
 * the process stays as fast as on its first day. */
#include "base/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/random.h"

enum { FIRST_CAP = 16 };

struct map_slot {
	char *key; /* NULL = free */
	uint64_t hash;
	void *value;
};

struct idmap_slot {
	int64_t id;
	void *value; /* NULL = free */
};

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void seed_make(void)
{
	if (random_bytes(seed, sizeof seed, NULL) < 0)
		seed[0] = (uint64_t)clock_boot_ns();
}

static uint64_t rotate(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotate(v[1], 13) ^ v[0];
	v[0] = rotate(v[0], 32);
	v[2] += v[3];
	v[3] = rotate(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotate(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotate(v[1], 17) ^ v[2];
	v[2] = rotate(v[2], 32);
}

/* SipHash-1-3. */
static uint64_t hash_key(const void *bytes, size_t n)
{
	pthread_once(&seed_once, seed_make);
	uint64_t v[4] = {
		seed[0] ^ UINT64_C(0x736f6d6570736575),
		seed[1] ^ UINT64_C(0x646f72616e646f6d),
		seed[0] ^ UINT64_C(0x6c7967656e657261),
		seed[1] ^ UINT64_C(0x7465646279746573),
	};
	const unsigned char *at = bytes;
	uint64_t word;
	size_t left = n;
	for (; left >= 8; left -= 8, at += 8) {
		memcpy(&word, at, 8);
		v[3] ^= word;
		sip_round(v);
		v[0] ^= word;
	}
	word = 0;
	memcpy(&word, at, left);
	word |= (uint64_t)n << 56;
	v[3] ^= word;
	sip_round(v);
	v[0] ^= word;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* The room a map of `cap` slots needs before it takes one more: at most three quarters are used. */
static size_t grown_cap(size_t cap, size_t count)
{
	if (cap == 0)
		return FIRST_CAP;
	return (count + 1) * 4 > cap * 3 ? cap * 2 : cap;
}

/* After `hole` was emptied: may what lies at `at` and belongs to `home` move into it? */
static bool may_shift(size_t hole, size_t at, size_t home)
{
	return hole <= at ? home <= hole || home > at : home <= hole && home > at;
}

void map_release(struct map *m)
{
	for (size_t i = 0; i < m->cap; i++)
		free(m->slots[i].key);
	free(m->slots);
	*m = (struct map)MAP_INIT;
}

/* The slot of `key`, or the free one where it would go. There is always a free one. */
static size_t map_slot_of(const struct map_slot *slots, size_t cap, uint64_t hash, const char *key)
{
	size_t i = hash & (cap - 1);
	while (slots[i].key && (slots[i].hash != hash || strcmp(slots[i].key, key) != 0))
		i = (i + 1) & (cap - 1);
	return i;
}

static int map_grow(struct map *m, size_t cap, struct err *e)
{
	struct map_slot *slots = calloc(cap, sizeof *slots);
	if (!slots)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].key)
			slots[map_slot_of(slots, cap, m->slots[i].hash, m->slots[i].key)] = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	return 0;
}

int map_set(struct map *m, const char *key, void *value, struct err *e)
{
	if (!value)
		return err_set(e, ERR_INTERNAL, "map: a value may not be NULL");
	size_t cap = grown_cap(m->cap, m->count);
	if (cap != m->cap && map_grow(m, cap, e) < 0)
		return -1;
	uint64_t hash = hash_key(key, strlen(key));
	struct map_slot *s = &m->slots[map_slot_of(m->slots, m->cap, hash, key)];
	if (!s->key) {
		s->key = strdup(key);
		if (!s->key)
			return err_set(e, ERR_NOMEM, "out of memory");
		s->hash = hash;
		m->count++;
	}
	s->value = value;
	return 0;
}

void *map_find(const struct map *m, const char *key)
{
	if (m->count == 0)
		return NULL;
	const struct map_slot *s = &m->slots[map_slot_of(m->slots, m->cap, hash_key(key, strlen(key)), key)];
	return s->key ? s->value : NULL;
}

void *map_remove(struct map *m, const char *key)
{
	if (m->count == 0)
		return NULL;
	size_t hole = map_slot_of(m->slots, m->cap, hash_key(key, strlen(key)), key);
	if (!m->slots[hole].key)
		return NULL;
	void *value = m->slots[hole].value;
	free(m->slots[hole].key);
	m->slots[hole] = (struct map_slot){ .key = NULL };
	m->count--;
	for (size_t at = (hole + 1) & (m->cap - 1); m->slots[at].key; at = (at + 1) & (m->cap - 1)) {
		if (!may_shift(hole, at, m->slots[at].hash & (m->cap - 1)))
			continue;
		m->slots[hole] = m->slots[at];
		m->slots[at] = (struct map_slot){ .key = NULL };
		hole = at;
	}
	return value;
}

bool map_next(const struct map *m, size_t *at, const char **key, void **value)
{
	while (*at < m->cap && !m->slots[*at].key)
		(*at)++;
	if (*at >= m->cap)
		return false;
	if (key)
		*key = m->slots[*at].key;
	if (value)
		*value = m->slots[*at].value;
	(*at)++;
	return true;
}

void idmap_release(struct idmap *m)
{
	free(m->slots);
	*m = (struct idmap)IDMAP_INIT;
}

static size_t idmap_home(size_t cap, int64_t id)
{
	return hash_key(&id, sizeof id) & (cap - 1);
}

static size_t idmap_slot_of(const struct idmap_slot *slots, size_t cap, int64_t id)
{
	size_t i = idmap_home(cap, id);
	while (slots[i].value && slots[i].id != id)
		i = (i + 1) & (cap - 1);
	return i;
}

static int idmap_grow(struct idmap *m, size_t cap, struct err *e)
{
	struct idmap_slot *slots = calloc(cap, sizeof *slots);
	if (!slots)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < m->cap; i++)
		if (m->slots[i].value)
			slots[idmap_slot_of(slots, cap, m->slots[i].id)] = m->slots[i];
	free(m->slots);
	m->slots = slots;
	m->cap = cap;
	return 0;
}

int idmap_set(struct idmap *m, int64_t id, void *value, struct err *e)
{
	if (!value)
		return err_set(e, ERR_INTERNAL, "map: a value may not be NULL");
	size_t cap = grown_cap(m->cap, m->count);
	if (cap != m->cap && idmap_grow(m, cap, e) < 0)
		return -1;
	struct idmap_slot *s = &m->slots[idmap_slot_of(m->slots, m->cap, id)];
	if (!s->value)
		m->count++;
	*s = (struct idmap_slot){ .id = id, .value = value };
	return 0;
}

void *idmap_find(const struct idmap *m, int64_t id)
{
	return m->count ? m->slots[idmap_slot_of(m->slots, m->cap, id)].value : NULL;
}

void *idmap_remove(struct idmap *m, int64_t id)
{
	if (m->count == 0)
		return NULL;
	size_t hole = idmap_slot_of(m->slots, m->cap, id);
	void *value = m->slots[hole].value;
	if (!value)
		return NULL;
	m->slots[hole] = (struct idmap_slot){ .value = NULL };
	m->count--;
	for (size_t at = (hole + 1) & (m->cap - 1); m->slots[at].value; at = (at + 1) & (m->cap - 1)) {
		if (!may_shift(hole, at, idmap_home(m->cap, m->slots[at].id)))
			continue;
		m->slots[hole] = m->slots[at];
		m->slots[at] = (struct idmap_slot){ .value = NULL };
		hole = at;
	}
	return value;
}

bool idmap_next(const struct idmap *m, size_t *at, int64_t *id, void **value)
{
	while (*at < m->cap && !m->slots[*at].value)
		(*at)++;
	if (*at >= m->cap)
		return false;
	if (id)
		*id = m->slots[*at].id;
	if (value)
		*value = m->slots[*at].value;
	(*at)++;
	return true;
}

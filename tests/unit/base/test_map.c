#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/map.h"

enum { KEYS = 700, STEPS = 60000 };

static char marks[KEYS + STEPS];

static void test_empty(void **state)
{
	CLEAN_MAP struct map m = MAP_INIT;
	CLEAN_IDMAP struct idmap ids = IDMAP_INIT;
	size_t at = 0;
	assert_null(map_find(&m, "a"));
	assert_null(map_remove(&m, "a"));
	assert_false(map_next(&m, &at, NULL, NULL));
	assert_null(idmap_find(&ids, 1));
	assert_null(idmap_remove(&ids, 1));
	assert_false(idmap_next(&ids, &at, NULL, NULL));
}

static void test_null_is_no_value(void **state)
{
	CLEAN_MAP struct map m = MAP_INIT;
	CLEAN_IDMAP struct idmap ids = IDMAP_INIT;
	struct err e = ERR_INIT;
	assert_int_equal(map_set(&m, "a", NULL, &e), -1);
	assert_int_equal(e.code, ERR_INTERNAL);
	assert_int_equal(idmap_set(&ids, 1, NULL, &e), -1);
	assert_int_equal(m.count + ids.count, 0);
}

static void test_keys_are_copied_and_replaced(void **state)
{
	CLEAN_MAP struct map m = MAP_INIT;
	char key[] = "key";
	assert_int_equal(map_set(&m, key, &marks[0], NULL), 0);
	key[0] = 'x';
	assert_ptr_equal(map_find(&m, "key"), &marks[0]);
	assert_int_equal(map_set(&m, "key", &marks[1], NULL), 0);
	assert_int_equal(m.count, 1);
	assert_ptr_equal(map_find(&m, "key"), &marks[1]);
	assert_int_equal(map_set(&m, "", &marks[2], NULL), 0);
	assert_ptr_equal(map_find(&m, ""), &marks[2]);
	assert_ptr_equal(map_remove(&m, "key"), &marks[1]);
	assert_null(map_find(&m, "key"));
}

/* A long random walk beside a plain table; both maps must agree with it at each step's key and in the end. */
static void test_random_walk_agrees_with_a_table(void **state)
{
	CLEAN_MAP struct map m = MAP_INIT;
	CLEAN_IDMAP struct idmap ids = IDMAP_INIT;
	void *table[KEYS] = { NULL };
	unsigned short rng[3] = { 1, 2, 3 };
	size_t live = 0;
	for (int step = 0; step < STEPS; step++) {
		size_t k = (size_t)nrand48(rng) % KEYS;
		char key[32];
		snprintf(key, sizeof key, "key number %zu", k);
		int64_t id = (int64_t)k * 64 - 5000;
		assert_ptr_equal(map_find(&m, key), table[k]);
		assert_ptr_equal(idmap_find(&ids, id), table[k]);
		/* Phases that mostly add and phases that mostly remove. */
		if ((size_t)nrand48(rng) % 4 < (step / 7000 % 2 ? 1 : 3)) {
			live += !table[k];
			table[k] = &marks[step];
			assert_int_equal(map_set(&m, key, table[k], NULL), 0);
			assert_int_equal(idmap_set(&ids, id, table[k], NULL), 0);
		} else {
			live -= !!table[k];
			assert_ptr_equal(map_remove(&m, key), table[k]);
			assert_ptr_equal(idmap_remove(&ids, id), table[k]);
			table[k] = NULL;
		}
		assert_int_equal(m.count, live);
		assert_int_equal(ids.count, live);
	}
	const char *key;
	void *value;
	int64_t id;
	size_t seen = 0;
	for (size_t at = 0; map_next(&m, &at, &key, &value); seen++)
		assert_ptr_equal(table[strtoul(key + 11, NULL, 10)], value);
	assert_int_equal(seen, live);
	seen = 0;
	for (size_t at = 0; idmap_next(&ids, &at, &id, &value); seen++)
		assert_ptr_equal(table[(id + 5000) / 64], value);
	assert_int_equal(seen, live);
}

static void test_extreme_ids(void **state)
{
	CLEAN_IDMAP struct idmap ids = IDMAP_INIT;
	static const int64_t all[] = { 0, -1, 1, INT64_MIN, INT64_MAX };
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(idmap_set(&ids, all[i], &marks[i], NULL), 0);
	for (size_t i = 0; i < 5; i++)
		assert_ptr_equal(idmap_remove(&ids, all[i]), &marks[i]);
	assert_int_equal(ids.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_null_is_no_value),
		cmocka_unit_test(test_keys_are_copied_and_replaced),
		cmocka_unit_test(test_random_walk_agrees_with_a_table),
		cmocka_unit_test(test_extreme_ids),
	};
	return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}

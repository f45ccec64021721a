#include "test.h"

#include <stdalign.h>
#include <string.h>

#include "base/arena.h"

static void test_memory_is_zeroed_and_aligned(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	for (size_t n = 1; n < 300; n++) {
		unsigned char *p = arena_alloc(&a, n);
		assert_non_null(p);
		assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
}

static void test_large_ones_do_not_end_the_current_block(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	char *first = arena_alloc(&a, 16);
	char *large = arena_alloc(&a, 1 << 20);
	char *second = arena_alloc(&a, 16);
	assert_non_null(large);
	memset(large, 1, 1 << 20);
	assert_ptr_equal(second, first + 16);
}

static void test_sizes_that_overflow_are_refused(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_alloc(&a, SIZE_MAX - 8));
	assert_null(arena_array(&a, SIZE_MAX / 2, 3));
	assert_null(arena_strndup(&a, "x", SIZE_MAX));
	assert_non_null(arena_array(&a, 10, 8));
}

static void test_texts(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	assert_string_equal(arena_strdup(&a, "one"), "one");
	assert_null(arena_strdup(&a, NULL));
	assert_string_equal(arena_strndup(&a, "three", 2), "th");
	assert_string_equal(arena_printf(&a, "%d-%s", 4, "five"), "4-five");
	assert_string_equal(arena_printf(&a, "%s", ""), "");
	assert_memory_equal(arena_memdup(&a, "a\0b", 3), "a\0b", 3);
	assert_non_null(arena_memdup(&a, NULL, 0));
}

static void test_release_twice(void **state)
{
	struct arena a = ARENA_INIT;
	arena_alloc(&a, 10);
	arena_release(&a);
	arena_release(&a);
	assert_null(a.blocks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_memory_is_zeroed_and_aligned),
		cmocka_unit_test(test_large_ones_do_not_end_the_current_block),
		cmocka_unit_test(test_sizes_that_overflow_are_refused),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_release_twice),
	};
	return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}

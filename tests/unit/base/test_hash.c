#include "test.h"

#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_known_answers(void **state)
{
	char hex[HASH_HEX_BYTES];
	hash_bytes("", 0, hex);
	assert_string_equal(hex, EMPTY);
	hash_bytes("abc", 3, hex);
	assert_string_equal(hex, ABC);
}

static void test_in_pieces(void **state)
{
	char hex[HASH_HEX_BYTES];
	struct hash *h = hash_new();
	hash_add(h, "a", 1);
	hash_add(h, "", 0);
	hash_add(h, "bc", 2);
	hash_finish(h, hex);
	assert_string_equal(hex, ABC);
	hash_free(hash_new());
	hash_free(NULL);
}

static void test_of_a_descriptor_from_its_start(void **state)
{
	CLEAN_FILE FILE *f = tmpfile();
	assert_non_null(f);
	struct err e = ERR_INIT;
	char block[7000], hex[HASH_HEX_BYTES], whole[HASH_HEX_BYTES];
	memset(block, 'x', sizeof block);
	struct hash *h = hash_new();
	for (int i = 0; i < 40; i++) {
		assert_int_equal(fd_write_all(fileno(f), block, sizeof block, &e), 0);
		hash_add(h, block, sizeof block);
	}
	hash_finish(h, whole);
	int64_t size;
	assert_int_equal(hash_fd(fileno(f), hex, &size, &e), 0);
	assert_string_equal(hex, whole);
	assert_true(size == 280000);
	/* The offset is not used and not moved. */
	assert_int_equal(lseek(fileno(f), 0, SEEK_CUR), 280000);
	assert_int_equal(hash_fd(-1, hex, NULL, &e), -1);
	assert_int_equal(e.code, ERR_SYSTEM);
}

static void test_is_hex(void **state)
{
	assert_true(hash_is_hex(ABC));
	assert_false(hash_is_hex(""));
	assert_false(hash_is_hex("abc"));
	assert_false(hash_is_hex(ABC "0"));
	assert_false(hash_is_hex("Ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
	assert_false(hash_is_hex("../816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
	assert_false(hash_is_hex(ABC "\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_answers),
		cmocka_unit_test(test_in_pieces),
		cmocka_unit_test(test_of_a_descriptor_from_its_start),
		cmocka_unit_test(test_is_hex),
	};
	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}

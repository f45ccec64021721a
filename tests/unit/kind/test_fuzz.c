/* The fuzz targets (tests/fuzz) over their seeds, and over seeds damaged at random places. The random numbers are the
 * same in every run. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/fd.h"

int fuzz_body(const uint8_t *data, size_t size);
int fuzz_feed(const uint8_t *data, size_t size);
int fuzz_result(const uint8_t *data, size_t size);
int fuzz_deb822(const uint8_t *data, size_t size);
int fuzz_recipe(const uint8_t *data, size_t size);
int fuzz_type_ini(const uint8_t *data, size_t size);
int fuzz_ansi(const uint8_t *data, size_t size);

#define LLVMFuzzerTestOneInput fuzz_body
#include "../../fuzz/fuzz_body.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_feed
#include "../../fuzz/fuzz_feed.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_result
#include "../../fuzz/fuzz_result.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_deb822
#include "../../fuzz/fuzz_deb822.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_recipe
#include "../../fuzz/fuzz_recipe.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_type_ini
#include "../../fuzz/fuzz_type_ini.c"
#undef LLVMFuzzerTestOneInput
#define LLVMFuzzerTestOneInput fuzz_ansi
#include "../../fuzz/fuzz_ansi.c"
#undef LLVMFuzzerTestOneInput

enum { ROUNDS = 300 };

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

/* A copy with some bytes changed, a piece left out, or a piece twice. */
static void damage(const struct buf *in, struct buf *out)
{
	static const char special[] = "\"{}[]:,\\\n\t -#/.=;\x1b\xff\xe2\0";
	size_t cut = in->len ? next_random() % in->len : 0, back = cut ? next_random() % cut : 0;
	buf_reset(out);
	buf_add(out, in->data, cut);
	if (next_random() % 3 == 0)
		buf_add(out, in->data + back, cut - back);
	size_t skip = next_random() % 4 ? 0 : next_random() % (in->len - cut + 1);
	buf_add(out, in->data + cut + skip, in->len - cut - skip);
	for (uint64_t n = next_random() % 4; n > 0 && out->len; n--)
		out->data[next_random() % out->len] = special[next_random() % sizeof special];
}

static void run_seed(int (*target)(const uint8_t *, size_t), const struct buf *bytes)
{
	CLEAN_BUF struct buf other = BUF_INIT;
	target((const uint8_t *)bytes->data, bytes->len);
	for (int i = 0; i < ROUNDS; i++) {
		damage(bytes, &other);
		/* A copy of the exact size, so that a read beyond its end is seen. */
		uint8_t *exact = malloc(other.len ? other.len : 1);
		assert_non_null(exact);
		memcpy(exact, other.data, other.len);
		target(exact, other.len);
		free(exact);
	}
}

static void run_folder(const char *name, int (*target)(const uint8_t *, size_t))
{
	CLEAN_BUF struct buf path = BUF_INIT;
	size_t seeds = 0;
	assert_non_null(getenv("SLIPWAY_SRC"));
	buf_addf(&path, "%s/tests/fuzz/seeds/%s", getenv("SLIPWAY_SRC"), name);
	CLEAN_DIR DIR *dir = opendir(path.data);
	if (!dir)
		fail_msg("no seeds in %s", path.data);
	for (struct dirent *entry; (entry = readdir(dir));) {
		CLEAN_BUF struct buf bytes = BUF_INIT;
		if (entry->d_name[0] == '.')
			continue;
		assert_int_equal(fd_read_file(dirfd(dir), entry->d_name, 1 << 20, &bytes, NULL), 0);
		run_seed(target, &bytes);
		seeds++;
	}
	assert_true(seeds > 0);
}

static void test_body(void **state)
{
	run_folder("body", fuzz_body);
}

static void test_feed(void **state)
{
	run_folder("feed", fuzz_feed);
}

static void test_result(void **state)
{
	run_folder("result", fuzz_result);
}

static void test_deb822(void **state)
{
	run_folder("deb822", fuzz_deb822);
}

static void test_recipe(void **state)
{
	run_folder("recipe", fuzz_recipe);
}

static void test_type_ini(void **state)
{
	run_folder("type_ini", fuzz_type_ini);
}

static void test_ansi(void **state)
{
	run_folder("ansi", fuzz_ansi);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_body),   cmocka_unit_test(test_feed),   cmocka_unit_test(test_result),
		cmocka_unit_test(test_deb822), cmocka_unit_test(test_recipe), cmocka_unit_test(test_type_ini),
		cmocka_unit_test(test_ansi),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "cli/dsc.h"
#include "cli/tree.h"
#include "test.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const char plain[] = "Format: 3.0 (quilt)\n"
			    "Source: hello\n"
			    "Version: 2.10-3\n"
			    "Checksums-Sha1:\n"
			    " 0123 5 ignored.tar.gz\n"
			    "Checksums-Sha256:\n"
			    " " SHA " 725946 hello_2.10.orig.tar.gz\n"
			    " " SHA " 13400 hello_2.10-3.debian.tar.xz\n"
			    "Files:\n"
			    " 0123 725946 other.tar.gz\n";

static void test_dsc(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct dsc d;
	struct err e = ERR_INIT;
	assert_int_equal(dsc_parse(plain, strlen(plain), &a, &d, &e), 0);
	assert_string_equal(d.source, "hello");
	assert_string_equal(d.version, "2.10-3");
	assert_int_equal(d.files_len, 2);
	assert_string_equal(d.files[0].name, "hello_2.10.orig.tar.gz");
	assert_int_equal(d.files[0].size_bytes, 725946);
	assert_string_equal(d.files[1].sha256, SHA);
}

static void test_signed_dsc(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct dsc d;
	struct err e = ERR_INIT;
	CLEAN_BUF struct buf text = BUF_INIT;
	buf_addf(&text,
		 "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n%s\n-----BEGIN PGP SIGNATURE-----\nx\n",
		 plain);
	assert_int_equal(dsc_parse(text.data, text.len, &a, &d, &e), 0);
	assert_string_equal(d.source, "hello");
	assert_int_equal(d.files_len, 2);
}

static void test_dsc_that_is_none(void **state)
{
	static const char *const bad[] = {
		"",
		"Source: x\nVersion: 1\n",
		"Version: 1\nChecksums-Sha256:\n " SHA " 5 a\n",
		"Source: x\nVersion: 1\nChecksums-Sha256:\n " SHA " 5 ../a\n",
		"Source: x\nVersion: 1\nChecksums-Sha256:\n " SHA " -5 a\n",
		"Source: x\nVersion: 1\nChecksums-Sha256:\n 0123 5 a\n",
		"Source: x\nVersion: 1\nChecksums-Sha256:\n " SHA "\n",
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct dsc d;
		struct err e = ERR_INIT;
		assert_int_equal(dsc_parse(bad[i], strlen(bad[i]), &a, &d, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
	}
}

/* ---- packing */

static char dir[64];

static void write_file(const char *name, const char *text)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_addf(&path, "%s/%s", dir, name);
	CLEAN_FD int fd = open(path.data, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	struct timespec times[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	assert_int_equal(futimens(fd, times), 0);
}

static void make_folder(const char *name)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_addf(&path, "%s/%s", dir, name);
	assert_int_equal(mkdir(path.data, 0755), 0);
}

static void set_folder_time(const char *name)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_addf(&path, "%s/%s", dir, name);
	struct timespec times[2] = { { .tv_sec = 1000000000 }, { .tv_sec = 1000000000 } };
	assert_int_equal(utimensat(AT_FDCWD, path.data, times, 0), 0);
}

static void fill(const char *const *names, size_t n)
{
	struct err e = ERR_INIT;
	assert_int_equal(fd_remove_tree(AT_FDCWD, dir, &e), 0);
	assert_int_equal(mkdir(dir, 0755), 0);
	make_folder("debian");
	for (size_t i = 0; i < n; i++)
		write_file(names[i], names[i]);
	set_folder_time("debian");
	set_folder_time(".");
}

static void pack(char hex[HASH_HEX_BYTES], int64_t *size)
{
	struct err e = ERR_INIT;
	CLEAN_FD int fd = tree_pack(dir, "source", &e);
	assert_string_equal(e.text, "");
	assert_true(fd >= 0);
	assert_int_equal(hash_fd(fd, hex, size, &e), 0);
}

static void test_packing_is_the_same_for_the_same(void **state)
{
	char first[HASH_HEX_BYTES], second[HASH_HEX_BYTES];
	int64_t size;
	fill((const char *const[]){ "a", "b", "debian/changelog", "debian/control" }, 4);
	pack(first, &size);
	fill((const char *const[]){ "debian/control", "b", "debian/changelog", "a" }, 4);
	pack(second, &size);
	assert_string_equal(first, second);
	write_file("a", "other");
	pack(second, &size);
	assert_string_not_equal(first, second);
}

static void test_packing_leaves_out_version_control(void **state)
{
	char first[HASH_HEX_BYTES], second[HASH_HEX_BYTES];
	int64_t size;
	fill((const char *const[]){ "a" }, 1);
	pack(first, &size);
	make_folder(".git");
	write_file(".git/config", "x");
	set_folder_time(".");
	pack(second, &size);
	assert_string_equal(first, second);
}

static void test_packing_refuses_what_is_no_file(void **state)
{
	struct err e = ERR_INIT;
	fill((const char *const[]){ "a" }, 1);
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_addf(&path, "%s/fifo", dir);
	assert_int_equal(mkfifo(path.data, 0644), 0);
	assert_int_equal(tree_pack(dir, "source", &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_non_null(strstr(e.text, "fifo"));
}

static int set_up(void **state)
{
	snprintf(dir, sizeof dir, "/tmp/slipway-test-source-XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	return fd_remove_tree(AT_FDCWD, dir, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dsc),
		cmocka_unit_test(test_signed_dsc),
		cmocka_unit_test(test_dsc_that_is_none),
		cmocka_unit_test(test_packing_is_the_same_for_the_same),
		cmocka_unit_test(test_packing_leaves_out_version_control),
		cmocka_unit_test(test_packing_refuses_what_is_no_file),
	};
	return cmocka_run_group_tests_name("source", tests, set_up, tear_down);
}

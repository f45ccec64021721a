#include "test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"

/* Each test has a fresh folder as *state: its descriptor and its path. */
struct place {
	int fd;
	char path[64];
};

static int make_place(void **state)
{
	struct place *p = calloc(1, sizeof *p);
	snprintf(p->path, sizeof p->path, "/tmp/slipway-test-XXXXXX");
	if (!mkdtemp(p->path))
		return -1;
	p->fd = open(p->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = p;
	return p->fd < 0 ? -1 : 0;
}

static int remove_place(void **state)
{
	struct place *p = *state;
	struct err e = ERR_INIT;
	close(p->fd);
	int got = fd_remove_tree(AT_FDCWD, p->path, &e);
	if (got < 0)
		print_error("%s\n", e.text);
	free(p);
	return got;
}

static void put(int at, const char *name, const char *text)
{
	CLEAN_FD int fd = openat(at, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static int is_there(int at, const char *name)
{
	return faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void test_read_file(void **state)
{
	const struct place *p = *state;
	CLEAN_BUF struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	put(p->fd, "f", "12345");
	buf_adds(&b, "0");
	assert_int_equal(fd_read_file(p->fd, "f", 5, &b, &e), 0);
	assert_string_equal(b.data, "012345");
	buf_reset(&b);
	assert_int_equal(fd_read_file(p->fd, "f", 4, &b, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
	assert_int_equal(b.len, 0);
	assert_int_equal(fd_read_file(p->fd, "none", 4, &b, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	put(p->fd, "empty", "");
	assert_int_equal(fd_read_file(p->fd, "empty", 0, &b, &e), 0);
	assert_int_equal(fd_read_file(p->fd, ".", 10, &b, &e), -1);
	/* A size that is a multiple of the piece it is read in. */
	assert_int_equal(fd_read_file(AT_FDCWD, "/dev/zero", 3 * 65536, &b, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

static void test_replace_file(void **state)
{
	const struct place *p = *state;
	CLEAN_BUF struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	struct stat st;
	assert_int_equal(mkdirat(p->fd, "d", 0755), 0);
	assert_int_equal(fd_replace_file(p->fd, "d/f", "one", 3, 0640, &e), 0);
	assert_int_equal(fd_replace_file(p->fd, "d/f", "two", 3, 0606, &e), 0);
	assert_int_equal(fd_read_file(p->fd, "d/f", 100, &b, &e), 0);
	assert_string_equal(b.data, "two");
	assert_int_equal(fstatat(p->fd, "d/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0606);
	assert_int_equal(fd_replace_file(p->fd, "none/f", "x", 1, 0600, &e), -1);
	assert_int_equal(fd_replace_file(p->fd, "d/", "x", 1, 0600, &e), -1);
	/* A folder can't be replaced, and nothing is left behind. */
	assert_int_equal(fd_replace_file(p->fd, "d", "x", 1, 0600, &e), -1);
	assert_int_equal(unlinkat(p->fd, "d/f", 0), 0);
	assert_int_equal(unlinkat(p->fd, "d", AT_REMOVEDIR), 0);
	CLEAN_DIR DIR *dir = opendir(p->path);
	int entries = 0;
	while (readdir(dir))
		entries++;
	assert_int_equal(entries, 2);
}

static void test_open_beneath(void **state)
{
	const struct place *p = *state;
	struct err e = ERR_INIT;
	assert_int_equal(mkdirat(p->fd, "d", 0755), 0);
	put(p->fd, "d/f", "x");
	assert_int_equal(symlinkat("f", p->fd, "d/link"), 0);
	assert_int_equal(symlinkat("..", p->fd, "d/up"), 0);
	CLEAN_FD int good = fd_open_beneath(p->fd, "d/f", O_RDONLY, &e);
	assert_true(good >= 0);
	assert_true(fcntl(good, F_GETFD) & FD_CLOEXEC);
	CLEAN_FD int made = fd_open_beneath(p->fd, "d/new", O_WRONLY | O_CREAT | O_EXCL, &e);
	assert_true(made >= 0);
	CLEAN_FD int folder = fd_open_beneath(p->fd, "d", O_RDONLY | O_DIRECTORY, &e);
	assert_true(folder >= 0);
	assert_int_equal(fd_open_beneath(p->fd, "d/link", O_RDONLY, &e), -1);
	assert_int_equal(fd_open_beneath(p->fd, "d/up/d/f", O_RDONLY, &e), -1);
	assert_int_equal(fd_open_beneath(folder, "../d/f", O_RDONLY, &e), -1);
	assert_int_equal(fd_open_beneath(p->fd, "/etc/passwd", O_RDONLY, &e), -1);
	assert_int_equal(fd_open_beneath(p->fd, "", O_RDONLY, &e), -1);
	assert_int_equal(fd_open_beneath(p->fd, "none", O_RDONLY, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
}

static void test_mkdirs(void **state)
{
	const struct place *p = *state;
	struct err e = ERR_INIT;
	char path[128];
	snprintf(path, sizeof path, "%s/a//b/c/", p->path);
	assert_int_equal(fd_mkdirs(path, 0755, &e), 0);
	assert_true(is_there(p->fd, "a/b/c"));
	assert_int_equal(fd_mkdirs(path, 0755, &e), 0);
	assert_int_equal(fd_mkdirs("/", 0755, &e), 0);
	put(p->fd, "file", "");
	snprintf(path, sizeof path, "%s/file", p->path);
	assert_int_equal(fd_mkdirs(path, 0755, &e), -1);
	snprintf(path, sizeof path, "%s/file/under", p->path);
	assert_int_equal(fd_mkdirs(path, 0755, &e), -1);
	assert_int_equal(fd_mkdirs("", 0755, &e), -1);
}

static void test_remove_tree_simple(void **state)
{
	const struct place *p = *state;
	struct err e = ERR_INIT;
	assert_int_equal(fd_remove_tree(p->fd, "none", &e), 0);
	put(p->fd, "file", "x");
	assert_int_equal(fd_remove_tree(p->fd, "file", &e), 0);
	assert_false(is_there(p->fd, "file"));
	assert_int_equal(mkdirat(p->fd, "empty", 0755), 0);
	assert_int_equal(fd_remove_tree(p->fd, "empty", &e), 0);
	assert_false(is_there(p->fd, "empty"));
}

static void test_remove_tree_follows_no_link(void **state)
{
	const struct place *p = *state;
	struct err e = ERR_INIT;
	assert_int_equal(mkdirat(p->fd, "kept", 0755), 0);
	put(p->fd, "kept/file", "x");
	assert_int_equal(mkdirat(p->fd, "t", 0755), 0);
	assert_int_equal(symlinkat("../kept", p->fd, "t/link"), 0);
	assert_int_equal(symlinkat("/", p->fd, "t/root"), 0);
	assert_int_equal(mkdirat(p->fd, "t/\n \xff", 0755), 0);
	put(p->fd, "t/\n \xff/-rf", "x");
	assert_int_equal(fd_remove_tree(p->fd, "t", &e), 0);
	assert_false(is_there(p->fd, "t"));
	assert_true(is_there(p->fd, "kept/file"));
	assert_int_equal(symlinkat("kept", p->fd, "top"), 0);
	assert_int_equal(fd_remove_tree(p->fd, "top", &e), 0);
	assert_true(is_there(p->fd, "kept/file"));
}

static void test_remove_tree_wide_and_locked(void **state)
{
	const struct place *p = *state;
	struct err e = ERR_INIT;
	char name[64];
	assert_int_equal(mkdirat(p->fd, "t", 0755), 0);
	for (int i = 0; i < 50; i++) {
		snprintf(name, sizeof name, "t/d%d", i);
		assert_int_equal(mkdirat(p->fd, name, 0755), 0);
		for (int j = 0; j < 20; j++) {
			snprintf(name, sizeof name, "t/d%d/f%d", i, j);
			put(p->fd, name, "");
		}
		/* Folders without any permission, as a careless job leaves them. */
		snprintf(name, sizeof name, "t/d%d", i);
		assert_int_equal(fchmodat(p->fd, name, i % 2 ? 0 : 0500, 0), 0);
	}
	assert_int_equal(fd_remove_tree(p->fd, "t", &e), 0);
	assert_false(is_there(p->fd, "t"));
}

/* Deeper than descriptors and PATH_MAX reach. */
static void test_remove_tree_deep(void **state)
{
	const struct place *p = *state;
	struct err e = ERR_INIT;
	enum { DEPTH = 3000 };
	int at = dup(p->fd);
	for (int i = 0; i < DEPTH; i++) {
		assert_int_equal(mkdirat(at, "deep", 0755), 0);
		int next = openat(at, "deep", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		assert_true(next >= 0);
		close(at);
		at = next;
	}
	put(at, "bottom", "x");
	close(at);
	struct rlimit before, few;
	getrlimit(RLIMIT_NOFILE, &before);
	few = before;
	few.rlim_cur = 40;
	setrlimit(RLIMIT_NOFILE, &few);
	int got = fd_remove_tree(p->fd, "deep", &e);
	setrlimit(RLIMIT_NOFILE, &before);
	if (got < 0)
		fail_msg("%s", e.text);
	assert_false(is_there(p->fd, "deep"));
}

static void test_nonblocking(void **state)
{
	int ends[2];
	char c;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fd_set_nonblocking(ends[0], NULL), 0);
	assert_int_equal(read(ends[0], &c, 1), -1);
	assert_int_equal(errno, EAGAIN);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(fd_set_nonblocking(-1, NULL), -1);
}

static void test_read_full_stops_at_the_end(void **state)
{
	int ends[2];
	char bytes[8];
	size_t got;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(fd_write_all(ends[1], "abc", 3, NULL), 0);
	close(ends[1]);
	assert_int_equal(fd_read_full(ends[0], bytes, sizeof bytes, &got, NULL), 0);
	assert_int_equal(got, 3);
	assert_memory_equal(bytes, "abc", 3);
	close(ends[0]);
	assert_int_equal(fd_read_full(-1, bytes, 1, &got, NULL), -1);
	assert_int_equal(fd_write_all(-1, "x", 1, NULL), -1);
	assert_int_equal(fd_write_all(-1, "", 0, NULL), 0);
}

#define IN_PLACE(f) cmocka_unit_test_setup_teardown(f, make_place, remove_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_PLACE(test_read_file),
		IN_PLACE(test_replace_file),
		IN_PLACE(test_open_beneath),
		IN_PLACE(test_mkdirs),
		IN_PLACE(test_remove_tree_simple),
		IN_PLACE(test_remove_tree_follows_no_link),
		IN_PLACE(test_remove_tree_wide_and_locked),
		IN_PLACE(test_remove_tree_deep),
		cmocka_unit_test(test_nonblocking),
		cmocka_unit_test(test_read_full_stops_at_the_end),
	};
	return cmocka_run_group_tests_name("fd", tests, NULL, NULL);
}

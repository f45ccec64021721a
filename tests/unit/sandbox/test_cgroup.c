/* Which of the kernel's three arrangements of control groups a machine has, found in a made-up one. */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "sandbox/cgroup.h"

struct tree {
	char dir[64];
	struct buf mounts, own;
	struct cgroup c;
};

static void make_folders(const struct tree *t, const char *path)
{
	char full[256];
	snprintf(full, sizeof full, "%s/%s", t->dir, path);
	for (char *p = full + strlen(t->dir) + 1; (p = strchr(p, '/')) != NULL; p++) {
		*p = '\0';
		mkdir(full, 0755);
		*p = '/';
	}
	mkdir(full, 0755);
}

static void make_file(const struct tree *t, const char *path, const char *text)
{
	char full[256];
	snprintf(full, sizeof full, "%s/%s", t->dir, path);
	CLEAN_FD int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text), NULL), 0);
}

static int set_up(void **state)
{
	struct tree *t = calloc(1, sizeof *t);
	snprintf(t->dir, sizeof t->dir, "/tmp/slipway-test-XXXXXX");
	buf_init(&t->mounts);
	buf_init(&t->own);
	*state = t;
	return mkdtemp(t->dir) ? 0 : -1;
}

static int tear_down(void **state)
{
	struct tree *t = *state;
	fd_remove_tree(AT_FDCWD, t->dir, NULL);
	buf_release(&t->mounts);
	buf_release(&t->own);
	free(t);
	return 0;
}

/* A v2 tree in which this process is in GROUP; the folder that will be made is there with its files already. */
static void add_v2(struct tree *t, const char *group, const char *controllers)
{
	char path[128];
	buf_addf(&t->mounts, "cgroup2 %s/v2 cgroup2 rw,nosuid,nsdelegate 0 0\n", t->dir);
	buf_addf(&t->own, "0::/%s\n", group);
	snprintf(path, sizeof path, "v2/%s/slipway-x", group);
	make_folders(t, path);
	snprintf(path, sizeof path, "v2/%s/slipway-x/cgroup.kill", group);
	make_file(t, path, "");
	snprintf(path, sizeof path, "v2/%s/slipway-x/cgroup.subtree_control", group);
	make_file(t, path, "");
	snprintf(path, sizeof path, "v2/%s/slipway-x/cgroup.controllers", group);
	make_file(t, path, controllers);
}

static void add_v1(struct tree *t, const char *controller, const char *group)
{
	char path[128];
	buf_addf(&t->mounts, "cgroup %s/%s cgroup rw,relatime,%s 0 0\n", t->dir, controller, controller);
	buf_addf(&t->own, "7:%s:/%s\n", controller, group);
	snprintf(path, sizeof path, "%s/%s", controller, group);
	make_folders(t, path);
}

static void find(struct tree *t)
{
	cgroup_open_from(&t->c, "x", t->mounts.data ? t->mounts.data : "", t->own.data ? t->own.data : "");
}

static void assert_home(const struct tree *t, const char *home, const char *expected)
{
	char full[256] = "";
	if (expected)
		snprintf(full, sizeof full, "%s/%s", t->dir, expected);
	assert_string_equal(home, full);
}

static void test_none(void **state)
{
	struct tree *t = *state;
	find(t);
	assert_int_equal(t->c.mode, CGROUP_NONE);
	assert_false(t->c.is_memory || t->c.is_pids || t->c.is_killing);
	/* A line of ours whose tree is not mounted. */
	buf_adds(&t->own, "0::/system.slice\n3:memory:/x\n");
	find(t);
	assert_int_equal(t->c.mode, CGROUP_NONE);
}

static void test_v2_alone(void **state)
{
	struct tree *t = *state;
	add_v2(t, "system.slice/slipway.service", "cpu memory pids\n");
	find(t);
	assert_int_equal(t->c.mode, CGROUP_V2);
	assert_true(t->c.is_killing && t->c.is_memory && t->c.is_pids && t->c.is_v2_cpu);
	assert_home(t, t->c.cpu, NULL);
	assert_home(t, t->c.v2, "v2/system.slice/slipway.service/slipway-x");
	assert_home(t, t->c.memory, NULL);
	assert_home(t, t->c.pids, NULL);
}

static void test_v2_without_controllers(void **state)
{
	struct tree *t = *state;
	add_v2(t, "", "memory_recursive hugetlb\n");
	find(t);
	assert_int_equal(t->c.mode, CGROUP_V2);
	assert_true(t->c.is_killing);
	assert_false(t->c.is_memory || t->c.is_pids);
}

static void test_v1_alone(void **state)
{
	struct tree *t = *state;
	add_v1(t, "memory", "user.slice");
	add_v1(t, "pids", "user.slice");
	add_v1(t, "cpu", "user.slice");
	find(t);
	assert_int_equal(t->c.mode, CGROUP_V1);
	assert_home(t, t->c.cpu, "cpu/user.slice/slipway-x");
	assert_true(t->c.is_memory && t->c.is_pids);
	assert_false(t->c.is_killing);
	assert_home(t, t->c.memory, "memory/user.slice/slipway-x");
	assert_home(t, t->c.pids, "pids/user.slice/slipway-x");
}

/* One of two controllers is all there is. */
static void test_v1_without_pids(void **state)
{
	struct tree *t = *state;
	add_v1(t, "memory", "");
	find(t);
	assert_int_equal(t->c.mode, CGROUP_V1);
	assert_true(t->c.is_memory);
	assert_false(t->c.is_pids);
}

static void test_hybrid(void **state)
{
	struct tree *t = *state;
	add_v1(t, "memory", "");
	add_v1(t, "pids", "");
	add_v2(t, "", "\n");
	find(t);
	assert_int_equal(t->c.mode, CGROUP_HYBRID);
	assert_true(t->c.is_killing && t->c.is_memory && t->c.is_pids);
	assert_home(t, t->c.v2, "v2/slipway-x");
	assert_home(t, t->c.memory, "memory/slipway-x");
}

/* /proc/self/cgroup may tell where we are outside: then the mount's root is ours. */
static void test_in_a_container(void **state)
{
	struct tree *t = *state;
	add_v1(t, "memory", "");
	buf_reset(&t->own);
	buf_adds(&t->own, "4:memory:/docker/0123456789\n");
	find(t);
	assert_int_equal(t->c.mode, CGROUP_V1);
	assert_home(t, t->c.memory, "memory/slipway-x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_v2_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_v2_without_controllers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_v1_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_v1_without_pids, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hybrid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_in_a_container, set_up, tear_down),
	};
	return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}

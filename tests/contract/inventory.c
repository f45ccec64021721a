#include "inventory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"

enum { PROCESSES_MAX = 32768, SETTLE_MS = 10000, LINE_BYTES = 4096 };

struct process {
	int pid, parent;
	char name[32];
	bool is_ours;
};

/* One look at /proc. */
struct look {
	struct process *list;
	size_t len;
};

void inventory_adopt(void)
{
	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
}

static void __attribute__((format(printf, 2, 3))) add(struct inventory *v, const char *fmt, ...)
{
	if (v->len == v->cap) {
		v->cap = v->cap ? v->cap * 2 : 256;
		v->lines = realloc(v->lines, v->cap * sizeof *v->lines);
		assert_non_null(v->lines);
	}
	va_list ap;
	va_start(ap, fmt);
	assert_true(vasprintf(&v->lines[v->len++], fmt, ap) >= 0);
	va_end(ap);
}

void inventory_release(struct inventory *v)
{
	for (size_t i = 0; i < v->len; i++)
		free(v->lines[i]);
	free(v->lines);
	*v = (struct inventory)INVENTORY_INIT;
}

static bool read_process(const char *pid, struct process *p)
{
	char path[300];
	CLEAN_BUF struct buf text = BUF_INIT;
	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	if (fd_read_file(AT_FDCWD, path, 1 << 16, &text, NULL) < 0 || !text.len)
		return false;
	const char *from = strchr(text.data, '('), *to = strrchr(text.data, ')');
	*p = (struct process){ .pid = (int)strtol(pid, NULL, 10) };
	if (!from || !to)
		return false;
	snprintf(p->name, sizeof p->name, "%.*s", (int)(to - from - 1), from + 1);
	return sscanf(to + 1, " %*c %d", &p->parent) == 1;
}

static const struct process *find(const struct look *l, int pid)
{
	for (size_t i = 0; i < l->len; i++)
		if (l->list[i].pid == pid)
			return &l->list[i];
	return NULL;
}

static bool is_descendant(const struct look *l, const struct process *p)
{
	for (int depth = 0; p && depth < 1000; depth++, p = find(l, p->parent))
		if (p->parent == getpid())
			return true;
	return false;
}

static bool read_mounts(int pid, struct buf *text)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/mountinfo", pid);
	return fd_read_file(AT_FDCWD, path, 4 << 20, text, NULL) == 0;
}

static void take_look(struct look *l, const char *work_dir)
{
	l->list = calloc(PROCESSES_MAX, sizeof *l->list);
	l->len = 0;
	assert_non_null(l->list);
	CLEAN_DIR DIR *d = opendir("/proc");
	for (struct dirent *entry; d && l->len < PROCESSES_MAX && (entry = readdir(d)) != NULL;)
		if (isdigit((unsigned char)entry->d_name[0]))
			l->len += read_process(entry->d_name, &l->list[l->len]);
	for (size_t i = 0; i < l->len; i++) {
		struct process *p = &l->list[i];
		CLEAN_BUF struct buf mounts = BUF_INIT;
		p->is_ours = p->pid != getpid() && (is_descendant(l, p) || (read_mounts(p->pid, &mounts) &&
									    strstr(mounts.data, work_dir)));
	}
}

/* true: it is another than ours. */
static bool read_namespace(int pid, const char *name, char out[64])
{
	char path[64], own[64];
	snprintf(path, sizeof path, "/proc/self/ns/%s", name);
	ssize_t n = readlink(path, own, sizeof own - 1);
	own[n < 0 ? 0 : n] = '\0';
	snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, name);
	n = readlink(path, out, 63);
	if (n < 0 && errno == EACCES)
		n = snprintf(out, 64, "%s:unreadable", name);
	out[n < 0 ? 0 : n] = '\0';
	return n > 0 && strcmp(own, out) != 0;
}

static void add_mounts(struct inventory *v, int pid, const char *where, const char *only)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	if (!read_mounts(pid, &text))
		return;
	for (char *save = NULL, *line = strtok_r(text.data, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char root[LINE_BYTES], at[LINE_BYTES];
		const char *type = strstr(line, " - ");
		if ((!only || strstr(line, only)) && type &&
		    sscanf(line, "%*d %*d %*s %4095s %4095s", root, at) == 2)
			add(v, "mount %s %s %s%s", where, root, at, type);
	}
}

static bool has_line(const struct inventory *v, const char *line)
{
	for (size_t i = 0; i < v->len; i++)
		if (strcmp(v->lines[i], line) == 0)
			return true;
	return false;
}

static void add_namespaces(struct inventory *v, const struct process *p)
{
	static const char *const names[] = { "mnt", "pid", "ipc", "uts", "net", "user", "cgroup" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char link[64], line[80];
		if (!read_namespace(p->pid, names[i], link))
			continue;
		snprintf(line, sizeof line, "namespace %s", link);
		if (has_line(v, line))
			continue;
		add(v, "%s", line);
		if (i == 0)
			add_mounts(v, p->pid, link, NULL);
	}
}

/* Numbers of pipes, sockets and deleted files differ from one time to the next. */
static void blur_digits(char *text)
{
	char *to = text;
	for (const char *from = text; *from; from++) {
		bool is_after = to > text && to[-1] == '#';
		/* "s3.7" is as "s3": a group's generation. */
		if (isdigit((unsigned char)*from) && !is_after)
			*to++ = '#';
		else if (!isdigit((unsigned char)*from) &&
			 !(*from == '.' && is_after && isdigit((unsigned char)from[1])))
			*to++ = *from;
	}
	*to = '\0';
}

static void add_descriptors(struct inventory *v, const struct process *p)
{
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/fd", p->pid);
	CLEAN_DIR DIR *d = opendir(path);
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) {
		char target[LINE_BYTES];
		ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof target - 1);
		if (n < 0)
			continue;
		target[n] = '\0';
		blur_digits(target);
		add(v, "fd %s %s", p->name, target);
	}
}

static void add_files(struct inventory *v, const char *path)
{
	CLEAN_DIR DIR *d = opendir(path);
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) {
		char sub[LINE_BYTES];
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, entry->d_name);
		add(v, "file %s", sub);
		if (entry->d_type == DT_DIR)
			add_files(v, sub);
	}
}

/* A group that was killed once is replaced by one of the next generation, "s3.7". */
static void blur_generation(char *path)
{
	char *name = strrchr(path, '/');
	char *dot = name ? strchr(name, '.') : NULL;
	if (dot && name[1] == 's' && isdigit((unsigned char)name[2]))
		*dot = '\0';
}

static void add_groups(struct inventory *v, const char *path, const char *group, bool is_inside, int depth)
{
	CLEAN_DIR DIR *d = depth < 8 ? opendir(path) : NULL;
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) {
		char sub[LINE_BYTES], shown[LINE_BYTES];
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, entry->d_name);
		bool is_ours = is_inside || strcmp(entry->d_name, group) == 0;
		memcpy(shown, sub, sizeof shown);
		blur_generation(shown);
		if (is_ours)
			add(v, "group %s", shown);
		add_groups(v, sub, group, is_ours, depth + 1);
	}
}

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

void inventory_take(struct inventory *v, const char *work_dir, const char *group)
{
	struct look l;
	struct process self = { .pid = getpid(), .name = "self" };
	inventory_release(v);
	take_look(&l, work_dir);
	for (size_t i = 0; i < l.len; i++) {
		if (!l.list[i].is_ours)
			continue;
		add(v, "process %d %s", l.list[i].pid, l.list[i].name);
		add_namespaces(v, &l.list[i]);
		add_descriptors(v, &l.list[i]);
	}
	free(l.list);
	add_mounts(v, getpid(), "own", work_dir);
	add_descriptors(v, &self);
	add_groups(v, "/sys/fs/cgroup", group, false, 0);
	add_files(v, work_dir);
	qsort(v->lines, v->len, sizeof *v->lines, by_text);
}

size_t inventory_count(const struct inventory *v, const char *sort)
{
	size_t n = 0;
	for (size_t i = 0; i < v->len; i++)
		n += strncmp(v->lines[i], sort, strlen(sort)) == 0 && v->lines[i][strlen(sort)] == ' ';
	return n;
}

/* What is in one alone, "+" in the second; NULL `out` only asks. Both are sorted. */
static bool differ(const struct inventory *a, const struct inventory *b, struct buf *out)
{
	bool is_different = false;
	for (size_t i = 0, j = 0; i < a->len || j < b->len;) {
		int c = i == a->len ? 1 : j == b->len ? -1 : strcmp(a->lines[i], b->lines[j]);
		if (c && out && out->len < 4000)
			buf_addf(out, "%c %s\n", c < 0 ? '-' : '+', c < 0 ? a->lines[i] : b->lines[j]);
		is_different |= c != 0;
		i += c <= 0;
		j += c >= 0;
	}
	return is_different;
}

bool inventory_is_same(const struct inventory *before, const char *work_dir, const char *group,
		       bool is_reaping, struct buf *difference)
{
	CLEAN_INVENTORY struct inventory now = INVENTORY_INIT;
	int64_t until = clock_boot_ms() + SETTLE_MS;
	for (;;) {
		while (is_reaping && waitpid(-1, NULL, WNOHANG) > 0)
			continue;
		inventory_take(&now, work_dir, group);
		if (!differ(before, &now, NULL))
			return true;
		if (clock_boot_ms() > until)
			break;
		poll(NULL, 0, 10);
	}
	differ(before, &now, difference);
	return false;
}

void inventory_assert_same(const struct inventory *before, const char *work_dir, const char *group,
			   bool is_reaping)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	if (!inventory_is_same(before, work_dir, group, is_reaping, &text))
		fail_msg("not as it was:\n%s", text.data);
}

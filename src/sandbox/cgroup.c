#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"

enum { FILE_MAX = 1 << 20 };

static int write_text(int dirfd, const char *path, const char *text)
{
	CLEAN_FD int fd = openat(dirfd, path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	return write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static int write_in(const char *dir, const char *name, const char *text)
{
	CLEAN_FD int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : write_text(fd, name, text);
}

static bool read_in(int dirfd, const char *path, struct buf *out)
{
	buf_reset(out);
	return fd_read_file(dirfd, path, FILE_MAX, out, NULL) == 0;
}

/* Where `controller` ("" = the v2 tree) is mounted, and our own group in it: "MOUNT/OWN". false: not there. */
static bool find_own(const char *mounts, const char *own, const char *controller, char out[PATH_MAX])
{
	char want[64];
	snprintf(want, sizeof want, ":%s:", controller);
	const char *line = strstr(own, want);
	if (!*controller) {
		for (line = own; line && strncmp(line, "0::", 3) != 0;)
			line = (line = strchr(line, '\n')) ? line + 1 : NULL;
		if (line)
			line++;
	}
	if (!line)
		return false;
	const char *path = line + strlen(want);
	int path_len = (int)strcspn(path, "\n");
	if (path_len == 1)
		path_len = 0;
	for (const char *m = mounts; m && *m; m = (m = strchr(m, '\n')) ? m + 1 : NULL) {
		char where[PATH_MAX], type[64], options[512];
		if (sscanf(m, "%*s %4095s %63s %511s", where, type, options) != 3)
			continue;
		if (!*controller ? strcmp(type, "cgroup2") != 0 : strcmp(type, "cgroup") != 0)
			continue;
		if (*controller) {
			char *save = NULL;
			const char *o = strtok_r(options, ",", &save);
			while (o && strcmp(o, controller) != 0)
				o = strtok_r(NULL, ",", &save);
			if (!o)
				continue;
		}
		int n = snprintf(out, PATH_MAX, "%s%.*s", where, path_len, path);
		/* In a container the path may be one of the outside; the mount's root is ours then. */
		if (n > 0 && n < PATH_MAX && access(out, W_OK) == 0)
			return true;
		n = snprintf(out, PATH_MAX, "%s", where);
		return n > 0 && n < PATH_MAX && access(out, W_OK) == 0;
	}
	return false;
}

/* dir/slipway-TAG; "" if it cannot be made. */
static void make_home(char dir[PATH_MAX], const char *tag)
{
	char home[PATH_MAX];
	int n = snprintf(home, sizeof home, "%s/slipway-%s", dir, tag);
	if (n < 0 || n >= PATH_MAX - 64 || (mkdir(home, 0755) < 0 && errno != EEXIST)) {
		dir[0] = '\0';
		return;
	}
	memcpy(dir, home, (size_t)n + 1);
}

enum { V1_SHARES = 1024 }; /* what every group has unless told otherwise */

/* Controllers reach our groups only if our own group passes them on, which v2 refuses while it has processes
 * itself (but for the root). A service with Delegate= may move itself into a leaf to allow it. */
static void pass_on_controllers(const char *own)
{
	static const char *const want[] = { "+memory", "+pids", "+cpu" };
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		if (write_in(own, "cgroup.subtree_control", want[i]) == 0 || errno != EBUSY)
			continue;
		char leaf[PATH_MAX];
		int n = snprintf(leaf, sizeof leaf, "%s/slipway-main", own);
		if (n < 0 || n >= PATH_MAX || (mkdir(leaf, 0755) < 0 && errno != EEXIST))
			return;
		if (write_in(leaf, "cgroup.procs", "0") == 0)
			write_in(own, "cgroup.subtree_control", want[i]);
	}
}

static bool has_word(const char *text, const char *word)
{
	size_t n = strlen(word);
	for (const char *p = text; (p = strstr(p, word)) != NULL; p += n)
		if ((p == text || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\n' || p[n] == '\0'))
			return true;
	return false;
}

static void open_v2(struct cgroup *c, const char *tag)
{
	char own[PATH_MAX];
	snprintf(own, sizeof own, "%s", c->v2);
	pass_on_controllers(own);
	make_home(c->v2, tag);
	if (!*c->v2)
		return;
	CLEAN_FD int home = open(c->v2, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_BUF struct buf text = BUF_INIT;
	c->is_killing = home >= 0 && faccessat(home, "cgroup.kill", W_OK, 0) == 0;
	c->is_cpu = home >= 0 && faccessat(home, "cpu.stat", R_OK, 0) == 0;
	if (home < 0 || !read_in(home, "cgroup.controllers", &text))
		return;
	c->is_v2_memory = has_word(text.data, "memory") &&
			  write_text(home, "cgroup.subtree_control", "+memory") == 0;
	c->is_v2_pids = has_word(text.data, "pids") &&
			write_text(home, "cgroup.subtree_control", "+pids") == 0;
	c->is_v2_cpu = has_word(text.data, "cpu") && write_text(home, "cgroup.subtree_control", "+cpu") == 0;
}

void cgroup_open(struct cgroup *c, const char *tag)
{
	CLEAN_BUF struct buf mounts = BUF_INIT;
	CLEAN_BUF struct buf own = BUF_INIT;
	if (read_in(AT_FDCWD, "/proc/mounts", &mounts) && read_in(AT_FDCWD, "/proc/self/cgroup", &own))
		cgroup_open_from(c, tag, mounts.data, own.data);
	else
		memset(c, 0, sizeof *c);
}

static void open_v1_home(const char *mounts, const char *own, const char *tag, const char *controller,
			 char home[PATH_MAX])
{
	if (find_own(mounts, own, controller, home))
		make_home(home, tag);
	else
		home[0] = '\0';
}

void cgroup_open_from(struct cgroup *c, const char *tag, const char *mounts, const char *own)
{
	memset(c, 0, sizeof *c);
	if (find_own(mounts, own, "", c->v2))
		open_v2(c, tag);
	if (!c->is_v2_memory)
		open_v1_home(mounts, own, tag, "memory", c->memory);
	if (!c->is_v2_pids)
		open_v1_home(mounts, own, tag, "pids", c->pids);
	if (!c->is_v2_cpu)
		open_v1_home(mounts, own, tag, "cpu", c->cpu);
	bool is_v1 = *c->memory || *c->pids || *c->cpu;
	c->mode = *c->v2 ? is_v1 ? CGROUP_HYBRID : CGROUP_V2 : is_v1 ? CGROUP_V1 : CGROUP_NONE;
	c->is_memory = c->is_v2_memory || *c->memory;
	c->is_pids = c->is_v2_pids || *c->pids;
}

const char *cgroup_mode_name(enum cgroup_mode m)
{
	static const char *const names[] = { "none", "v1", "hybrid", "v2" };
	return names[m];
}

/* dir/NAME made and opened; -1 with errno. */
static int make_group(const char *dir, const char *name)
{
	CLEAN_FD int home = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (home < 0 || (mkdirat(home, name, 0755) < 0 && errno != EEXIST))
		return -1;
	return openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int cgroup_slot(struct cgroup *c, int slot)
{
	char name[32];
	snprintf(name, sizeof name, "s%d", slot);
	return c->is_killing ? make_group(c->v2, name) : -1;
}

static int set_number(int dirfd, const char *file, int64_t value)
{
	char text[32];
	snprintf(text, sizeof text, "%lld", (long long)value);
	return write_text(dirfd, file, text);
}

static int open_v1(const char *home, const char *name, const char *file, int64_t value, int *procs,
		   struct err *e)
{
	CLEAN_FD int dir = make_group(home, name);
	if (dir < 0)
		return err_sys(e, "make control group %s/%s", home, name);
	if (set_number(dir, file, value) < 0)
		return err_sys(e, "set %s to %lld", file, (long long)value);
	/* Swap would make the limit on memory one that never bites; absent where swap is not accounted. */
	if (strcmp(file, "memory.limit_in_bytes") == 0)
		set_number(dir, "memory.memsw.limit_in_bytes", value);
	*procs = openat(dir, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	return *procs < 0 ? err_sys(e, "open cgroup.procs") : 0;
}

static int open_v2_limits(struct cgroup *c, const char *name, int64_t memory, int64_t pids, int *dir,
			  struct err *e)
{
	*dir = make_group(c->v2, name);
	if (*dir < 0)
		return err_sys(e, "make control group %s/%s", c->v2, name);
	if (memory && c->is_v2_memory) {
		if (set_number(*dir, "memory.max", memory) < 0)
			return err_sys(e, "set memory.max");
		write_text(*dir, "memory.swap.max", "0");
	}
	if (pids && c->is_v2_pids && set_number(*dir, "pids.max", pids) < 0)
		return err_sys(e, "set pids.max");
	return 0;
}

int cgroup_limits_open(struct cgroup *c, const struct cgroup_wish *w, struct cgroup_limits *out,
		       struct err *e)
{
	char name[48];
	*out = (struct cgroup_limits)CGROUP_LIMITS_INIT;
	out->serial = ++c->serial;
	out->is_used = true;
	snprintf(name, sizeof name, "a%lld", (long long)out->serial);
	int failed = 0;
	if ((w->memory_bytes && c->is_v2_memory) || (w->pids && c->is_v2_pids) || (w->is_cpu && c->is_cpu) ||
	    (w->is_share && c->is_v2_cpu))
		failed = open_v2_limits(c, name, w->memory_bytes, w->pids, &out->dir_fd, e);
	if (!failed && out->dir_fd >= 0)
		out->v2_procs = openat(out->dir_fd, "cgroup.procs", O_WRONLY | O_CLOEXEC);
	if (!failed && w->memory_bytes && *c->memory)
		failed = open_v1(c->memory, name, "memory.limit_in_bytes", w->memory_bytes, &out->procs[0],
				 e);
	if (!failed && w->pids && *c->pids)
		failed = open_v1(c->pids, name, "pids.max", w->pids, &out->procs[1], e);
	if (!failed && w->is_share && *c->cpu)
		failed = open_v1(c->cpu, name, "cpu.shares", V1_SHARES, &out->procs[2], e);
	if (failed)
		cgroup_limits_close(c, out);
	return failed;
}

/* The number after `key` in a file of "key number" lines; with key NULL the file's only number. 0 if absent. */
static int64_t read_number(const char *home, int64_t serial, const char *file, const char *key)
{
	char path[PATH_MAX + 96];
	CLEAN_BUF struct buf text = BUF_INIT;
	snprintf(path, sizeof path, "%s/a%lld/%s", home, (long long)serial, file);
	if (!*home || !read_in(AT_FDCWD, path, &text))
		return 0;
	if (!key)
		return strtoll(text.data, NULL, 10);
	for (const char *p = text.data; p && *p; p = (p = strchr(p, '\n')) ? p + 1 : NULL)
		if (strncmp(p, key, strlen(key)) == 0 && p[strlen(key)] == ' ')
			return strtoll(p + strlen(key), NULL, 10);
	return 0;
}

void cgroup_limits_read(const struct cgroup *c, const struct cgroup_limits *l, bool *is_memory_hit,
			bool *is_pids_hit, int64_t *memory_peak)
{
	*is_memory_hit = *is_pids_hit = false;
	*memory_peak = 0;
	if (!l->is_used)
		return;
	if (l->dir_fd >= 0) {
		*is_memory_hit = read_number(c->v2, l->serial, "memory.events", "oom_kill") > 0;
		*is_pids_hit = read_number(c->v2, l->serial, "pids.events", "max") > 0;
		*memory_peak = read_number(c->v2, l->serial, "memory.peak", NULL);
	}
	if (l->procs[0] >= 0) {
		*is_memory_hit = read_number(c->memory, l->serial, "memory.oom_control", "oom_kill") > 0;
		*memory_peak = read_number(c->memory, l->serial, "memory.max_usage_in_bytes", NULL);
	}
	if (l->procs[1] >= 0)
		*is_pids_hit = read_number(c->pids, l->serial, "pids.events", "max") > 0;
}

int64_t cgroup_limits_cpu_us(const struct cgroup *c, const struct cgroup_limits *l)
{
	return l->dir_fd >= 0 && c->is_cpu ? read_number(c->v2, l->serial, "cpu.stat", "usage_usec") : -1;
}

static void kill_group(int dir)
{
	if (write_text(dir, "cgroup.kill", "1") == 0)
		return;
	CLEAN_BUF struct buf text = BUF_INIT;
	if (!read_in(dir, "cgroup.procs", &text))
		return;
	char *p = text.data;
	while (*p) {
		char *end;
		long pid = strtol(p, &end, 10);
		if (end == p)
			break;
		/* 0 is what a process outside our pid namespace looks like. */
		if (pid > 1)
			kill((pid_t)pid, SIGKILL);
		p = end + strspn(end, "\n ");
	}
}

/* Remove home/name, killing what is in it. A dying process keeps its group busy for a moment. */
static void remove_group(const char *home_path, const char *name)
{
	CLEAN_FD int home = open(home_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (home < 0)
		return;
	for (int tries = 0; tries < 2000; tries++) {
		if (unlinkat(home, name, AT_REMOVEDIR) == 0 || errno != EBUSY)
			return;
		CLEAN_FD int dir = openat(home, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir >= 0)
			kill_group(dir);
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

void cgroup_limits_close(struct cgroup *c, struct cgroup_limits *l)
{
	if (!l->is_used)
		return;
	char name[48];
	snprintf(name, sizeof name, "a%lld", (long long)l->serial);
	if (l->dir_fd >= 0) {
		close(l->dir_fd);
		if (l->v2_procs >= 0)
			close(l->v2_procs);
		remove_group(c->v2, name);
	}
	const char *const homes[CGROUP_V1_MAX] = { c->memory, c->pids, c->cpu };
	for (int i = 0; i < CGROUP_V1_MAX; i++)
		if (l->procs[i] >= 0) {
			close(l->procs[i]);
			remove_group(homes[i], name);
		}
	*l = (struct cgroup_limits)CGROUP_LIMITS_INIT;
}

static void sweep_home(const char *home)
{
	if (!*home)
		return;
	CLEAN_DIR DIR *d = opendir(home);
	if (!d)
		return;
	for (struct dirent *entry; (entry = readdir(d)) != NULL;)
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			remove_group(home, entry->d_name);
	rmdir(home);
}

void cgroup_sweep(struct cgroup *c)
{
	sweep_home(c->v2);
	sweep_home(c->memory);
	sweep_home(c->pids);
	sweep_home(c->cpu);
}

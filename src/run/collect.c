/* What an attempt produced. Looked for only when every process of it is dead, so that nothing changes under our hands;
 * still no name is trusted: everything is opened beneath the folder's descriptor, links are never followed, only
 * regular files with one name are taken, and their bytes are hashed from the descriptor that is handed over.
 *
 * What matches and cannot be kept (a link, a pipe, a name that may not be used) is left out, and the log says so: a build of hours
 * is not lost for something odd beside its packages. One that leaves nothing else for a pattern has failed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/path.h"
#include "model/name.h"
#include "run/driver_priv.h"
#include "run/run_priv.h"
#include "run/task_priv.h"

enum {
	DEFAULT_DEPTH = 64,
	GLOBS_MAX = 256,
	DEFAULT_COUNT = 10000,
	NOTES_MAX = 20, /* of what was left out; the rest is counted */
};
#define DEFAULT_BYTES ((int64_t)10 << 30)

/* Before the globs, each with its NUL. */
struct collect_head {
	int64_t count_max, bytes_max, depth_max;
	int32_t globs_len;
	int32_t has_result;
};

struct collector {
	int sock;
	struct collect_head head;
	const char *globs[GLOBS_MAX];
	bool is_matched[GLOBS_MAX];
	int64_t count, bytes, noted;
	struct err err;
	int reason;
};

static int refuse(struct collector *c, int reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct collector *c, int reason, const char *fmt, ...)
{
	va_list ap;
	char text[400];
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	c->reason = reason;
	return err_set(&c->err, ERR_INVALID, "%s", text);
}

static bool is_wanted(const struct collector *c, const char *path)
{
	for (int i = 0; i < c->head.globs_len; i++)
		if (path_matches(c->globs[i], path))
			return true;
	return false;
}

static void mark_matched(struct collector *c, const char *path)
{
	for (int i = 0; i < c->head.globs_len; i++)
		c->is_matched[i] |= path_matches(c->globs[i], path);
}

/* A line of the log. 0, so that it can be returned. */
static int say(struct collector *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int say(struct collector *c, const char *fmt, ...)
{
	va_list ap;
	char text[PATH_LIMIT_BYTES + 200];
	if (c->noted++ >= NOTES_MAX)
		return 0;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	task_send(c->sock, 'N', NULL, 0, text, strlen(text) + 1, -1);
	return 0;
}

static int send_file(struct collector *c, int fd, const struct stat *st, const char *path)
{
	struct stat after;
	struct task_file file;
	memset(&file, 0, sizeof file);
	if (hash_fd(fd, file.sha256, &file.size_bytes, &c->err) < 0 || fstat(fd, &after) < 0)
		return refuse(c, REASON_COLLECT, "out/%s could not be read", path);
	if (file.size_bytes != st->st_size || after.st_size != st->st_size)
		return refuse(c, REASON_COLLECT, "out/%s changed while it was read", path);
	c->bytes += file.size_bytes;
	mark_matched(c, path);
	if (st->st_mode & (S_ISUID | S_ISGID))
		say(c, "out/%s is kept without its set-id bits", path);
	return task_send(c->sock, 'F', &file, sizeof file, path, strlen(path) + 1, fd) < 0
		       ? refuse(c, REASON_INTERNAL, "nobody listens")
		       : 0;
}

static int take_file(struct collector *c, int dir, const char *name, const char *path)
{
	struct stat st;
	CLEAN_FD int fd = fd_open_beneath(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, &c->err);
	if (fd < 0 || fstat(fd, &st) < 0)
		return refuse(c, REASON_COLLECT, "out/%s could not be opened", path);
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return say(c, "out/%s is not a plain file with one name and was left out", path);
	if (++c->count > c->head.count_max)
		return refuse(c, REASON_OUTPUT, "there are more than %lld files to collect",
			      (long long)c->head.count_max);
	if (st.st_size > c->head.bytes_max - c->bytes)
		return refuse(c, REASON_OUTPUT, "the files to collect are over %lld bytes",
			      (long long)c->head.bytes_max);
	return send_file(c, fd, &st, path);
}

static int walk(struct collector *c, int dir, const char *prefix, int64_t depth);

static int visit(struct collector *c, int dir, const char *prefix, const char *name, int64_t depth)
{
	char path[PATH_LIMIT_BYTES + 1];
	struct stat st;
	int n = snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", name);
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return refuse(c, REASON_COLLECT, "out/%s could not be looked at", path);
	if (S_ISDIR(st.st_mode)) {
		if (n >= (int)sizeof path || depth >= c->head.depth_max)
			return refuse(c, REASON_OUTPUT, "the out folder is too deep");
		CLEAN_FD int sub = fd_open_beneath(dir, name, O_RDONLY | O_DIRECTORY, &c->err);
		return sub < 0 ? refuse(c, REASON_COLLECT, "out/%s could not be opened", path)
			       : walk(c, sub, path, depth + 1);
	}
	if (n < (int)sizeof path && !is_wanted(c, path))
		return 0;
	/* Such a name is not even shown. */
	if (n >= (int)sizeof path || !name_is_artifact(path))
		return say(c, "a file whose name may not be used was left out");
	if (!S_ISREG(st.st_mode))
		return say(c, "out/%s is not a plain file with one name and was left out", path);
	return take_file(c, dir, name, path);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* In the order of names, so that the same files come in the same order. */
static int walk(struct collector *c, int dir, const char *prefix, int64_t depth)
{
	struct dirent **list = NULL;
	int n = scandirat(dir, ".", &list, NULL, by_name);
	int failed = n < 0 ? refuse(c, REASON_COLLECT, "out/%s could not be read", prefix) : 0;
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		if (!failed && strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
			failed = visit(c, dir, prefix, name, depth);
		free(list[i]);
	}
	free(list);
	return failed;
}

static void send_result(struct collector *c, int dir)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	struct stat st;
	CLEAN_FD int fd = fd_open_beneath(dir, "result.json", O_RDONLY | O_NONBLOCK | O_NOCTTY, NULL);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > OUTCOME_RESULT_MAX)
		return;
	char *at = buf_reserve(&text, (size_t)st.st_size);
	size_t got = 0;
	if (at && fd_read_full(fd, at, (size_t)st.st_size, &got, NULL) == 0)
		task_send(c->sock, 'R', NULL, 0, at, got, -1);
}

static int read_globs(struct collector *c, const char *arg, size_t len)
{
	if (len < sizeof c->head)
		return -1;
	memcpy(&c->head, arg, sizeof c->head);
	const char *p = arg + sizeof c->head, *end = arg + len;
	for (int i = 0; i < c->head.globs_len; i++) {
		c->globs[i] = p;
		p = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;
		if (!p++)
			return -1;
	}
	return 0;
}

void collect_task(int sock, const void *arg, size_t len, const int *fds, int fds_len, int root_fd)
{
	static struct collector c;
	c.sock = sock;
	int dir = fds_len	? fds[0]
		  : root_fd < 0 ? -1
				: fd_open_beneath(root_fd, "job", O_RDONLY | O_DIRECTORY, &c.err);
	if (dir < 0 || read_globs(&c, arg, len) < 0) {
		task_fail(sock, REASON_INTERNAL, "there is no folder to collect from");
		return;
	}
	if (c.head.has_result)
		send_result(&c, dir);
	if (c.head.globs_len) {
		CLEAN_FD int out = fd_open_beneath(dir, "out", O_RDONLY | O_DIRECTORY, &c.err);
		if (out >= 0 ? walk(&c, out, "", 0) < 0
			     : refuse(&c, REASON_OUTPUT, "the out folder is not there") < 0) {
			task_fail(sock, c.reason, c.err.text);
			return;
		}
	}
	if (c.noted > NOTES_MAX) {
		int64_t rest = c.noted - NOTES_MAX;
		c.noted = 0;
		say(&c, "and %lld more", (long long)rest);
	}
	for (int i = 0; i < c.head.globs_len; i++)
		if (!c.is_matched[i])
			task_send(sock, 'G', NULL, 0, c.globs[i], strlen(c.globs[i]) + 1, -1);
	task_send(sock, 'd', NULL, 0, NULL, 0, -1);
}

void collect_begin(struct run_attempt *a, bool is_wanting_files, bool has_result)
{
	const struct job_limits *l = &a->spec.limits;
	struct collect_head head = {
		.count_max = l->artifacts ? l->artifacts : DEFAULT_COUNT,
		.bytes_max = l->artifact_bytes ? l->artifact_bytes : DEFAULT_BYTES,
		.depth_max = l->artifact_depth ? l->artifact_depth : DEFAULT_DEPTH,
		.has_result = has_result,
	};
	CLEAN_BUF struct buf arg = BUF_INIT;
	struct err e = ERR_INIT;
	while (is_wanting_files && a->spec.collect[head.globs_len] && head.globs_len < GLOBS_MAX)
		head.globs_len++;
	buf_add(&arg, &head, sizeof head);
	for (int i = 0; i < head.globs_len; i++)
		buf_add(&arg, a->spec.collect[i], strlen(a->spec.collect[i]) + 1);
	int dir = a->driver->folder_fd(a);
	if (is_wanting_files && a->spec.collect[head.globs_len]) {
		attempt_fail(a, REASON_COLLECT, "more than %d globs", GLOBS_MAX);
		return;
	}
	if (spawner_task(a->driver->spawner(a), TASK_COLLECT, a->slot, arg.data, arg.len, &dir, dir >= 0,
			 &a->task, &e) == 0 &&
	    run_watch(a->run, a->task, SOURCE_TASK, a->slot, &e) == 0)
		return;
	attempt_fail(a, REASON_INTERNAL, "%s", e.text);
	if (a->task >= 0)
		close(a->task);
	a->task = -1;
}

/* Untrusted: only a JSON object in valid UTF-8 goes on. */
static void take_result(struct run_attempt *a, const char *text, size_t len)
{
	json_error_t why;
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (json_is_object(j))
		a->outcome.result = arena_strndup(&a->arena, text, len);
	else
		pump_note(a, "result.json is not a JSON object and was ignored");
	json_decref(j);
}

static void take_file_packet(struct run_attempt *a, const char *packet, long n, int *fd)
{
	struct task_file file;
	if (n <= (long)sizeof file + 1 || *fd < 0)
		return;
	memcpy(&file, packet, sizeof file);
	file.sha256[64] = '\0';
	attempt_add_artifact(a, packet + sizeof file, file.sha256, file.size_bytes, take_fd(fd));
}

/* false: it was the last packet. */
static bool take_packet(struct run_attempt *a, char *room, long n, int *fd)
{
	int reason;
	switch (n > 0 ? room[0] : 0) {
	case 'F':
		take_file_packet(a, room + 1, n - 1, fd);
		return true;
	case 'R':
		take_result(a, room + 1, (size_t)n - 1);
		return true;
	case 'N':
		pump_note(a, "%s", room + 1);
		return true;
	case 'G':
		attempt_fail(a, REASON_COLLECT, "nothing in the out folder matches %s", room + 1);
		return true;
	case 'd':
		return false;
	case 'x':
		memcpy(&reason, room + 1, sizeof reason);
		attempt_fail(a, (enum job_reason)reason, "%s", room + 1 + sizeof reason);
		return false;
	default:
		attempt_fail(a, REASON_INTERNAL, "the collecting of files broke off");
		return false;
	}
}

void collect_on_task(struct run_attempt *a)
{
	for (bool is_more = true; is_more;) {
		int fd;
		long n = task_receive(a->task, a->run->room, &fd, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		is_more = take_packet(a, a->run->room, n, &fd);
		if (fd >= 0)
			close(fd);
	}
	close(a->task);
	a->task = -1;
}

#include "run_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "model/logfile.h"

enum { HANG_MS = 60000 };

static int64_t jobs;

int64_t rx_next_job(void)
{
	if (!jobs)
		jobs = (int64_t)getpid() * 100000;
	return ++jobs;
}

static void read_log(struct rx *fx, const struct outcome *o)
{
	char name[LOG_FILE_NAME_BYTES], path[200];
	buf_release(&fx->log);
	fx->is_log_inline = o->log != NULL;
	if (o->log) {
		buf_add(&fx->log, o->log, o->log_len);
		return;
	}
	snprintf(path, sizeof path, "%s/%s", fx->logs, log_file_name(o->job, o->attempt, name));
	if (fd_read_file(AT_FDCWD, path, 512 << 20, &fx->log, &fx->err) < 0)
		fail_msg("%s", fx->err.text);
	unlink(path);
}

static void drop_artifacts(struct rx *fx)
{
	for (size_t i = 0; i < fx->artifacts_len; i++)
		buf_release(&fx->artifacts[i].bytes);
	fx->artifacts_len = 0;
}

static void keep_artifact(struct rx *fx, const struct artifact *f, int fd)
{
	char hex[HASH_HEX_BYTES];
	int64_t size;
	if (fx->artifacts_len == RX_ARTIFACTS_MAX)
		return;
	struct rx_artifact *a = &fx->artifacts[fx->artifacts_len++];
	buf_init(&a->bytes);
	snprintf(a->name, sizeof a->name, "%s", f->name);
	snprintf(a->sha256, sizeof a->sha256, "%s", f->sha256);
	assert_int_equal(hash_fd(fd, hex, &size, &fx->err), 0);
	assert_string_equal(hex, f->sha256);
	assert_int_equal(size, f->size_bytes);
	char *at = buf_reserve(&a->bytes, (size_t)size);
	assert_int_equal(pread(fd, at, (size_t)size, 0), size);
	a->bytes.len = (size_t)size;
	at[size] = '\0';
}

static void on_finished(void *ctx, const struct outcome *o, const int *fds)
{
	struct rx *fx = ctx;
	fx->finished++;
	fx->succeeded += o->outcome == OUTCOME_SUCCEEDED;
	fx->o = *o;
	snprintf(fx->step, sizeof fx->step, "%s", o->step);
	snprintf(fx->detail, sizeof fx->detail, "%s", o->detail);
	read_log(fx, o);
	free(fx->result);
	fx->result = o->result ? strdup(o->result) : NULL;
	drop_artifacts(fx);
	for (size_t i = 0; i < o->artifacts_len; i++) {
		keep_artifact(fx, &o->artifacts[i], fds[i]);
		close(fds[i]);
	}
}

static void on_log(void *ctx, int64_t job, int attempt, int64_t size)
{
	struct rx *fx = ctx;
	(void)job;
	(void)attempt;
	fx->log_told = size;
}

static void on_collecting(void *ctx, int64_t job, int attempt)
{
	struct rx *fx = ctx;
	(void)job;
	(void)attempt;
	fx->collecting++;
}

void rx_open(struct rx *fx)
{
	struct run_options o = {
		.images_kept = 4,
		.work_dir = fx->work,
		.log_dir = fx->logs,
		.blob_dir = fx->blobs,
		.events = { .on_log = on_log, .on_collecting = on_collecting, .on_finished = on_finished },
		.ctx = fx,
		.is_disk_only = fx->is_disk_only,
		.ready_ms = fx->ready_ms,
		.stuck_ms = fx->stuck_ms,
	};
	if (run_open(&fx->run, &o, &fx->err) < 0)
		fail_msg("%s", fx->err.text);
}

bool rx_init(struct rx *fx, enum isolation isolation)
{
	*fx = (struct rx){ .is_disk_only = fx->is_disk_only,
			   .ready_ms = fx->ready_ms,
			   .stuck_ms = fx->stuck_ms };
	buf_init(&fx->log);
	fx->isolation = isolation;
	snprintf(fx->dir, sizeof fx->dir, "/tmp/run-test-XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	assert_int_equal(chmod(fx->dir, 0711), 0);
	snprintf(fx->work, sizeof fx->work, "%s/work", fx->dir);
	snprintf(fx->blobs, sizeof fx->blobs, "%s/blobs", fx->dir);
	snprintf(fx->logs, sizeof fx->logs, "%s/logs", fx->dir);
	assert_int_equal(mkdir(fx->blobs, 0755), 0);
	rx_open(fx);
	if (isolation == ISOLATION_CHROOT && !(run_isolations(fx->run) & 1U << ISOLATION_CHROOT)) {
		print_message("# SKIP chroots do not work on this machine: %s\n", run_why_not(fx->run));
		rx_release(fx);
		return false;
	}
	if (isolation == ISOLATION_CHROOT)
		rx_pack_image(fx, NULL, fx->image);
	return true;
}

void rx_release(struct rx *fx)
{
	run_close(fx->run);
	fx->run = NULL;
	assert_int_equal(rx_count_groups(fx), 0);
	buf_release(&fx->log);
	drop_artifacts(fx);
	free(fx->result);
	int failed = fd_remove_tree(AT_FDCWD, fx->dir, &fx->err);
	/* The folder of chroots belongs to mapped ids, which an ordinary user can only hand over, not take back. */
	if (geteuid() == 0)
		assert_int_equal(failed, 0);
}

int rx_close(void **state)
{
	struct rx *fx = *state;
	if (fx->run)
		rx_release(fx);
	return 0;
}

bool rx_can_chroot(void)
{
	static struct rx probe;
	if (!rx_init(&probe, ISOLATION_CHROOT))
		return false;
	rx_release(&probe);
	return true;
}

struct spec rx_spec(struct rx *fx, const char *script)
{
	fx->argv_room[0] = "sh";
	fx->argv_room[1] = "-c";
	fx->argv_room[2] = script;
	fx->argv_room[3] = NULL;
	fx->step_room = (struct spec_step){ .name = "", .argv = fx->argv_room };
	struct spec s = {
		.job = rx_next_job(),
		.attempt = 1,
		.name = "test",
		.isolation = fx->isolation,
		.target = "",
		.hostname = "sandbox",
		.steps = &fx->step_room,
		.steps_len = 1,
		.grace_ms = 5000,
	};
	memcpy(s.image, fx->image, sizeof s.image);
	return s;
}

void rx_start(struct rx *fx, const struct spec *s)
{
	fx->log_told = 0;
	if (run_start(fx->run, s, &fx->err) < 0)
		fail_msg("%s", fx->err.text);
}

void rx_turn(struct rx *fx)
{
	struct pollfd p = { .fd = run_fd(fx->run), .events = POLLIN };
	int timeout = run_timeout_ms(fx->run);
	if (timeout < 0 || timeout > HANG_MS)
		timeout = HANG_MS;
	int n = poll(&p, 1, timeout);
	if (n == 0 && timeout == HANG_MS)
		fail_msg("nothing happens any more");
	if (run_dispatch(fx->run, &fx->err) < 0)
		fail_msg("%s", fx->err.text);
}

void rx_wait(struct rx *fx, int count)
{
	while (fx->finished < count)
		rx_turn(fx);
}

void rx_wait_log(struct rx *fx, int64_t bytes)
{
	while (fx->log_told < bytes)
		rx_turn(fx);
}

void rx_run(struct rx *fx, const struct spec *s)
{
	int before = fx->finished;
	rx_start(fx, s);
	rx_wait(fx, before + 1);
}

void rx_sh(struct rx *fx, const char *script)
{
	struct spec s = rx_spec(fx, script);
	rx_run(fx, &s);
}

void rx_assert_outcome(struct rx *fx, enum attempt_outcome outcome, enum job_reason reason)
{
	if (fx->o.outcome != outcome || fx->o.reason != reason)
		fail_msg("outcome %d reason %d (%s), wanted %d %d; log: %.300s", fx->o.outcome, fx->o.reason,
			 fx->detail, outcome, reason, fx->log.data);
}

void rx_assert_log(struct rx *fx, const char *text)
{
	assert_string_equal(fx->log.data, text);
}

void rx_add_blob(struct rx *fx, const void *bytes, size_t n, char sha256[65])
{
	char path[200];
	hash_bytes(bytes, n, sha256);
	snprintf(path, sizeof path, "%s/%s", fx->blobs, sha256);
	assert_int_equal(fd_replace_file(AT_FDCWD, path, bytes, n, 0600, &fx->err), 0);
}

static bool has_environment(const char *pid, const char *want)
{
	char path[300];
	CLEAN_BUF struct buf text = BUF_INIT;
	snprintf(path, sizeof path, "/proc/%s/environ", pid);
	if (fd_read_file(AT_FDCWD, path, 8 << 20, &text, NULL) < 0)
		return false;
	return text.len && memmem(text.data, text.len, want, strlen(want) + 1) != NULL;
}

int rx_count_processes(int64_t job)
{
	char want[64];
	int found = 0;
	snprintf(want, sizeof want, "SLIPWAY_JOB=%lld", (long long)job);
	CLEAN_DIR DIR *d = opendir("/proc");
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    has_environment(entry->d_name, want))
			found++;
	return found;
}

pid_t rx_find_process(int64_t job, const char *name)
{
	char want[64];
	pid_t found = 0;
	snprintf(want, sizeof want, "SLIPWAY_JOB=%lld", (long long)job);
	CLEAN_DIR DIR *d = opendir("/proc");
	for (struct dirent *entry; d && !found && (entry = readdir(d)) != NULL;) {
		char path[300];
		CLEAN_BUF struct buf comm = BUF_INIT;
		snprintf(path, sizeof path, "/proc/%s/comm", entry->d_name);
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    has_environment(entry->d_name, want) &&
		    fd_read_file(AT_FDCWD, path, 64, &comm, NULL) == 0 &&
		    strncmp(comm.data, name, strlen(name)) == 0 && comm.data[strlen(name)] == '\n')
			found = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	return found;
}

int rx_count_files(const char *path)
{
	int found = 0;
	CLEAN_DIR DIR *d = opendir(path);
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) {
		char sub[4096];
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		found++;
		snprintf(sub, sizeof sub, "%s/%s", path, entry->d_name);
		if (entry->d_type == DT_DIR)
			found += rx_count_files(sub);
	}
	return found;
}

/* Folders named after our work folder, wherever control groups are mounted. */
static int count_named(const char *path, const char *name, int depth)
{
	int found = 0;
	CLEAN_DIR DIR *d = depth < 6 ? opendir(path) : NULL;
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;) {
		char sub[4096];
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		snprintf(sub, sizeof sub, "%s/%s", path, entry->d_name);
		found += strcmp(entry->d_name, name) == 0;
		found += count_named(sub, name, depth + 1);
	}
	return found;
}

static const char *group_name(const struct rx *fx, char out[80])
{
	struct stat st;
	assert_int_equal(stat(fx->work, &st), 0);
	snprintf(out, 80, "slipway-%llx-%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	return out;
}

int rx_count_groups(const struct rx *fx)
{
	char name[80];
	return count_named("/sys/fs/cgroup", group_name(fx, name), 0);
}

void rx_take_inventory(const struct rx *fx, struct inventory *v)
{
	char name[80];
	inventory_take(v, fx->work, group_name(fx, name));
}

static bool has_root(const struct inventory *v)
{
	for (size_t i = 0; i < v->len; i++)
		if (strncmp(v->lines[i], "mount ", 6) == 0 && strstr(v->lines[i], " - overlay overlay "))
			return true;
	return false;
}

void rx_wait_nothing_ready(const struct rx *fx)
{
	CLEAN_INVENTORY struct inventory v = INVENTORY_INIT;
	int64_t until = clock_boot_ms() + HANG_MS;
	for (rx_take_inventory(fx, &v); has_root(&v); rx_take_inventory(fx, &v)) {
		assert_true(clock_boot_ms() < until);
		poll(NULL, 0, 10);
	}
}

void rx_assert_inventory(const struct rx *fx, const struct inventory *before, bool is_reaping)
{
	char name[80];
	inventory_assert_same(before, fx->work, group_name(fx, name), is_reaping);
}

static void pack(struct archive *out, const char *from, const char *to)
{
	CLEAN_BUF struct buf bytes = BUF_INIT;
	if (fd_read_file(AT_FDCWD, from, 64 << 20, &bytes, NULL) < 0)
		return;
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, to);
	archive_entry_set_size(entry, (la_int64_t)bytes.len);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0755);
	assert_int_equal(archive_write_header(out, entry), ARCHIVE_OK);
	archive_write_data(out, bytes.data, bytes.len);
	archive_entry_free(entry);
}

static void pack_other(struct archive *out, const char *path, const char *target)
{
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, path);
	archive_entry_set_filetype(entry, target ? AE_IFLNK : AE_IFDIR);
	archive_entry_set_perm(entry, 0777);
	if (target)
		archive_entry_set_symlink(entry, target);
	assert_int_equal(archive_write_header(out, entry), ARCHIVE_OK);
	archive_entry_free(entry);
}

/* What some of the programs need beside libc, if it is there. */
static void pack_beside(struct archive *out, const char *path, int folder_len)
{
	static const char *const libraries[] = { "libselinux.so.1", "libpcre2-8.so.0", "libacl.so.1",
						 "libattr.so.1" };
	for (size_t i = 0; i < ARRAY_LEN(libraries); i++) {
		char from[4200];
		snprintf(from, sizeof from, "%.*s/%s", folder_len, path, libraries[i]);
		pack(out, from, from + 1);
	}
}

/* This process has libc and its loader mapped: where they are, and under the name programs ask for the loader by. */
static void pack_libraries(struct archive *out)
{
	char line[4096], path[4096], last[4096] = "", to[200];
	CLEAN_FILE FILE *f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %4095s", path) != 1 || strcmp(path, last) == 0)
			continue;
		const char *base = strrchr(path, '/');
		if (!base || (strncmp(base, "/libc.so", 8) != 0 && strncmp(base, "/ld-linux", 9) != 0))
			continue;
		memcpy(last, path, sizeof last);
		if (strncmp(base, "/libc.so", 8) == 0)
			pack_beside(out, path, (int)(base - path));
		pack(out, path, path + 1);
		static const char *const places[] = { "lib", "lib64" };
		for (size_t i = 0; i < ARRAY_LEN(places); i++) {
			snprintf(to, sizeof to, "%s%s", places[i], base);
			pack(out, path, to);
		}
	}
}

void rx_pack_image(struct rx *fx, const char *const *links, char sha256[65])
{
	static const char *const programs[] = { "sh",	"cat",	 "sleep",  "env",   "true", "mkdir",
						"ln",	"touch", "chmod",  "chown", "dd",   "head",
						"echo", "rm",	 "mkfifo", "setsid" };
	static char packed[32 << 20];
	size_t used = 0;
	struct archive *out = archive_write_new();
	archive_write_set_format_pax_restricted(out);
	archive_write_add_filter_gzip(out);
	assert_int_equal(archive_write_open_memory(out, packed, sizeof packed, &used), ARCHIVE_OK);
	for (size_t i = 0; i < ARRAY_LEN(programs); i++) {
		char from[64];
		snprintf(from, sizeof from, "/bin/%s", programs[i]);
		pack(out, from, from + 1);
	}
	pack_libraries(out);
	pack_other(out, "tmp", NULL);
	pack_other(out, "root", NULL);
	for (; links && links[0]; links += 2)
		pack_other(out, links[0], links[1]);
	archive_write_close(out);
	archive_write_free(out);
	rx_add_blob(fx, packed, used, sha256);
}

#include "rig.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/random.h"
#include "http/client.h"
#include "text/json.h"

extern char **environ;

enum { READY_MS = 60000, STOP_MS = 60000 };

/* ---- TAP ---------------------------------------------------------------------------------------------------- */

static int tap_number, tap_failed;

void tap_plan(int n)
{
	printf("1..%d\n", n);
	fflush(stdout);
}

void tap_note(const char *fmt, ...)
{
	va_list ap;

	fputs("# ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void tap_ok(bool is_ok, const char *fmt, ...)
{
	va_list ap;

	printf("%sok %d - ", is_ok ? "" : "not ", ++tap_number);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	tap_failed += !is_ok;
}

int tap_status(void)
{
	return tap_failed ? 1 : 0;
}

void tap_skip(const char *what, const char *why)
{
	printf("ok %d - %s # SKIP %s\n", ++tap_number, what, why);
	fflush(stdout);
}

void tap_die(const char *fmt, ...)
{
	va_list ap;

	fputs("Bail out! ", stdout);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	exit(1);
}

/* ---- chance ------------------------------------------------------------------------------------------------- */

static uint64_t chance_state;

int64_t setting(const char *name, int64_t dflt)
{
	const char *text = getenv(name);
	char *end;
	long long n;

	if (!text || !*text)
		return dflt;
	n = strtoll(text, &end, 10);
	if (*end)
		tap_die("%s=%s is no number", name, text);
	return n;
}

void chance_seed(void)
{
	uint32_t fresh = 1;

	random_bytes(&fresh, sizeof(fresh), NULL);
	chance_state = (uint64_t)setting("SLIPWAY_SEED", fresh);
	tap_note("SLIPWAY_SEED=%" PRIu64, chance_state);
	chance_state = chance_state * 0x9e3779b97f4a7c15ULL + 1;
}

/* xorshift64*. */
uint64_t chance_below(uint64_t n)
{
	chance_state ^= chance_state >> 12;
	chance_state ^= chance_state << 25;
	chance_state ^= chance_state >> 27;
	return n ? (chance_state * 0x2545f4914f6cdd1dULL >> 16) % n : 0;
}

void pause_ms(int64_t ms)
{
	poll(NULL, 0, (int)ms);
}

/* ---- the server --------------------------------------------------------------------------------------------- */

void rig_make(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/slwt.XXXXXX");
	if (!mkdtemp(r->dir))
		tap_die("no folder to work in");
	snprintf(r->data, sizeof(r->data), "%s/d", r->dir);
	snprintf(r->address, sizeof(r->address), "unix:%s/slipway.sock", r->data);
	snprintf(r->ledger, sizeof(r->ledger), "%s/ledger", r->dir);
}

void rig_make_beside(struct rig *r, const struct rig *first, int n)
{
	*r = *first;
	snprintf(r->data, sizeof(r->data), "%s/d%d", r->dir, n);
	snprintf(r->address, sizeof(r->address), "unix:%s/slipway.sock", r->data);
}

/* When the test breaks off nothing of it may go on. */
static pid_t spawned[64];

static void kill_spawned(void)
{
	for (size_t i = 0; i < ARRAY_LEN(spawned); i++)
		if (spawned[i])
			kill(spawned[i], SIGKILL);
}

static void note_spawned(pid_t pid, bool is_there)
{
	static bool is_set;

	if (!is_set)
		is_set = atexit(kill_spawned) == 0;
	for (size_t i = 0; i < ARRAY_LEN(spawned); i++)
		if (spawned[i] == (is_there ? 0 : pid)) {
			spawned[i] = is_there ? pid : 0;
			return;
		}
}

static pid_t spawn(struct rig *r, const char *const *argv, int out)
{
	const char *bin = getenv("SLIPWAY_BIN");
	char err_path[100];
	char *plain[40], enter[80], uid[32], gid[32];
	posix_spawn_file_actions_t files;
	pid_t pid = 0;
	size_t n = 0;

	if (!bin)
		tap_die("SLIPWAY_BIN is not set");
	snprintf(err_path, sizeof(err_path), "%s/err", r->dir);
	size_t at = 0;

	/* These become the program itself: the pid is the same. */
	if (r->netns[0]) {
		snprintf(enter, sizeof(enter), "--net=%s", r->netns);
		plain[at++] = (char *)(uintptr_t) "nsenter";
		plain[at++] = enter;
	}
	if (r->uid) {
		snprintf(uid, sizeof(uid), "--reuid=%u", (unsigned)r->uid);
		snprintf(gid, sizeof(gid), "--regid=%u", (unsigned)r->uid);
		plain[at++] = (char *)(uintptr_t) "setpriv";
		plain[at++] = uid;
		plain[at++] = gid;
		plain[at++] = (char *)(uintptr_t) "--clear-groups";
	}
	while (argv[n] && n + at < ARRAY_LEN(plain) - 1)
		n++;
	memcpy(plain + at, argv, n * sizeof(*argv));
	plain[at + n] = NULL;
	if (at)
		plain[at] = (char *)(uintptr_t)bin;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, err_path, O_WRONLY | O_CREAT | O_APPEND,
					 0644);
	if (out >= 0)
		posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	if (posix_spawnp(&pid, at ? plain[0] : bin, &files, NULL, plain, environ) != 0)
		tap_die("cannot start %s", bin);
	note_spawned(pid, true);
	posix_spawn_file_actions_destroy(&files);
	return pid;
}

void rig_launch(struct rig *r, const char *const *options)
{
	const char *argv[24] = { "slipway", "serve", "--data", r->data };
	int ends[2];
	size_t n = 4;

	while (options && *options && n < ARRAY_LEN(argv) - 1)
		argv[n++] = *options++;
	if (pipe2(ends, O_CLOEXEC) < 0)
		tap_die("pipe");
	r->launched_ms = clock_boot_ms();
	r->serve = spawn(r, argv, ends[1]);
	r->ready = ends[0];
	close(ends[1]);
}

void rig_wait_ready(struct rig *r)
{
	struct pollfd p = { .fd = r->ready, .events = POLLIN };
	char line[400] = "";

	if (poll(&p, 1, READY_MS) <= 0 || read(r->ready, line, sizeof(line) - 1) <= 0 ||
	    strncmp(line, "ready", 5) != 0)
		tap_die("the server does not come up; see %s/err", r->dir);
	close(r->ready);
	if (sscanf(line, "ready %*[^,],%63[^, ]", r->url) != 1)
		r->url[0] = '\0';
	r->start_ms = clock_boot_ms() - r->launched_ms;
}

void rig_start(struct rig *r, const char *const *options)
{
	rig_launch(r, options);
	rig_wait_ready(r);
}

pid_t rig_start_worker(struct rig *r, const char *name, int slots)
{
	char work[120], number[16];
	const char *argv[] = { "slipway", "worker", "--server", r->address, "--work", work,
			       "--name",  name,	    "--slots",	number,	    NULL };

	snprintf(work, sizeof(work), "%s/%s", r->dir, name);
	snprintf(number, sizeof(number), "%d", slots);
	return spawn(r, argv, -1);
}

pid_t rig_spawn(struct rig *r, const char *const *argv)
{
	return spawn(r, argv, -1);
}

void rig_kill(struct rig *r)
{
	if (!r->serve)
		return;
	kill(r->serve, SIGKILL);
	waitpid(r->serve, NULL, 0);
	note_spawned(r->serve, false);
	r->serve = 0;
}

void rig_stop_worker(pid_t pid)
{
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	note_spawned(pid, false);
}

void rig_wait_worker(pid_t pid)
{
	waitpid(pid, NULL, 0);
	note_spawned(pid, false);
}

pid_t child_of(pid_t parent, int i)
{
	char path[64];
	CLEAN_BUF struct buf text = BUF_INIT;
	char *at;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)parent, (int)parent);
	if (parent <= 0 || fd_read_file(AT_FDCWD, path, 65536, &text, NULL) < 0)
		return 0;
	at = text.data;
	while (*at && i-- > 0) {
		at += strcspn(at, " ");
		at += strspn(at, " ");
	}
	return *at ? (pid_t)strtol(at, NULL, 10) : 0;
}

int rig_stop(struct rig *r)
{
	int64_t until = clock_boot_ms() + STOP_MS;
	int status = 0;

	kill(r->serve, SIGTERM);
	while (waitpid(r->serve, &status, WNOHANG) == 0) {
		if (clock_boot_ms() > until) {
			rig_kill(r);
			return -1;
		}
		pause_ms(5);
	}
	note_spawned(r->serve, false);
	r->serve = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_number(const char *s)
{
	return *s && strspn(s, "0123456789") == strlen(s);
}

static int count_processes(const struct rig *r)
{
	CLEAN_DIR DIR *proc = opendir("/proc");
	struct dirent *d;
	int n = 0;

	while (proc && (d = readdir(proc))) {
		char path[300], cwd[300] = "";
		CLEAN_BUF struct buf words = BUF_INIT;

		if (!is_number(d->d_name) || strtol(d->d_name, NULL, 10) == getpid())
			continue;
		snprintf(path, sizeof(path), "/proc/%s/cwd", d->d_name);
		if (readlink(path, cwd, sizeof(cwd) - 1) < 0)
			cwd[0] = '\0';
		snprintf(path, sizeof(path), "/proc/%s/cmdline", d->d_name);
		fd_read_file(AT_FDCWD, path, 65536, &words, NULL);
		if (!strstr(cwd, r->dir) && !memmem(words.data, words.len, r->dir, strlen(r->dir)))
			continue;
		for (size_t i = 0; i < words.len; i++)
			if (!words.data[i])
				words.data[i] = ' ';
		tap_note("left: process %s: %s", d->d_name, words.data);
		n++;
	}
	return n;
}

static int count_mounts(const struct rig *r)
{
	CLEAN_BUF struct buf text = BUF_INIT;

	if (fd_read_file(AT_FDCWD, "/proc/self/mounts", 4 << 20, &text, NULL) < 0 ||
	    !strstr(text.data, r->dir))
		return 0;
	tap_note("left: mounts");
	return 1;
}

/* A slot's folder is empty but for an empty "out". */
static int count_files(const char *path, bool may_hold_out)
{
	CLEAN_DIR DIR *dir = opendir(path);
	struct dirent *d;
	int n = 0;

	while (dir && (d = readdir(dir))) {
		char beneath[600];

		if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
			continue;
		snprintf(beneath, sizeof(beneath), "%s/%s", path, d->d_name);
		if (may_hold_out && strcmp(d->d_name, "out") == 0) {
			n += count_files(beneath, false);
			continue;
		}
		tap_note("left: %s", beneath);
		n++;
	}
	return n;
}

static int count_slots(const char *work)
{
	char path[300];
	CLEAN_DIR DIR *dir = NULL;
	struct dirent *d;
	int n = 0;

	snprintf(path, sizeof(path), "%s/slots", work);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		char slot[600];

		if (!is_number(d->d_name))
			continue;
		snprintf(slot, sizeof(slot), "%s/%s", path, d->d_name);
		n += count_files(slot, true);
	}
	snprintf(path, sizeof(path), "%s/trash", work);
	return n + count_files(path, false);
}

static int count_complaints(const struct rig *r)
{
	static const char *const words[] = { "Sanitizer", "runtime error", "internal error", "assert" };
	char path[100], line[400];
	CLEAN_FILE FILE *f = NULL;
	int n = 0;

	snprintf(path, sizeof(path), "%s/err", r->dir);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (strstr(line, words[i])) {
				line[strcspn(line, "\n")] = '\0';
				tap_note("said: %s", line);
				n++;
				break;
			}
	return n;
}

int rig_count_leftovers(const struct rig *r)
{
	char work[120];

	snprintf(work, sizeof(work), "%s/worker", r->data);
	return count_processes(r) + count_mounts(r) + count_slots(work) + count_complaints(r);
}

void rig_remove(struct rig *r)
{
	if (tap_status()) {
		tap_note("kept: %s", r->dir);
		return;
	}
	fd_remove_tree(AT_FDCWD, r->dir, NULL);
}

int run_program(char *const *argv, char *line, size_t room)
{
	posix_spawn_file_actions_t actions;
	int ends[2], status = 0;
	pid_t pid;

	if (pipe(ends) < 0)
		tap_die("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		tap_die("cannot start %s", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (line) {
		ssize_t n = read(ends[0], line, room - 1);

		line[n > 0 ? n : 0] = '\0';
		line[strcspn(line, "\n")] = '\0';
	}
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- calls -------------------------------------------------------------------------------------------------- */

struct client *rig_client(const struct rig *r)
{
	struct err e = ERR_INIT;
	struct client *c = NULL;

	if (client_open(&c, r->address, &e) < 0)
		tap_die("%s", e.text);
	return c;
}

json_t *rig_call(struct client *c, const char *method, const char *path, const char *body, struct err *e)
{
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;

	if (client_call(c, method, path, body, &reply, e) < 0)
		return NULL;
	return json_parse("answer", reply.body.data, reply.body.len, e);
}

json_t *rig_get(struct client *c, const char *path)
{
	struct err e = ERR_INIT;
	json_t *json = rig_call(c, "GET", path, NULL, &e);

	if (!json)
		tap_die("GET %s: %s", path, e.text);
	return json;
}

int64_t number_in(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

const char *text_in(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

/* ---- the ledger --------------------------------------------------------------------------------------------- */

static struct ledger_job *ledger_get(struct ledger *l, int64_t id)
{
	if (id >= l->size) {
		int64_t size = id + 4096;
		struct ledger_job *grown = reallocarray(l->jobs, (size_t)size, sizeof(*grown));

		if (!grown)
			tap_die("out of memory");
		memset(grown + l->size, 0, (size_t)(size - l->size) * sizeof(*grown));
		l->jobs = grown;
		l->size = size;
	}
	return &l->jobs[id];
}

/* Lines are in the order they were written: each is one write to the end of the file. */
static void ledger_line(struct ledger *l, const char *line)
{
	struct ledger_job *j;
	long long id;
	int attempt;
	char what;

	l->lines++;
	if (sscanf(line, "%c %lld %d", &what, &id, &attempt) != 3 || id < 1 || id > 100000000 ||
	    attempt < 1 || attempt >= LEDGER_ATTEMPTS || (what != 's' && what != 'e')) {
		l->odd++;
		tap_note("odd line in the ledger: %.80s", line);
		return;
	}
	j = ledger_get(l, id);
	uint64_t bit = 1ULL << attempt;
	uint64_t *set = what == 's' ? &j->started : &j->ended;
	if (*set & bit) {
		l->twice++;
		tap_note("twice: %s", line);
	}
	*set |= bit;
	/* An older attempt that still does something was not dead when the newer one was handed out. */
	if (attempt < j->newest) {
		l->overlapping++;
		tap_note("job %lld: attempt %d acts after attempt %d began", id, attempt, j->newest);
	} else {
		j->newest = attempt;
	}
}

void ledger_read(struct ledger *l, const struct rig *r)
{
	CLEAN_FILE FILE *f = fopen(r->ledger, "re");
	char line[200];

	memset(l, 0, sizeof(*l));
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		ledger_line(l, line);
	}
}

void ledger_release(struct ledger *l)
{
	free(l->jobs);
	memset(l, 0, sizeof(*l));
}

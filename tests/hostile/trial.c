#include "hostile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "stage.h"

static int64_t neighbour;
static pid_t neighbour_pid;

/* ---- processes of the image --------------------------------------------------------------------------------- */

/* The next process that runs a program of the image; 0: there is none more. */
static pid_t next_process(DIR *proc, char *program, size_t size)
{
	for (struct dirent *entry; proc && (entry = readdir(proc));) {
		char path[300];
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
		ssize_t n = pid > 0 ? readlink(path, program, size - 1) : -1;
		if (n < 0)
			continue;
		program[n] = '\0';
		if (strncmp(program, "/probes/", 8) == 0)
			return pid;
	}
	return 0;
}

/* Jobs of other stages on this machine have the same numbers, and other baits. */
static bool is_of_job(pid_t pid, int64_t job)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	char path[64], number[64], stage[96];
	snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
	int n = snprintf(number, sizeof number, "SLIPWAY_JOB=%" PRId64, job);
	int m = snprintf(stage, sizeof stage, "HOSTILE_BAIT=%s", getenv("HOSTILE_BAIT"));
	return fd_read_file(AT_FDCWD, path, 1 << 20, &text, NULL) == 0 &&
	       memmem(text.data, text.len, number, (size_t)n + 1) &&
	       memmem(text.data, text.len, stage, (size_t)m + 1);
}

/* Whatever it did to its environment: that stays where it was. */
static int count_left(int64_t job, char *program, size_t size)
{
	CLEAN_DIR DIR *proc = opendir("/proc");
	int n = 0;
	for (pid_t pid; (pid = next_process(proc, program, size));)
		if (is_of_job(pid, job)) {
			tap_note("left: process %d of job %" PRId64 ", %s", (int)pid, job, program);
			n++;
		}
	return n;
}

/* ---- the neighbour ------------------------------------------------------------------------------------------ */

static void find_neighbour(void)
{
	char program[300];
	CLEAN_DIR DIR *proc = opendir("/proc");
	do
		neighbour_pid = next_process(proc, program, sizeof program);
	while (neighbour_pid && !is_of_job(neighbour_pid, neighbour));
	if (!neighbour_pid)
		tap_die("the neighbour is not there");
}

void neighbour_start(struct stage *s)
{
	neighbour = stage_submit(s, stage_body("neighbour", true));
	if (!stage_wait_log(s, neighbour, "up")) {
		CLEAN_BUF struct buf log = BUF_INIT;
		stage_log(s, neighbour, &log);
		json_t *job = stage_wait(s, neighbour);
		char *text = json_dumps(job, JSON_COMPACT);
		tap_die("the neighbour does not come up: %s%s", log.data, text);
	}
	find_neighbour();
}

bool neighbour_end(struct stage *s)
{
	CLEAN_BUF struct buf log = BUF_INIT;
	kill(neighbour_pid, SIGUSR1);
	json_t *job = stage_wait(s, neighbour);
	bool is_well = strcmp(text_in(job, "state"), "succeeded") == 0;
	stage_log(s, neighbour, &log);
	json_decref(job);
	return is_well && log.len > 7 && strcmp(log.data + log.len - 7, "intact\n") == 0;
}

static bool is_neighbour_well(struct stage *s)
{
	char path[80];
	snprintf(path, sizeof path, "/v1/jobs/%" PRId64, neighbour);
	json_t *job = rig_get(s->client, path);
	bool is_running = strcmp(text_in(job, "state"), "running") == 0;
	json_decref(job);
	return is_running;
}

/* ---- what the reader of a log sees -------------------------------------------------------------------------- */

/* What reaches the terminal of somebody who reads the log there. */
static void read_on_terminal(const struct stage *s, int64_t id, struct buf *out)
{
	char number[32], bytes[4096];
	int fd, status;
	snprintf(number, sizeof number, "%" PRId64, id);
	pid_t pid = forkpty(&fd, NULL, NULL, NULL);
	if (pid == 0) {
		setenv("TERM", "xterm-256color", 1);
		execl(getenv("SLIPWAY_BIN"), "slipway", "log", "--server", s->rig.address, number,
		      (char *)NULL);
		_exit(127);
	}
	for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0;)
		buf_add(out, bytes, (size_t)n);
	close(fd);
	waitpid(pid, &status, 0);
	if (status != 0)
		tap_die("log %s on a terminal: status %d", number, status);
}

/* Colours are the reader's own. */
static size_t skip_colour(const char *at)
{
	size_t n = strncmp(at, "\033[", 2) == 0 ? 2 + strspn(at + 2, "0123456789;") : 0;
	return n && at[n] == 'm' ? n + 1 : 0;
}

static bool is_bad_at(const struct buf *b, size_t i)
{
	unsigned char c = (unsigned char)b->data[i],
		      next = i + 1 < b->len ? (unsigned char)b->data[i + 1] : 0;
	unsigned char third = i + 2 < b->len ? (unsigned char)b->data[i + 2] : 0;
	if (c == '\r')
		return next != '\n' && next != '\r';
	if (c == 0xc2)
		return next >= 0x80 && next <= 0x9f;
	if (c == 0xe2 && next == 0x80)
		return third >= 0xaa && third <= 0xae;
	if (c == 0xe2 && next == 0x81)
		return third >= 0xa6 && third <= 0xa9;
	bool is_continued = i > 0 && (unsigned char)b->data[i - 1] >= 0x80;
	return (c < ' ' && c != '\n' && c != '\t') || c == 127 || (c >= 0x80 && c < 0xa0 && !is_continued);
}

static bool is_harmless(const struct buf *b, char *text, size_t size)
{
	for (size_t i = 0; i < b->len; i++) {
		size_t n = skip_colour(b->data + i);
		if (n)
			i += n - 1;
		else if (is_bad_at(b, i)) {
			snprintf(text, size, "byte 0x%02x reaches the terminal", (unsigned char)b->data[i]);
			return false;
		}
	}
	return true;
}

/* ---- the verdict -------------------------------------------------------------------------------------------- */

/* The rest of the first line that begins with `word`; NULL: there is none. */
static const char *find_line(const struct buf *log, const char *word, char *room, size_t size)
{
	for (const char *at = log->data; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL)
		if (strncmp(at, word, strlen(word)) == 0) {
			snprintf(room, size, "%.*s", (int)strcspn(at, "\n") - (int)strlen(word),
				 at + strlen(word));
			return room;
		}
	return NULL;
}

static int by_text(const void *a, const void *b)
{
	const char *const *x = a, *const *y = b;
	return strcmp(*x, *y);
}

static void list_artifacts(struct stage *s, int64_t id, struct buf *out)
{
	const char *names[64];
	char path[80];
	size_t n = 0;
	snprintf(path, sizeof path, "/v1/jobs/%" PRId64 "/artifacts", id);
	json_t *answer = rig_get(s->client, path);
	json_t *list = json_is_array(answer) ? answer : json_object_get(answer, "artifacts");
	for (; n < json_array_size(list) && n < ARRAY_LEN(names); n++)
		names[n] = text_in(json_array_get(list, n), "name");
	qsort(names, n, sizeof *names, by_text);
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? " " : "");
		buf_adds(out, names[i]);
	}
	json_decref(answer);
}

static bool is_end_right(const struct hostile *h, const json_t *job, const struct buf *log, char *text,
			 size_t size)
{
	const char *want = text_in(h->about, "end"), *state = text_in(job, "state"),
		   *reason = text_in(job, "reason");
	char room[300];
	snprintf(text, size, "%s %s", state, reason);
	if (!*want)
		return strcmp(state, "succeeded") == 0 && find_line(log, "HELD", room, sizeof room);
	if (strcmp(want, "succeeded") == 0)
		return strcmp(state, want) == 0;
	return strcmp(state, "failed") == 0 && strcmp(reason, want) == 0;
}

static bool is_output_right(struct stage *s, const struct hostile *h, int64_t id, const struct buf *log,
			    struct outcome_of *o)
{
	const char *line = text_in(h->about, "log");
	const json_t *artifacts = json_object_get(h->about, "artifacts");
	CLEAN_BUF struct buf got = BUF_INIT;
	if (*line && !memmem(log->data, log->len, line, strlen(line))) {
		snprintf(o->text, sizeof o->text, "the log does not say: %s", line);
		return false;
	}
	if (artifacts) {
		list_artifacts(s, id, &got);
		if (strcmp(got.data, json_string_value(artifacts)) != 0) {
			snprintf(o->text, sizeof o->text, "collected: %s", got.data);
			return false;
		}
	}
	if (strcmp(text_in(h->about, "class"), "terminal") != 0)
		return true;
	buf_release(&got);
	read_on_terminal(s, id, &got);
	return is_harmless(&got, o->text, sizeof o->text);
}

static void judge(struct stage *s, const struct hostile *h, const json_t *job, struct outcome_of *o)
{
	CLEAN_BUF struct buf log = BUF_INIT;
	int64_t id = number_in(job, "id");
	stage_log(s, id, &log);
	o->verdict = VERDICT_BROKEN;
	if (find_line(&log, "BROKEN: ", o->text, sizeof o->text))
		return;
	if (find_line(&log, "UNTRIED: ", o->text, sizeof o->text)) {
		o->verdict = VERDICT_UNTRIED;
		return;
	}
	if (is_end_right(h, job, &log, o->text, sizeof o->text) && is_output_right(s, h, id, &log, o))
		o->verdict = VERDICT_HELD;
}

static bool is_limit_kept(const struct stage *s, const struct hostile *h)
{
	const json_t *limits = json_object_get(h->about, "limits");
	return (s->is_memory || !json_object_get(limits, "memory")) &&
	       (s->is_pids || !json_object_get(limits, "pids"));
}

static json_t *make_body(const struct hostile *h, int step)
{
	json_t *body = stage_body(h->name, step == STEP_BUILD), *limits = json_object_get(h->about, "limits");
	int64_t timeout = number_in(h->about, "timeout"), silence = number_in(h->about, "silence");
	json_object_set_new(body, "timeout", json_integer(timeout ? timeout : 60));
	if (silence)
		json_object_set_new(body, "silence", json_integer(silence));
	if (limits)
		json_object_set(body, "limits", limits);
	if (hostile_is(h, "collecting"))
		json_object_set_new(body, "collect", json_pack("[s]", "**"));
	return body;
}

void hostile_try(struct stage *s, struct hostile *h, int step)
{
	struct outcome_of *o = &h->results[s->worker][step];
	char program[300];
	*o = (struct outcome_of){ .verdict = VERDICT_UNTRIED,
				  .text = "this worker cannot keep such a limit, and says so" };
	if (!is_limit_kept(s, h))
		return;
	int64_t id = stage_submit(s, make_body(h, step));
	json_t *job = stage_wait(s, id);
	o->is_left = count_left(id, program, sizeof program) > 0;
	judge(s, h, job, o);
	json_decref(job);
	if (!is_neighbour_well(s)) {
		o->verdict = VERDICT_BROKEN;
		snprintf(o->text, sizeof o->text, "the job beside it has ended");
		neighbour_start(s);
	}
	if (o->verdict == VERDICT_BROKEN && json_object_get(h->about, "known"))
		o->verdict = VERDICT_KNOWN;
}

#include "load.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/client.h"
#include "rig.h"

enum {
	SERVERS_MAX = 4,
	BATCH = 6,
	OPEN_MAX = 18,	    /* jobs one thread submitted and does not know to have ended */
	PAUSE_MAX_MS = 100, /* between two blows */
	RETRY_MS = 50,	    /* after "try again" */
	SETTLE_MS = 120000, /* for what is left to end, after the last blow */
	LOG_BYTES = 6000,
};

/* What jobs do. The ledger's lines are one write each. */
static const char *const effects[] = {
	"echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER",
	"echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; sleep 0.03; echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER",
	"echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; printf %06000d 7; echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER",
	("echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; echo $SLIPWAY_JOB.$SLIPWAY_ATTEMPT >$SLIPWAY_OUT/made; "
	 "echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER"),
};
enum effect { EFFECT_PLAIN, EFFECT_SLOW, EFFECT_LOG, EFFECT_FILE, EFFECT_NONE /* it stays suspended */ };
static const enum effect mixture[] = { EFFECT_PLAIN, EFFECT_SLOW, EFFECT_PLAIN, EFFECT_LOG,
				       EFFECT_PLAIN, EFFECT_SLOW, EFFECT_FILE,	EFFECT_PLAIN };

/* Jobs whose number the server gave out. */
struct acked {
	int64_t id;
	enum effect effect;
};

/* One who submits: jobs that run and are waited for, or, in bursts, as many as it can of those that stay suspended. */
struct submitter {
	bool is_burster;
	pthread_t thread;
	int server;	     /* the one it talks to */
	struct acked *acked; /* its own: the others are read when it has ended */
	size_t len, cap;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned generation; /* grows with each server that comes up */
	bool is_over, is_bursting;
	size_t acked, broken;
	struct rig *const *rigs;
	int n;
	struct submitter submitters[2 * SERVERS_MAX]; /* two a server */
	int watch;				      /* of the ledger */
} load = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- those who submit --------------------------------------------------------------------------------------- */

static void add_acked(struct submitter *s, int64_t id, enum effect effect)
{
	if (s->len == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 1024;
		s->acked = reallocarray(s->acked, s->cap, sizeof(*s->acked));
		if (!s->acked)
			tap_die("out of memory");
	}
	s->acked[s->len++] = (struct acked){ .id = id, .effect = effect };
	pthread_mutex_lock(&load.lock);
	load.acked++;
	pthread_mutex_unlock(&load.lock);
}

static enum effect effect_of(const struct submitter *s, uint64_t call, int line)
{
	return s->is_burster ? EFFECT_NONE : mixture[(call + (unsigned)line) % ARRAY_LEN(mixture)];
}

/* Its name is given to no other job, so that one that was made twice would be found. */
static char *make_body(const struct submitter *s, uint64_t call, int line)
{
	enum effect effect = effect_of(s, call, line);
	char name[64];
	json_t *body;
	char *text;

	snprintf(name, sizeof(name), "%d.%" PRIu64 ".%d", (int)(s - load.submitters), call, line);
	if (effect == EFFECT_NONE)
		body = json_pack("{s:s,s:[s],s:b}", "name", name, "argv", "true", "suspended", 1);
	else
		body = json_pack("{s:s,s:[s,s,s],s:{s:s},s:[s*]}", "name", name, "argv", "/bin/sh", "-c",
				 effects[effect], "env", "LEDGER", load.rigs[0]->ledger, "collect",
				 effect == EFFECT_FILE ? "made" : NULL);
	text = json_dumps(body, JSON_COMPACT);
	json_decref(body);
	return text;
}

static int submit_one(struct submitter *s, struct client *c, uint64_t n, struct err *e)
{
	char *body = make_body(s, n, 0);
	json_t *answer = rig_call(c, "POST", "/v1/jobs", body, e);

	if (answer)
		add_acked(s, number_in(answer, "id"), effect_of(s, n, 0));
	json_decref(answer);
	free(body);
	return answer ? 0 : -1;
}

static int submit_batch(struct submitter *s, struct client *c, uint64_t n, struct err *e)
{
	CLEAN_BUF struct buf lines = BUF_INIT;
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	struct client_request q = { .method = "POST",
				    .path = "/v1/jobs",
				    .content_type = "application/x-ndjson" };
	json_t *answer;

	for (int i = 0; i < BATCH; i++) {
		char *text = make_body(s, n, i);

		buf_adds(&lines, text);
		buf_addc(&lines, '\n');
		free(text);
	}
	q.body = lines.data;
	q.body_len = lines.len;
	if (client_do(c, &q, &reply, e) < 0)
		return -1;
	answer = json_loadb(reply.body.data, reply.body.len, 0, NULL);
	const json_t *ids = json_object_get(answer, "ids");
	if (json_array_size(ids) != BATCH)
		tap_die("a batch of %d was answered with %zu numbers", BATCH, json_array_size(ids));
	for (unsigned i = 0; i < BATCH; i++)
		add_acked(s, json_integer_value(json_array_get(ids, i)),
			  mixture[(n + i) % ARRAY_LEN(mixture)]);
	json_decref(answer);
	return 0;
}

/* Wait for jobs [from, to) of one submitter, for a second at most. */
static int wait_for(const struct submitter *s, struct client *c, size_t from, size_t to, bool *is_done,
		    struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	json_t *answer;

	buf_adds(&path, "/v1/wait?timeout=1&ids=");
	for (size_t i = from; i < to; i++)
		buf_addf(&path, "%s%" PRId64, i > from ? "," : "", s->acked[i].id);
	answer = rig_call(c, "GET", path.data, NULL, e);
	*is_done = json_is_true(json_object_get(answer, "done"));
	json_decref(answer);
	return answer ? 0 : -1;
}

/* The call failed. To the next server, or, when there is only this one, until it has come up again. */
static void go_on_elsewhere(struct submitter *s, struct client **c, unsigned generation)
{
	pthread_mutex_lock(&load.lock);
	while (load.n == 1 && load.generation == generation && !load.is_over)
		pthread_cond_wait(&load.changed, &load.lock);
	pthread_mutex_unlock(&load.lock);
	if (load.n == 1)
		return;
	client_free(*c);
	s->server = (s->server + 1) % load.n;
	*c = rig_client(load.rigs[s->server]);
	pause_ms(RETRY_MS);
}

/* How things stand now, for a burster when there is a burst; false when it is over. */
static bool look(const struct submitter *s, unsigned *generation)
{
	bool is_over;

	pthread_mutex_lock(&load.lock);
	while (s->is_burster && !load.is_bursting && !load.is_over)
		pthread_cond_wait(&load.changed, &load.lock);
	*generation = load.generation;
	is_over = load.is_over;
	pthread_mutex_unlock(&load.lock);
	return !is_over;
}

static void note_broken(const struct err *e)
{
	if (e->code != ERR_UNREACHABLE && e->code != ERR_BUSY)
		tap_die("an answer that nothing explains: %s", e->text);
	pthread_mutex_lock(&load.lock);
	load.broken++;
	pthread_mutex_unlock(&load.lock);
}

static void *submit_until_over(void *arg)
{
	struct submitter *s = arg;
	struct client *c = rig_client(load.rigs[s->server]);
	unsigned generation;
	size_t known = 0; /* of its acknowledged jobs, these have ended */

	for (uint64_t n = 0; look(s, &generation);) {
		struct err e = ERR_INIT;
		bool is_done = false;
		int rc;

		if (!s->is_burster && s->len - known > OPEN_MAX) {
			rc = wait_for(s, c, known, known + BATCH, &is_done, &e);
			if (is_done)
				known += BATCH;
		} else {
			rc = n % 3 ? submit_one(s, c, n, &e) : submit_batch(s, c, n, &e);
			n++;
		}
		if (rc < 0) {
			note_broken(&e);
			if (e.code == ERR_UNREACHABLE)
				go_on_elsewhere(s, &c, generation);
			else
				pause_ms(RETRY_MS);
		}
	}
	client_free(c);
	return NULL;
}

void load_start(struct rig *const *rigs, int n)
{
	FILE *f = fopen(rigs[0]->ledger, "ae");

	load.rigs = rigs;
	load.n = n;
	load.watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (load.watch < 0 || !f || inotify_add_watch(load.watch, rigs[0]->ledger, IN_MODIFY) < 0)
		tap_die("cannot watch the ledger");
	fclose(f);
	for (int i = 0; i < 2 * n; i++) {
		load.submitters[i].server = i % n;
		load.submitters[i].is_burster = i >= n;
		if (pthread_create(&load.submitters[i].thread, NULL, submit_until_over,
				   &load.submitters[i]) != 0)
			tap_die("no thread");
	}
}

void load_notice_server(void)
{
	pthread_mutex_lock(&load.lock);
	load.generation++;
	pthread_cond_broadcast(&load.changed);
	pthread_mutex_unlock(&load.lock);
}

void load_burst(bool is_bursting)
{
	pthread_mutex_lock(&load.lock);
	load.is_bursting = is_bursting;
	pthread_cond_broadcast(&load.changed);
	pthread_mutex_unlock(&load.lock);
}

void load_wait_for_progress(int64_t most_ms)
{
	char events[4096];
	struct pollfd p = { .fd = load.watch, .events = POLLIN };

	while (read(load.watch, events, sizeof(events)) > 0)
		;
	if (chance_below(100) < 80)
		poll(&p, 1, (int)most_ms);
	pause_ms((int64_t)chance_below(PAUSE_MAX_MS));
}

void load_stop(void)
{
	pthread_mutex_lock(&load.lock);
	load.is_over = true;
	pthread_cond_broadcast(&load.changed);
	pthread_mutex_unlock(&load.lock);
	for (int i = 0; i < 2 * load.n; i++)
		pthread_join(load.submitters[i].thread, NULL);
	close(load.watch);
}

void load_count(size_t *acked, size_t *broken)
{
	pthread_mutex_lock(&load.lock);
	*acked = load.acked;
	*broken = load.broken;
	pthread_mutex_unlock(&load.lock);
}

/* ---- the account -------------------------------------------------------------------------------------------- */

struct account {
	size_t unfinished, lost, wrong, without_effect, bad_log, bad_file, attempts, most_attempts;
};

static void settle(const struct submitter *s, struct client *c)
{
	int64_t until = clock_boot_ms() + SETTLE_MS;

	for (size_t from = 0; from < s->len && clock_boot_ms() < until;) {
		size_t to = from + 200 < s->len ? from + 200 : s->len;
		struct err e = ERR_INIT;
		bool is_done = false;

		/* The last blow may still be felt. */
		if (wait_for(s, c, from, to, &is_done, &e) < 0)
			pause_ms(RETRY_MS);
		if (is_done)
			from = to;
	}
}

static bool has_log(struct client *c, int64_t id)
{
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	char path[64];

	snprintf(path, sizeof(path), "/v1/jobs/%" PRId64 "/log", id);
	return client_call(c, "GET", path, NULL, &r, NULL) == 0 && r.body.len == LOG_BYTES &&
	       r.body.data[LOG_BYTES - 1] == '7';
}

static bool has_file(struct client *c, int64_t id, int attempt)
{
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	char path[64], want[64];

	snprintf(path, sizeof(path), "/v1/jobs/%" PRId64 "/artifacts/made", id);
	snprintf(want, sizeof(want), "%" PRId64 ".%d\n", id, attempt);
	return client_call(c, "GET", path, NULL, &r, NULL) == 0 && strcmp(r.body.data, want) == 0;
}

/* The one success of a job: attempt `n`. */
static void check_success(struct client *c, const struct acked *job, int n, const struct ledger *l,
			  struct account *a)
{
	if (job->id >= l->size || !(l->jobs[job->id].ended >> n & 1)) {
		tap_note("job %" PRId64 ": attempt %d succeeded without its effect", job->id, n);
		a->without_effect++;
	}
	if (job->effect == EFFECT_LOG && !has_log(c, job->id)) {
		tap_note("job %" PRId64 ": its log is not whole", job->id);
		a->bad_log++;
	}
	if (job->effect == EFFECT_FILE && !has_file(c, job->id, n)) {
		tap_note("job %" PRId64 ": its file is not that of attempt %d", job->id, n);
		a->bad_file++;
	}
}

static void check_job(struct client *c, const struct acked *job, const struct ledger *l, struct account *a)
{
	char path[64];
	snprintf(path, sizeof(path), "/v1/jobs/%" PRId64, job->id);
	json_t *json = rig_get(c, path);
	const char *state = text_in(json, "state");
	const json_t *attempts = json_object_get(json, "attempts"), *attempt;
	size_t i, successes = 0;
	int n = 0;

	json_array_foreach (attempts, i, attempt)
		if (strcmp(text_in(attempt, "outcome"), "succeeded") == 0) {
			successes++;
			n = (int)number_in(attempt, "n");
		}
	a->attempts += json_array_size(attempts);
	if (json_array_size(attempts) > a->most_attempts)
		a->most_attempts = json_array_size(attempts);
	if (strcmp(state, "failed") == 0 && strcmp(text_in(json, "reason"), "lost") == 0 && successes == 0) {
		a->lost++; /* its workers were killed too often: what is promised for that */
	} else if (strcmp(state, "succeeded") == 0 && successes == 1) {
		check_success(c, job, n, l, a);
	} else {
		bool is_final = strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0 ||
				strcmp(state, "succeeded") == 0;

		tap_note("job %" PRId64 " is %s %s, with %zu successes", job->id, state,
			 text_in(json, "reason"), successes);
		if (is_final)
			a->wrong++;
		else
			a->unfinished++;
	}
	json_decref(json);
}

static bool check_store(struct client *c)
{
	struct err e = ERR_INIT;
	json_t *json = rig_call(c, "POST", "/v1/admin/check", "{}", &e);
	const json_t *found = json_object_get(json, "found"), *line;
	bool is_good = json && json_is_integer(json_object_get(json, "violations")) &&
		       number_in(json, "violations") == 0;
	size_t i;

	if (!json)
		tap_note("%s", e.text);
	json_array_foreach (found, i, line)
		tap_note("%s", json_string_value(line));
	json_decref(json);
	return is_good;
}

/* All that is in the store. */
struct found {
	int64_t id;
	char *name;
	bool is_suspended;
};

struct inventory {
	struct found *jobs;
	size_t len;
};

static int compare_names(const void *a, const void *b)
{
	return strcmp(((const struct found *)a)->name, ((const struct found *)b)->name);
}

static int compare_ids(const void *a, const void *b)
{
	int64_t x = ((const struct found *)a)->id, y = ((const struct found *)b)->id;

	return (x > y) - (x < y);
}

static void take_inventory(struct client *c, struct inventory *v)
{
	char path[64] = "/v1/jobs?limit=1000";
	int64_t next;

	*v = (struct inventory){ 0 };
	do {
		json_t *page = rig_get(c, path);
		const json_t *jobs = json_object_get(page, "jobs"), *job;
		size_t i;

		v->jobs = reallocarray(v->jobs, v->len + json_array_size(jobs) + 1, sizeof(*v->jobs));
		if (!v->jobs)
			tap_die("out of memory");
		json_array_foreach (jobs, i, job)
			v->jobs[v->len++] = (struct found){ number_in(job, "id"),
							    strdup(text_in(job, "name")),
							    strcmp(text_in(job, "state"), "suspended") == 0 };
		next = number_in(page, "next");
		snprintf(path, sizeof(path), "/v1/jobs?limit=1000&before=%" PRId64, next);
		json_decref(page);
	} while (next);
}

static void release_inventory(struct inventory *v)
{
	for (size_t i = 0; i < v->len; i++)
		free(v->jobs[i].name);
	free(v->jobs);
}

/* A call whose answer was lost may have made its job, but nobody repeated it: then the store did. */
static size_t count_made_twice(struct inventory *v)
{
	size_t twice = 0;

	qsort(v->jobs, v->len, sizeof(*v->jobs), compare_names);
	for (size_t i = 1; i < v->len; i++)
		if (strcmp(v->jobs[i - 1].name, v->jobs[i].name) == 0) {
			tap_note("made twice: %s", v->jobs[i].name);
			twice++;
		}
	return twice;
}

/* Acknowledged ones that stay suspended and do not. */
static size_t count_gone(struct inventory *v, const struct submitter *s)
{
	size_t gone = 0;

	qsort(v->jobs, v->len, sizeof(*v->jobs), compare_ids);
	for (size_t i = 0; i < s->len; i++) {
		struct found key = { .id = s->acked[i].id };
		const struct found *f = bsearch(&key, v->jobs, v->len, sizeof(*v->jobs), compare_ids);

		if (!f || !f->is_suspended) {
			tap_note("job %" PRId64 " was acknowledged and is gone", key.id);
			gone++;
		}
	}
	return gone;
}

void load_account(const struct rig *r)
{
	struct client *c = rig_client(r);
	struct account a = { 0 };
	struct inventory v;
	struct ledger l;
	size_t gone = 0;

	for (int i = 0; i < load.n; i++)
		settle(&load.submitters[i], c);
	ledger_read(&l, r);
	take_inventory(c, &v);
	for (int i = 0; i < 2 * load.n; i++) {
		struct submitter *s = &load.submitters[i];

		if (s->is_burster)
			gone += count_gone(&v, s);
		for (size_t k = 0; k < s->len && !s->is_burster; k++)
			check_job(c, &s->acked[k], &l, &a);
		free(s->acked);
		*s = (struct submitter){ 0 };
	}
	tap_note("%zu jobs in the store", v.len);
	tap_note("%zu attempts, at most %zu of one job; %" PRId64
		 " lines in the ledger; %zu jobs failed as lost",
		 a.attempts, a.most_attempts, l.lines, a.lost);
	tap_ok(a.unfinished == 0, "every acknowledged job has ended");
	tap_ok(a.wrong == 0, "and succeeded once, unless its workers were killed too often");
	tap_ok(a.without_effect == 0, "a recorded success has its effect");
	tap_ok(gone == 0, "what was acknowledged and only waits is still there");
	tap_ok(count_made_twice(&v) == 0, "no call made its job twice");
	tap_ok(l.twice == 0 && l.odd == 0, "no attempt ran twice");
	tap_ok(l.overlapping == 0, "no attempt acted after the next one had begun");
	tap_ok(a.bad_log == 0 && a.bad_file == 0, "logs and artifacts are whole and of the right attempt");
	tap_ok(check_store(c), "the store breaks no invariant");
	client_free(c);
	release_inventory(&v);
	ledger_release(&l);
}

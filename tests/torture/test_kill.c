/* Kill -9 at random moments: the server, its worker, both, or a spawner, again and again, while jobs are submitted all the
 * time. Afterwards every job whose number was given out has ended, none was lost, and none had two effects.
 *
 * SLIPWAY_KILLS says how often; without it 1000 times (fewer under sanitizers), but on a slow machine not longer than
 * five minutes. SLIPWAY_SEED repeats a run's decisions. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
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

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KILLS = 40 };
#else
enum { KILLS = 1000 };
#endif

enum {
	BATCH = 6,
	OPEN_MAX = 18,	     /* jobs submitted and not known to have ended */
	PAUSE_MAX_MS = 100,  /* between two kills */
	PROGRESS_MS = 5000,  /* most kills wait for a job to do something first, but not longer */
	KILLING_MS = 900000, /* at most, unless somebody said how often */
	SETTLE_MS = 120000,  /* for what is left to end, after the last kill */
	LOG_BYTES = 6000,
};

static struct rig rig;

/* What jobs do. The ledger's lines are one write each. */
static const char *const effects[] = {
	"echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER",
	"echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; sleep 0.03; echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER",
	"echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; printf %06000d 7; echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER",
	("echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; echo $SLIPWAY_JOB.$SLIPWAY_ATTEMPT >$SLIPWAY_OUT/made; "
	 "echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER"),
};
enum effect { EFFECT_PLAIN, EFFECT_SLOW, EFFECT_LOG, EFFECT_FILE };
static const enum effect mixture[] = { EFFECT_PLAIN, EFFECT_SLOW, EFFECT_PLAIN, EFFECT_LOG,
				       EFFECT_PLAIN, EFFECT_SLOW, EFFECT_FILE,	EFFECT_PLAIN };

/* Jobs whose number the server gave out. */
struct acked {
	int64_t id;
	enum effect effect;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned generation; /* of the server that answers now */
	bool is_over;
	struct acked *acked;
	size_t len, cap;
	uint64_t failed_calls;
} shared = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* ---- the one who submits ------------------------------------------------------------------------------------ */

static void add_acked(int64_t id, enum effect effect)
{
	pthread_mutex_lock(&shared.lock);
	if (shared.len == shared.cap) {
		shared.cap = shared.cap ? 2 * shared.cap : 1024;
		shared.acked = reallocarray(shared.acked, shared.cap, sizeof(*shared.acked));
		if (!shared.acked)
			tap_die("out of memory");
	}
	shared.acked[shared.len++] = (struct acked){ .id = id, .effect = effect };
	pthread_mutex_unlock(&shared.lock);
}

static json_t *make_body(enum effect effect)
{
	return json_pack("{s:[s,s,s],s:{s:s},s:[s*]}", "argv", "/bin/sh", "-c", effects[effect], "env",
			 "LEDGER", rig.ledger, "collect", effect == EFFECT_FILE ? "made" : NULL);
}

static int submit_one(struct client *c, uint64_t n, struct err *e)
{
	enum effect effect = mixture[n % ARRAY_LEN(mixture)];
	json_t *body = make_body(effect);
	char *text = json_dumps(body, JSON_COMPACT);
	json_t *answer = rig_call(c, "POST", "/v1/jobs", text, e);

	if (answer)
		add_acked(number_in(answer, "id"), effect);
	json_decref(answer);
	json_decref(body);
	free(text);
	return answer ? 0 : -1;
}

static int submit_batch(struct client *c, uint64_t n, struct err *e)
{
	CLEAN_BUF struct buf lines = BUF_INIT;
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	struct client_request q = { .method = "POST",
				    .path = "/v1/jobs",
				    .content_type = "application/x-ndjson" };
	json_t *answer;

	for (int i = 0; i < BATCH; i++) {
		json_t *body = make_body(mixture[(n + (unsigned)i) % ARRAY_LEN(mixture)]);
		char *text = json_dumps(body, JSON_COMPACT);

		buf_adds(&lines, text);
		buf_addc(&lines, '\n');
		free(text);
		json_decref(body);
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
		add_acked(json_integer_value(json_array_get(ids, i)), mixture[(n + i) % ARRAY_LEN(mixture)]);
	json_decref(answer);
	return 0;
}

/* Wait for jobs [from, to) of the acknowledged ones, for a second at most. */
static int wait_for(struct client *c, size_t from, size_t to, bool *is_done, struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	json_t *answer;

	buf_adds(&path, "/v1/wait?timeout=1&ids=");
	pthread_mutex_lock(&shared.lock);
	for (size_t i = from; i < to; i++)
		buf_addf(&path, "%s%" PRId64, i > from ? "," : "", shared.acked[i].id);
	pthread_mutex_unlock(&shared.lock);
	answer = rig_call(c, "GET", path.data, NULL, e);
	*is_done = json_is_true(json_object_get(answer, "done"));
	json_decref(answer);
	return answer ? 0 : -1;
}

/* The call failed: the server is gone until the next generation. */
static void wait_for_server(unsigned generation)
{
	pthread_mutex_lock(&shared.lock);
	shared.failed_calls++;
	while (shared.generation == generation && !shared.is_over)
		pthread_cond_wait(&shared.changed, &shared.lock);
	pthread_mutex_unlock(&shared.lock);
}

static void *submitter(void *arg)
{
	struct client *c = rig_client(&rig);
	size_t known = 0; /* of the acknowledged ones, these have ended */
	uint64_t n = 0;

	for (;;) {
		struct err e = ERR_INIT;
		bool is_done = false;
		unsigned generation;
		size_t len;
		int rc;

		pthread_mutex_lock(&shared.lock);
		generation = shared.generation;
		len = shared.len;
		pthread_mutex_unlock(&shared.lock);
		if (shared.is_over)
			break;
		if (len - known > OPEN_MAX) {
			rc = wait_for(c, known, known + BATCH, &is_done, &e);
			if (is_done)
				known += BATCH;
		} else {
			rc = n % 3 ? submit_one(c, n, &e) : submit_batch(c, n, &e);
			n++;
		}
		if (rc < 0 && e.code != ERR_UNREACHABLE && e.code != ERR_BUSY)
			tap_die("an answer that nothing explains: %s", e.text);
		if (rc < 0 && e.code == ERR_UNREACHABLE)
			wait_for_server(generation);
	}
	client_free(c);
	return NULL;
}

/* ---- the one who kills -------------------------------------------------------------------------------------- */

static const char *const serve_options[] = { "--slots", "2", "--lease", "2s", NULL };

static void start_server(void)
{
	rig_start(&rig, serve_options);
	pthread_mutex_lock(&shared.lock);
	shared.generation++;
	pthread_cond_broadcast(&shared.changed);
	pthread_mutex_unlock(&shared.lock);
}

static bool kill_it(pid_t pid)
{
	return pid > 0 && kill(pid, SIGKILL) == 0;
}

struct tally {
	int64_t servers, workers, spawners, start_ms;
};

static void kill_once(struct tally *t)
{
	pid_t worker = child_of(rig.serve, 0);
	uint64_t die = chance_below(100);

	if (die < 60 || die >= 92) {
		/* Both at once, in either order, or the server alone. */
		if (die >= 96)
			t->workers += kill_it(worker);
		rig_kill(&rig);
		if (die >= 92 && die < 96)
			t->workers += kill_it(worker);
		t->servers++;
		start_server();
		t->start_ms += rig.start_ms;
	} else if (die < 86) {
		t->workers += kill_it(worker);
	} else {
		t->spawners += kill_it(child_of(worker, (int)chance_below(2)));
	}
}

/* Most kills are to hit a system at work, some one that is just starting. */
static void wait_for_progress(int watch)
{
	char events[4096];
	struct pollfd p = { .fd = watch, .events = POLLIN };

	while (read(watch, events, sizeof(events)) > 0)
		;
	if (chance_below(100) < 80)
		poll(&p, 1, PROGRESS_MS);
	pause_ms((int64_t)chance_below(PAUSE_MAX_MS));
}

static int watch_ledger(void)
{
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	FILE *f = fopen(rig.ledger, "ae");

	if (watch < 0 || !f || inotify_add_watch(watch, rig.ledger, IN_MODIFY) < 0)
		tap_die("cannot watch the ledger");
	fclose(f);
	return watch;
}

static void torture(void)
{
	struct tally t = { 0 };
	int64_t asked = setting("SLIPWAY_KILLS", 0), kills = asked ? asked : KILLS;
	int watch = watch_ledger();
	int64_t before = clock_boot_ms();
	pthread_t thread;

	start_server();
	pthread_create(&thread, NULL, submitter, NULL);
	while (t.servers + t.workers + t.spawners < kills &&
	       (asked || clock_boot_ms() - before < KILLING_MS)) {
		wait_for_progress(watch);
		kill_once(&t);
	}
	close(watch);
	pthread_mutex_lock(&shared.lock);
	shared.is_over = true;
	pthread_cond_broadcast(&shared.changed);
	pthread_mutex_unlock(&shared.lock);
	pthread_join(thread, NULL);
	tap_note("%" PRId64 " servers, %" PRId64 " workers, %" PRId64
		 " spawners killed in %.1f s; %.0f ms until a server "
		 "answers; %zu jobs acknowledged, %" PRIu64 " calls broken",
		 t.servers, t.workers, t.spawners, (double)(clock_boot_ms() - before) / 1000,
		 t.servers ? (double)t.start_ms / (double)t.servers : 0.0, shared.len, shared.failed_calls);
}

/* ---- the account -------------------------------------------------------------------------------------------- */

struct account {
	size_t unfinished, lost, wrong, without_effect, bad_log, bad_file, attempts, most_attempts;
};

static void settle(struct client *c)
{
	int64_t until = clock_boot_ms() + SETTLE_MS;

	for (size_t from = 0; from < shared.len && clock_boot_ms() < until;) {
		size_t to = from + 200 < shared.len ? from + 200 : shared.len;
		struct err e = ERR_INIT;
		bool is_done = false;

		if (wait_for(c, from, to, &is_done, &e) < 0)
			tap_die("wait: %s", e.text);
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
	} else if (strcmp(state, "succeeded") != 0 || successes != 1) {
		bool is_final = strcmp(state, "failed") == 0 || strcmp(state, "cancelled") == 0 ||
				strcmp(state, "succeeded") == 0;

		tap_note("job %" PRId64 " is %s %s, with %zu successes", job->id, state,
			 text_in(json, "reason"), successes);
		if (is_final)
			a->wrong++;
		else
			a->unfinished++;
	} else {
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

int main(void)
{
	struct ledger l;
	struct account a = { 0 };
	struct client *c;

	tap_plan(9);
	chance_seed();
	rig_make(&rig);
	torture();
	c = rig_client(&rig);
	settle(c);
	ledger_read(&l, &rig);
	for (size_t i = 0; i < shared.len; i++)
		check_job(c, &shared.acked[i], &l, &a);
	tap_note("%zu attempts, at most %zu of one job; %" PRId64
		 " lines in the ledger; %zu jobs failed as lost",
		 a.attempts, a.most_attempts, l.lines, a.lost);
	tap_ok(a.unfinished == 0, "every acknowledged job has ended");
	tap_ok(a.wrong == 0, "and succeeded once, unless its workers were killed too often");
	tap_ok(a.without_effect == 0, "a recorded success has its effect");
	tap_ok(l.twice == 0 && l.odd == 0, "no attempt ran twice");
	tap_ok(l.overlapping == 0, "no attempt acted after the next one had begun");
	tap_ok(a.bad_log == 0 && a.bad_file == 0, "logs and artifacts are whole and of the right attempt");
	tap_ok(check_store(c), "the store breaks no invariant");
	client_free(c);
	tap_ok(rig_stop(&rig) == 0, "the server stops well");
	tap_ok(rig_count_leftovers(&rig) == 0, "nothing is left behind");
	ledger_release(&l);
	free(shared.acked);
	rig_remove(&rig);
	return tap_status();
}

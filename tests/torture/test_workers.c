/* Machines that stop or die while they run jobs, many at a time: their processes are dead before anybody else may begin,
 * each job has one end, and at the default lease what they ran runs elsewhere within half a minute.
 *
 * Each job holds a lock on a file of its own from its first command on, with all its processes: two attempts that are alive
 * at once meet there, and say so in the ledger.
 *
 * SLIPWAY_WORKER_STOPS, SLIPWAY_WORKER_KILLS, SLIPWAY_WORKER_DEATHS: how often. SLIPWAY_SEED repeats a run's decisions. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "http/client.h"
#include "rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { WORKERS = 6 };
#else
enum { WORKERS = 16 };
#endif
/* One half of the workers is hit in each wave, the other half in the next: a worker that fails again and again without a
 * success in between would go into quarantine, as it should. */
enum { HALF = WORKERS / 2, STOPS = 2 * HALF, KILLS = 4 * HALF, DEATHS = HALF, WAIT_MS = 120000 };

struct farm {
	struct rig rig;
	struct client *client;
	pid_t pids[WORKERS];
	int64_t jobs[WORKERS];
	int64_t waves, blows, again, wrong, late;
};

static const char script[] = "exec 9>>\"$LOCKS.$SLIPWAY_JOB\"; flock -n 9 || echo \"x $SLIPWAY_JOB "
			     "$SLIPWAY_ATTEMPT\" >>$LEDGER; echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" "
			     ">>$LEDGER; sleep $LENGTH; echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER";

static void start_worker(struct farm *f, int i)
{
	char name[16];

	snprintf(name, sizeof(name), "w%d", i);
	f->pids[i] = rig_start_worker(&f->rig, name, 1);
}

static void open_farm(struct farm *f, const char *const *options)
{
	memset(f, 0, sizeof(*f));
	rig_make(&f->rig);
	rig_start(&f->rig, options);
	f->client = rig_client(&f->rig);
	for (int i = 0; i < WORKERS; i++)
		start_worker(f, i);
}

static int64_t submit(struct farm *f, const char *length)
{
	struct err e = ERR_INIT;
	char locks[120];

	snprintf(locks, sizeof(locks), "%s/lock", f->rig.dir);
	json_t *body = json_pack("{s:[s,s,s],s:{s:s,s:s,s:s}}", "argv", "/bin/sh", "-c", script, "env",
				 "LEDGER", f->rig.ledger, "LOCKS", locks, "LENGTH", length);
	char *text = json_dumps(body, JSON_COMPACT);
	json_t *answer = rig_call(f->client, "POST", "/v1/jobs", text, &e);
	int64_t id = number_in(answer, "id");

	if (!answer)
		tap_die("submit: %s", e.text);
	json_decref(answer);
	json_decref(body);
	free(text);
	return id;
}

static json_t *show(struct farm *f, int64_t id)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/jobs/%" PRId64, id);
	return rig_get(f->client, path);
}

/* As many jobs as slots, and all of them have begun: each worker runs one. */
static void begin_wave(struct farm *f, const char *length)
{
	int64_t until = clock_boot_ms() + WAIT_MS;
	int begun = 0;

	for (int i = 0; i < WORKERS; i++)
		f->jobs[i] = submit(f, length);
	while (begun < WORKERS) {
		struct ledger l;

		ledger_read(&l, &f->rig);
		for (begun = 0; begun < WORKERS; begun++)
			if (f->jobs[begun] >= l.size || !l.jobs[f->jobs[begun]].started)
				break;
		ledger_release(&l);
		if (clock_boot_ms() > until)
			tap_die("job %" PRId64 " does not begin", f->jobs[begun]);
		pause_ms(20);
	}
	f->waves++;
}

static void wait_done(struct farm *f)
{
	int64_t until = clock_boot_ms() + WAIT_MS;

	for (int i = 0; i < WORKERS; i++) {
		bool is_done = false;
		char path[100];

		snprintf(path, sizeof(path), "/v1/wait?timeout=20&ids=%" PRId64, f->jobs[i]);
		while (!is_done && clock_boot_ms() < until) {
			json_t *json = rig_get(f->client, path);

			is_done = json_is_true(json_object_get(json, "done"));
			json_decref(json);
		}
		if (!is_done)
			tap_die("job %" PRId64 " does not end", f->jobs[i]);
	}
}

static bool is_hit(const struct farm *f, int i)
{
	return (i < HALF) == (f->waves % 2 == 1);
}

/* Each job has one success; those of the workers that were hit were lost once or given back. */
static void judge_wave(struct farm *f)
{
	for (int i = 0; i < WORKERS; i++) {
		json_t *json = show(f, f->jobs[i]);
		const json_t *attempts = json_object_get(json, "attempts");
		size_t n = json_array_size(attempts), successes = 0;

		for (size_t k = 0; k < n; k++) {
			const char *outcome = text_in(json_array_get(attempts, k), "outcome");

			successes += strcmp(outcome, "succeeded") == 0;
			if (k + 1 < n && strcmp(outcome, "lost") != 0 && strcmp(outcome, "released") != 0)
				f->wrong++;
		}
		f->again += n > 1;
		if (successes != 1 || strcmp(text_in(json, "state"), "succeeded") != 0) {
			tap_note("job %" PRId64 " is %s with %zu successes", f->jobs[i],
				 text_in(json, "state"), successes);
			f->wrong++;
		}
		json_decref(json);
	}
}

static void stop_wave(struct farm *f)
{
	begin_wave(f, "1.2");
	for (int i = 0; i < WORKERS; i++)
		if (is_hit(f, i) && kill(f->pids[i], SIGSTOP) == 0)
			f->blows++;
	wait_done(f);
	for (int i = 0; i < WORKERS; i++)
		kill(f->pids[i], SIGCONT);
	judge_wave(f);
}

/* The worker, or one of its spawners, whose end is its own. */
static void kill_one(struct farm *f, int i)
{
	uint64_t die = chance_below(4);
	pid_t victim = die < 2 ? f->pids[i] : child_of(f->pids[i], (int)die - 2);

	if (victim > 0 && kill(victim, SIGKILL) == 0)
		f->blows++;
}

static void kill_wave(struct farm *f)
{
	begin_wave(f, "0.5");
	for (int i = 0; i < WORKERS; i++)
		if (is_hit(f, i))
			kill_one(f, i);
	for (int i = 0; i < WORKERS; i++) {
		if (!is_hit(f, i))
			continue;
		rig_wait_worker(f->pids[i]);
		start_worker(f, i);
	}
	wait_done(f);
	judge_wave(f);
}

static void close_farm(struct farm *f, const char *what)
{
	struct ledger l;

	for (int i = 0; i < WORKERS; i++)
		if (f->pids[i])
			rig_stop_worker(f->pids[i]);
	ledger_read(&l, &f->rig);
	tap_ok(f->wrong == 0,
	       "%s: each job ends well and once (%" PRId64 " of them ran again, %" PRId64 " blows)", what,
	       f->again, f->blows);
	tap_ok(l.odd == 0 && l.overlapping == 0 && l.twice == 0,
	       "%s: never were two attempts of a job alive at once", what);
	ledger_release(&l);
	json_t *json = rig_call(f->client, "POST", "/v1/admin/check", "{}", NULL);
	tap_ok(json && number_in(json, "violations") == 0, "%s: the store breaks no invariant", what);
	json_decref(json);
	client_free(f->client);
	tap_ok(rig_stop(&f->rig) == 0 && rig_count_leftovers(&f->rig) == 0, "%s: nothing is left behind",
	       what);
	rig_remove(&f->rig);
}

static void torture(const char *what, void (*wave)(struct farm *), int64_t blows)
{
	static const char *const options[] = { "--slots", "0", "--lease", "1s", NULL };
	struct farm f;
	int64_t began_ms = clock_boot_ms();

	open_farm(&f, options);
	while (f.blows < blows)
		wave(&f);
	tap_note("%s: %" PRId64 " in %" PRId64 " waves, %.1f s", what, f.blows, f.waves,
		 (double)(clock_boot_ms() - began_ms) / 1000);
	close_farm(&f, what);
}

/* ---- at the defaults: machines that die and do not come back ------------------------------------------------ */

static int compare(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* When its second attempt was given to somebody. */
static int64_t second_start_ms(struct farm *f, int64_t id)
{
	json_t *json = show(f, id);
	const json_t *second = json_array_get(json_object_get(json, "attempts"), 1);
	int64_t ms = 0;

	if (second && clock_parse(text_in(second, "started"), &ms) < 0)
		ms = 0;
	json_decref(json);
	return ms;
}

static int worker_of(struct farm *f, int64_t id)
{
	json_t *json = show(f, id);
	int i = (int)strtol(text_in(json, "worker") + 1, NULL, 10);

	json_decref(json);
	return i;
}

/* Within a beat of each other, so that they die at all points of it. */
static size_t death_wave(struct farm *f, int64_t *took_ms)
{
	int64_t died_ms[WORKERS] = { 0 };
	int on[WORKERS];
	size_t n = 0;

	begin_wave(f, "6");
	for (int i = 0; i < WORKERS; i++)
		on[i] = worker_of(f, f->jobs[i]);
	for (int i = 0; i < WORKERS; i++) {
		if (!is_hit(f, i))
			continue;
		kill(f->pids[i], SIGKILL);
		died_ms[i] = clock_wall_ms();
		f->blows++;
		pause_ms((int64_t)chance_below(2 * 4000 / HALF));
	}
	for (int i = 0; i < WORKERS; i++)
		if (is_hit(f, i))
			rig_wait_worker(f->pids[i]);
	wait_done(f);
	for (int i = 0; i < WORKERS; i++) {
		int64_t again_ms = died_ms[on[i]] ? second_start_ms(f, f->jobs[i]) : 0;

		if (again_ms)
			took_ms[n++] = again_ms - died_ms[on[i]];
	}
	judge_wave(f);
	for (int i = 0; i < WORKERS; i++)
		if (is_hit(f, i))
			start_worker(f, i);
	return n;
}

static void test_deaths(int64_t deaths)
{
	static const char *const options[] = { "--slots", "0", NULL };
	struct farm f;
	int64_t *took_ms = calloc((size_t)deaths + WORKERS, sizeof(*took_ms));
	size_t n = 0;

	if (!took_ms)
		tap_die("out of memory");
	open_farm(&f, options);
	while ((int64_t)n < deaths)
		n += death_wave(&f, took_ms + n);
	qsort(took_ms, n, sizeof(*took_ms), compare);
	tap_note(
		"%zu deaths at the default lease: elsewhere after %.1f s at best, %.1f s half of them, %.1f s p99, %.1f s at worst",
		n, (double)took_ms[0] / 1000, (double)took_ms[n / 2] / 1000,
		(double)took_ms[n * 99 / 100] / 1000, (double)took_ms[n - 1] / 1000);
	tap_ok(took_ms[n / 2] < 30000 && took_ms[n * 99 / 100] < 35000,
	       "what a dead machine ran runs elsewhere within 30 s, 99 of 100 within 35 s");
	free(took_ms);
	close_farm(&f, "deaths");
}

int main(void)
{
	tap_plan(13);
	chance_seed();
	torture("stopped past the lease", stop_wave, setting("SLIPWAY_WORKER_STOPS", STOPS));
	torture("killed", kill_wave, setting("SLIPWAY_WORKER_KILLS", KILLS));
	test_deaths(setting("SLIPWAY_WORKER_DEATHS", DEATHS));
	return tap_status();
}

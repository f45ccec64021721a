/* Late ones change nothing: a worker that is stopped (SIGSTOP) past its lease and goes on after its job has been done by
 * another, and one that still sends results, log and artifacts for an attempt it has lost.
 *
 * SLIPWAY_ROUNDS: how often a worker is stopped. */
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/client.h"
#include "rig.h"

enum { ROUNDS = 3, WAIT_MS = 60000 };

static struct rig rig;

static int64_t submit(struct client *c, const char *command, const char *tag)
{
	struct err e = ERR_INIT;
	json_t *body = json_pack("{s:[s,s,s],s:{s:s},s:[s*]}", "argv", "/bin/sh", "-c", command, "env",
				 "LEDGER", rig.ledger, "tags", tag);
	char *text = json_dumps(body, JSON_COMPACT);
	json_t *answer = rig_call(c, "POST", "/v1/jobs", text, &e);
	int64_t id = number_in(answer, "id");

	if (!answer)
		tap_die("submit: %s", e.text);
	json_decref(answer);
	json_decref(body);
	free(text);
	return id;
}

static json_t *show(struct client *c, int64_t id)
{
	char path[64];

	snprintf(path, sizeof(path), "/v1/jobs/%" PRId64, id);
	return rig_get(c, path);
}

static bool wait_final(struct client *c, int64_t a, int64_t b)
{
	int64_t until = clock_boot_ms() + WAIT_MS;
	bool is_done = false;
	char path[100];

	snprintf(path, sizeof(path), "/v1/wait?timeout=2&ids=%" PRId64 ",%" PRId64, a, b);
	while (!is_done && clock_boot_ms() < until) {
		json_t *json = rig_get(c, path);

		is_done = json_is_true(json_object_get(json, "done"));
		json_decref(json);
	}
	return is_done;
}

/* ---- a worker that sleeps through its lease ----------------------------------------------------------------- */

static const char slow[] = "echo \"s $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER; sleep 1.7; "
			   "echo \"e $SLIPWAY_JOB $SLIPWAY_ATTEMPT\" >>$LEDGER";

static bool has_begun(int64_t id)
{
	struct ledger l;
	bool is_there;

	ledger_read(&l, &rig);
	is_there = id < l.size && l.jobs[id].started;
	ledger_release(&l);
	return is_there;
}

static void wait_begun(int watch, int64_t a, int64_t b)
{
	int64_t until = clock_boot_ms() + WAIT_MS;
	struct pollfd p = { .fd = watch, .events = POLLIN };
	char events[4096];

	while (!has_begun(a) || !has_begun(b)) {
		if (clock_boot_ms() > until)
			tap_die("jobs %" PRId64 " and %" PRId64 " do not begin", a, b);
		poll(&p, 1, 1000);
		while (read(watch, events, sizeof(events)) > 0)
			;
	}
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

/* Two workers with a slot each; one of them is stopped and the other does the jobs of both. */
static bool stop_round(struct client *c, int watch)
{
	int64_t a = submit(c, slow, NULL), b = submit(c, slow, NULL);
	pid_t worker = child_of(rig.serve, 0);
	bool is_good;

	wait_begun(watch, a, b);
	kill(worker, SIGSTOP);
	is_good = wait_final(c, a, b);
	kill(worker, SIGCONT);
	int retried = 0;
	for (int i = 0; i < 2; i++) {
		json_t *json = show(c, i ? b : a);
		const json_t *attempts = json_object_get(json, "attempts");
		size_t n = json_array_size(attempts);

		if (strcmp(text_in(json, "state"), "succeeded") != 0)
			is_good = false;
		if (n > 1) {
			const char *first = text_in(json_array_get(attempts, 0), "outcome");

			retried++;
			if (strcmp(first, "lost") != 0 && strcmp(first, "released") != 0) {
				tap_note("the first attempt of job %" PRId64 " is %s", i ? b : a, first);
				is_good = false;
			}
		}
		json_decref(json);
	}
	if (retried != 1)
		tap_note("%d of two jobs were done again, not 1", retried);
	return is_good && retried == 1;
}

static void test_stopped(struct client *c, int64_t rounds)
{
	pid_t second = rig_start_worker(&rig, "second", 1);
	int watch = watch_ledger();
	int64_t good = 0;
	struct ledger l;

	for (int64_t i = 0; i < rounds; i++)
		good += stop_round(c, watch);
	close(watch);
	rig_stop_worker(second);
	ledger_read(&l, &rig);
	tap_ok(good == rounds, "a stopped worker's job is done by another, %" PRId64 " of %" PRId64 " times",
	       good, rounds);
	tap_ok(l.overlapping == 0 && l.twice == 0 && l.odd == 0, "what it ran was dead by then");
	ledger_release(&l);
}

/* ---- a worker that does not know that it is late ------------------------------------------------------------ */

struct late {
	struct client *client;
	const char *name;
};

static struct late late_register(const char *name, const char *session)
{
	struct late w = { .client = rig_client(&rig), .name = name };
	struct err e = ERR_INIT;
	json_t *body = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:[s],s:[s],s:i,s:i}", "name", name, "machine",
				 "m", "boot_id", "b", "session", session, "version", "0", "arch", "amd64",
				 "isolations", "none", "tags", "late", "slots", 1, "pid", (int)getpid());
	char *text = json_dumps(body, 0);
	json_t *answer;

	if (client_set_header(w.client, "Slipway-Worker", name, &e) < 0 ||
	    client_set_header(w.client, "Slipway-Session", session, &e) < 0)
		tap_die("%s", e.text);
	answer = rig_call(w.client, "POST", "/feed/register", text, &e);
	if (!answer)
		tap_die("register: %s", e.text);
	json_decref(answer);
	json_decref(body);
	free(text);
	return w;
}

/* Work of one job: its attempt, 0 = none came. */
static int late_lease(struct late *w, int64_t job)
{
	struct err e = ERR_INIT;
	int64_t until = clock_boot_ms() + WAIT_MS;
	int attempt = 0;

	while (!attempt && clock_boot_ms() < until) {
		json_t *json = rig_call(w->client, "POST", "/feed/lease", "{\"free\":1,\"wait_ms\":2000}",
					&e);
		const json_t *spec = json_array_get(json_object_get(json, "specs"), 0);

		if (!json)
			tap_die("lease: %s", e.text);
		if (number_in(spec, "job") == job)
			attempt = (int)number_in(spec, "attempt");
		json_decref(json);
	}
	return attempt;
}

/* "ok", or the error that the result of that attempt was answered with. */
static void late_report(struct late *w, int64_t job, int attempt, char answer[64])
{
	CLEAN_BUF struct buf body = BUF_INIT;
	struct err e = ERR_INIT;
	json_t *json;

	buf_addf(&body,
		 "{\"free\":0,\"wait_ms\":0,\"results\":[{\"job\":%" PRId64
		 ",\"attempt\":%d,\"outcome\":\"succeeded\","
		 "\"exit_code\":0}]}",
		 job, attempt);
	json = rig_call(w->client, "POST", "/feed/lease", body.data, &e);
	const json_t *result = json_array_get(json_object_get(json, "results"), 0);
	if (!json)
		snprintf(answer, 64, "%s", err_info_get(e.code)->name);
	else
		snprintf(answer, 64, "%s",
			 json_is_true(json_object_get(result, "ok")) ? "ok" : text_in(result, "error"));
	json_decref(json);
}

static int late_status(struct late *w, const char *method, const char *path, const char *body)
{
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;

	client_call(w->client, method, path, body, &r, NULL);
	return r.status;
}

static void check_late_writes(struct late *w, int64_t job)
{
	char path[300];

	snprintf(path, sizeof(path), "/feed/log?job=%" PRId64 "&attempt=1&offset=0", job);
	tap_ok(late_status(w, "POST", path, "late") == 409, "its log is refused");
	snprintf(path, sizeof(path), "/feed/artifact?job=%" PRId64 "&attempt=1&sha256=%s", job,
		 "089001a35679a33ef3db0ca350db9b9a2f0136e0e327577b04b3b98127470961");
	tap_ok(late_status(w, "PUT", path, "late") == 409, "its artifact is refused");
}

static bool is_held(struct client *c, int64_t job, int attempt)
{
	json_t *json = show(c, job);
	bool is_so = strcmp(text_in(json, "state"), "running") == 0 && number_in(json, "attempt") == attempt;

	json_decref(json);
	return is_so;
}

static void test_late(struct client *c)
{
	struct late first = late_register("late-1", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
	int64_t job = submit(c, "true", "late");
	int attempt = late_lease(&first, job);
	/* The first one is not heard of again: its lease ends, and another one gets the job. */
	struct late second = late_register("late-2", "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb");
	int again = late_lease(&second, job);
	char answer[64];

	tap_ok(attempt == 1 && again == 2, "a lease that is not renewed is given to another worker");
	late_report(&first, job, 1, answer);
	tap_ok(strcmp(answer, "stale") == 0, "the late one's result is stale (%s)", answer);
	check_late_writes(&first, job);
	tap_ok(is_held(c, job, 2), "and nothing has changed");
	late_report(&first, job, 2, answer);
	tap_ok(strcmp(answer, "stale") == 0, "nor may it speak for the other's attempt (%s)", answer);
	late_report(&second, job, 2, answer);
	tap_ok(strcmp(answer, "ok") == 0, "the holder's result counts (%s)", answer);
	late_report(&second, job, 2, answer);
	tap_ok(strcmp(answer, "ok") == 0, "sent twice it is right twice (%s)", answer);
	late_report(&first, job, 1, answer);
	json_t *json = show(c, job);
	tap_ok(strcmp(answer, "stale") == 0 && strcmp(text_in(json, "state"), "succeeded") == 0 &&
		       number_in(json, "attempt") == 2,
	       "a final state stays");
	json_decref(json);
	struct late newer = late_register("late-2", "cccccccccccccccccccccccccccccccc");
	tap_ok(late_status(&second, "POST", "/feed/beat", "{\"running\":[],\"collecting\":[]}") == 409,
	       "an older session of a worker is refused");
	client_free(first.client);
	client_free(second.client);
	client_free(newer.client);
}

int main(void)
{
	static const char *const options[] = { "--slots", "1", "--lease", "1s", NULL };
	struct client *c;

	tap_plan(14);
	rig_make(&rig);
	rig_start(&rig, options);
	c = rig_client(&rig);
	test_stopped(c, setting("SLIPWAY_ROUNDS", ROUNDS));
	test_late(c);
	json_t *json = rig_call(c, "POST", "/v1/admin/check", "{}", NULL);
	tap_ok(json && number_in(json, "violations") == 0, "the store breaks no invariant");
	json_decref(json);
	client_free(c);
	tap_ok(rig_stop(&rig) == 0 && rig_count_leftovers(&rig) == 0,
	       "the server stops well and leaves nothing");
	rig_remove(&rig);
	return tap_status();
}

/* What the feed makes of workers that fail, deny, lie or are not clean; the worker is made of these lines. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "model/blame.h"
#include "pg_fixture.h"
#include "server_fixture.h"
#include "server/server_priv.h"

static const struct sfx_worker one = { "one", "0000000000000001" };
static const struct sfx_worker one_again = { "one", "0000000000000002" };
static const struct sfx_worker two = { "two", "0000000000000003" };

#define TRUE_BODY "{\"argv\":[\"true\"]}"

static int setup(void **state)
{
	struct sfx *fx = malloc(sizeof *fx);
	sfx_init(fx, 0);
	sfx_register(fx, &one, 4);
	*state = fx;
	return 0;
}

/* Beats are due each 120 ms. */
static int setup_short(void **state)
{
	struct sfx *fx = malloc(sizeof *fx);
	sfx_init(fx, 600);
	sfx_register(fx, &one, 4);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	sfx_release(*state);
	free(*state);
	return 0;
}

static json_t *beat(struct sfx *fx, const struct sfx_worker *w, const char *body)
{
	return sfx_call(fx, w, "POST", "/feed/beat", body, 200);
}

static json_t *worker_row(struct sfx *fx, const char *name)
{
	json_t *answer = sfx_call(fx, NULL, "GET", "/v1/workers", NULL, 200), *found = NULL;
	size_t i;
	json_t *w;
	json_array_foreach (json_object_get(answer, "workers"), i, w)
		if (strcmp(json_string_value(json_object_get(w, "name")), name) == 0)
			found = json_incref(w);
	json_decref(answer);
	assert_non_null(found);
	return found;
}

static int64_t failures(struct sfx *fx, const char *name)
{
	json_t *w = worker_row(fx, name);
	int64_t n = json_integer_value(json_object_get(w, "failures"));
	json_decref(w);
	return n;
}

/* Its reason, in `text`; false: it is not in quarantine. */
static bool quarantine(struct sfx *fx, const char *name, char text[1000])
{
	json_t *w = worker_row(fx, name);
	const json_t *q = json_object_get(w, "quarantine");
	bool is_in = json_is_object(q);
	snprintf(text, 1000, "%s", is_in ? json_string_value(json_object_get(q, "reason")) : "");
	if (is_in)
		assert_true(json_is_string(json_object_get(q, "since")));
	json_decref(w);
	return is_in;
}

static void check_job(struct sfx *fx, int64_t id, const char *state, const char *reason, int64_t losses)
{
	json_t *j = sfx_show(fx, id);
	assert_string_equal(json_string_value(json_object_get(j, "state")), state);
	assert_string_equal(json_string_value(json_object_get(j, "reason")), reason);
	assert_int_equal(json_integer_value(json_object_get(j, "losses")), losses);
	json_decref(j);
}

static size_t specs(json_t *answer)
{
	size_t n = json_array_size(json_object_get(answer, "specs"));
	json_decref(answer);
	return n;
}

static const char *named(const char *key, int64_t job, int attempt)
{
	static char text[100];
	snprintf(text, sizeof text, "{\"%s\":[[%lld,%d]]}", key, (long long)job, attempt);
	return text;
}

/* A failure of the machine, as the worker tells it. */
static void fail_internal(struct sfx *fx, const struct sfx_worker *w, int64_t job, int attempt)
{
	json_t *l = sfx_lease(fx, w, 0, 0, sfx_result(job, attempt, "failed", "internal"));
	assert_true(json_is_true(json_object_get(json_array_get(json_object_get(l, "results"), 0), "ok")));
	json_decref(l);
}

/* c.3: errors of the dispatch count at once, on both, and the job is not failed for it. */
static void test_refused_dispatch_counts_on_both(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	fail_internal(fx, &one, a, 1);
	check_job(fx, a, "waiting", "lost", 1);
	assert_int_equal(failures(fx, "one"), 1);
	/* Told again, it counts once. */
	fail_internal(fx, &one, a, 1);
	assert_int_equal(failures(fx, "one"), 1);
	/* A failure of the job's own is none of the worker's. */
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(a, 2, "failed", "exit")));
	check_job(fx, a, "failed", "exit", 1);
	assert_int_equal(failures(fx, "one"), 1);
}

/* c.4: the loop of a broken builder. It ends with a quarantine; `why` and `workers` tell it; a person ends it. */
static void test_broken_worker_ends_in_quarantine(void **state)
{
	struct sfx *fx = *state;
	char reason[1000], path[64];
	int64_t ids[BLAME_MAX], id = 0;
	for (int i = 0; i < BLAME_MAX; i++)
		ids[i] = sfx_submit(fx, TRUE_BODY);
	for (int i = 0; i < BLAME_MAX; i++) {
		/* The lost one is first again: take another for each failure. */
		json_t *l = sfx_lease(fx, &one, BLAME_MAX, 0, NULL);
		int attempt;
		for (size_t k = 0; (id = sfx_spec(l, k, &attempt)); k++)
			fail_internal(fx, &one, id, attempt);
		json_decref(l);
	}
	assert_true(quarantine(fx, "one", reason));
	assert_non_null(strstr(reason, "5 failures"));
	assert_int_equal(specs(sfx_lease(fx, &one, 4, 0, NULL)), 0);
	snprintf(path, sizeof path, "/v1/jobs/%lld/why", (long long)ids[0]);
	json_t *why = sfx_call(fx, NULL, "GET", path, NULL, 200);
	char *text = json_dumps(why, 0);
	assert_non_null(strstr(text, "worker one is in quarantine: 5 failures"));
	assert_non_null(strstr(text, "it was lost 1 time, on one"));
	assert_non_null(strstr(text, "slipway worker-state one active"));
	free(text);
	json_decref(why);
	json_t *status = sfx_call(fx, NULL, "GET", "/v1/status", NULL, 200);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(status, "workers"), "quarantined")), 1);
	json_decref(status);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/workers/one", "{\"state\":\"active\"}", 200));
	assert_false(quarantine(fx, "one", reason));
	assert_int_equal(failures(fx, "one"), 0);
	assert_int_equal(specs(sfx_lease(fx, &one, 4, 0, NULL)), 4);
}

/* c.3, cookie mismatch: a worker that denies what it had is out, and the job with it: it may still run there. */
static void test_denied_attempt_takes_out_both(void **state)
{
	struct sfx *fx = *state;
	char reason[1000];
	int64_t a = sfx_submit(fx, TRUE_BODY);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	json_decref(beat(fx, &one, named("running", a, 1)));
	json_decref(sfx_lease(fx, &one, 1, 0, "\"holding\":[]"));
	check_job(fx, a, "failed", "lost", 1);
	assert_true(quarantine(fx, "one", reason));
	assert_non_null(strstr(reason, "denies it"));
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 0);
}

/* One that killed it because it could not renew it says so, and nobody has failed. */
static void test_dropped_attempt_is_given_back(void **state)
{
	struct sfx *fx = *state;
	char reason[1000], more[100];
	int64_t a = sfx_submit(fx, TRUE_BODY);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	json_decref(beat(fx, &one, named("running", a, 1)));
	snprintf(more, sizeof more, "\"holding\":[],\"dropped\":[[%lld,1]]", (long long)a);
	json_decref(sfx_lease(fx, &one, 0, 0, more));
	check_job(fx, a, "waiting", "", 0);
	assert_false(quarantine(fx, "one", reason));
	assert_int_equal(failures(fx, "one"), 0);
}

/* What never arrived was never named: it is taken back, and nobody has failed. */
static void test_lost_answer_is_nobodys_failure(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	json_decref(sfx_lease(fx, &one, 0, 0, "\"holding\":[]"));
	check_job(fx, a, "waiting", "", 0);
	assert_int_equal(failures(fx, "one"), 0);
}

/* It claims to be idle, and more, while it holds something. */
static void test_asking_for_more_than_its_slots(void **state)
{
	struct sfx *fx = *state;
	char reason[1000];
	int64_t a = sfx_submit(fx, TRUE_BODY);
	/* With nothing held it is only greedy. */
	assert_int_equal(specs(sfx_lease(fx, &one, 1000, 0, NULL)), 1);
	json_decref(beat(fx, &one, named("running", a, 1)));
	json_decref(sfx_lease(fx, &one, 1000, 0, NULL));
	check_job(fx, a, "failed", "lost", 1);
	assert_true(quarantine(fx, "one", reason));
	assert_non_null(strstr(reason, "asked for 1000 jobs with 4 slots"));
}

/* Denied in a beat, after the time in which an answer may still be on its way. */
static void test_denied_in_a_beat(void **state)
{
	struct sfx *fx = *state;
	char reason[1000];
	int64_t a = sfx_submit(fx, TRUE_BODY);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	json_decref(beat(fx, &one, named("running", a, 1)));
	while (strcmp(sfx_state(fx, a), "running") == 0)
		json_decref(beat(fx, &one, "{\"running\":[[999999,1]]}"));
	check_job(fx, a, "failed", "lost", 1);
	assert_true(quarantine(fx, "one", reason));
}

/* c.3, isolation error: not clean, and with processes that do not die. Both are out at once. */
static void test_unclean_worker_and_what_does_not_die_there(void **state)
{
	struct sfx *fx = *state;
	char reason[1000], more[200];
	int64_t a = sfx_submit(fx, TRUE_BODY), b = sfx_submit(fx, TRUE_BODY);
	sfx_register(fx, &two, 1);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	assert_int_equal(specs(sfx_lease(fx, &two, 1, 0, NULL)), 1);
	/* It may not speak for another's attempt. */
	snprintf(more, sizeof more, "\"unclean\":{\"reason\":\"it hangs\",\"attempts\":[[%lld,1],[%lld,1]]}",
		 (long long)a, (long long)b);
	assert_int_equal(specs(sfx_lease(fx, &one, 4, 0, more)), 0);
	check_job(fx, a, "failed", "lost", 1);
	check_job(fx, b, "running", "", 0);
	assert_true(quarantine(fx, "one", reason));
	assert_string_equal(reason, "not clean: it hangs");
	assert_false(quarantine(fx, "two", reason));
}

/* c.3: one dead worker with many jobs is one failure; what it had only fetched ahead was not lost. */
static void test_death_is_one_failure_and_the_queued_are_given_back(void **state)
{
	struct sfx *fx = *state;
	int64_t ids[8];
	char body[200];
	for (int i = 0; i < 8; i++)
		ids[i] = sfx_submit(fx, TRUE_BODY);
	assert_int_equal(specs(sfx_lease(fx, &one, 8, 0, NULL)), 8);
	snprintf(body, sizeof body,
		 "{\"running\":[[%lld,1],[%lld,1],[%lld,1]],\"queued\":[[%lld,1],[%lld,1]]}",
		 (long long)ids[0], (long long)ids[6], (long long)ids[7], (long long)ids[6],
		 (long long)ids[7]);
	json_decref(beat(fx, &one, body));
	/* It is started again. */
	sfx_register(fx, &one_again, 4);
	for (int i = 0; i < 8; i++)
		check_job(fx, ids[i], "waiting", i < 6 ? "lost" : "", i < 6);
	assert_int_equal(failures(fx, "one"), 1);
}

/* c.3, the filter: fewer than five beats missed are nothing; five are one failure. */
static void test_five_missed_beats_are_one_failure(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	json_t *l = sfx_lease(fx, &one, 1, 0, NULL);
	int attempt;
	assert_int_equal(sfx_spec(l, 0, &attempt), a);
	json_decref(l);
	l = beat(fx, &one, named("running", a, 1));
	int64_t lease_ms = json_integer_value(json_object_get(l, "lease_ms"));
	json_decref(l);
	/* A beat is a fifth of the lease. */
	l = sfx_call(fx, NULL, "GET", "/v1/workers", NULL, 200);
	json_decref(l);
	assert_int_equal(server_beat_ms(fx->server) * BLAME_BEATS_MISSED_MAX, lease_ms);
	while (strcmp(sfx_state(fx, a), "running") == 0)
		;
	check_job(fx, a, "waiting", "lost", 1);
	assert_int_equal(failures(fx, "one"), 1);
}

/* The server could not write a beat down: that is its own failure, and leases begin anew. */
static void test_the_servers_outage_is_nobodys_failure(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY), until_ms = 0;
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	json_t *l = beat(fx, &one, named("running", a, 1));
	json_decref(l);
	/* Longer than a lease and its grace, with an outage in each: it is not lost. */
	until_ms = clock_boot_ms() + 2 * (600 + LEASE_GRACE_MS);
	while (clock_boot_ms() < until_ms) {
		leases_note_out(fx->server);
		assert_string_equal(sfx_state(fx, a), "running");
	}
	while (strcmp(sfx_state(fx, a), "running") == 0)
		;
	check_job(fx, a, "waiting", "lost", 1);
}

/* c.3, GIVENBACK: going to and fro is bounded. */
static void test_giving_back_for_ever_counts(void **state)
{
	struct sfx *fx = *state;
	char reason[1000];
	int64_t a = sfx_submit(fx, TRUE_BODY), tries = 0;
	while (strcmp(sfx_state(fx, a), "waiting") == 0) {
		json_t *l = sfx_lease(fx, &one, 1, 0, NULL);
		int attempt;
		assert_true(tries++ <= (BLAME_GIVEN_BACK_MAX + 1) * (BLAME_MAX + 1));
		assert_int_equal(sfx_spec(l, 0, &attempt), a);
		json_decref(l);
		json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(a, attempt, "released", "")));
	}
	check_job(fx, a, "failed", "lost", BLAME_MAX);
	assert_int_equal(tries, (BLAME_GIVEN_BACK_MAX + 1) * BLAME_MAX);
	assert_false(quarantine(fx, "one", reason));
}

/* c.3: disabled while it builds. It is told to give back what it has; one that drains is not. */
static void test_disabled_while_running(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY), b = sfx_submit(fx, TRUE_BODY);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/workers/one", "{\"state\":\"draining\"}", 200));
	json_t *l = beat(fx, &one, named("running", a, 1));
	assert_int_equal(json_array_size(json_object_get(l, "releases")), 0);
	json_decref(l);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 0);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/workers/one", "{\"state\":\"disabled\"}", 200));
	l = beat(fx, &one, named("running", a, 1));
	assert_int_equal(json_array_size(json_object_get(l, "releases")), 1);
	json_decref(l);
	json_decref(sfx_lease(fx, &one, 1, 0, sfx_result(a, 1, "released", "")));
	check_job(fx, a, "waiting", "", 0);
	check_job(fx, b, "waiting", "", 0);
	assert_int_equal(failures(fx, "one"), 0);
}

/* Blame is told where everything is told: newest first, page by page, each row once. */
static void test_events_tell_it(void **state)
{
	struct sfx *fx = *state;
	int64_t a = sfx_submit(fx, TRUE_BODY);
	char subject[32], path[200] = "/v1/events?limit=1", seen[2000] = "";
	snprintf(subject, sizeof subject, "job:%lld", (long long)a);
	assert_int_equal(specs(sfx_lease(fx, &one, 1, 0, NULL)), 1);
	json_decref(beat(fx, &one, named("running", a, 1)));
	json_decref(sfx_lease(fx, &one, 1, 0, "\"holding\":[]"));
	json_decref(sfx_call(fx, NULL, "POST", "/v1/workers/one", "{\"state\":\"active\"}", 200));
	for (int pages = 0;; pages++) {
		json_t *page = sfx_call(fx, NULL, "GET", path, NULL, 200);
		const json_t *v = json_array_get(json_object_get(page, "events"), 0);
		const char *next = json_string_value(json_object_get(page, "next"));
		assert_true(pages < 10);
		if (v)
			snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%s %s|",
				 json_string_value(json_object_get(v, "subject")),
				 json_string_value(json_object_get(v, "detail")));
		bool is_last = !next;
		snprintf(path, sizeof path, "/v1/events?limit=1&after=%s", next ? next : "");
		json_decref(page);
		if (is_last)
			break;
	}
	char *active = strstr(seen, "worker:one active, was active in quarantine|"),
	     *lost = strstr(seen, subject), *quarantined = strstr(seen, "worker:one quarantine: job");
	assert_true(active == seen && lost && quarantined);
	assert_non_null(strstr(lost, "denies it now"));
	assert_null(strstr(active + 1, "worker:one active"));
	json_decref(sfx_call(fx, NULL, "GET", "/v1/events?after=nonsense", NULL, 400));
	json_decref(sfx_call(fx, NULL, "GET", "/v1/events?limit=1001", NULL, 400));
}

int main(void)
{
	if (pg_skip_all())
		return 0;
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define SHORT(f) cmocka_unit_test_setup_teardown(f, setup_short, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_refused_dispatch_counts_on_both),
		TEST(test_broken_worker_ends_in_quarantine),
		TEST(test_denied_attempt_takes_out_both),
		TEST(test_dropped_attempt_is_given_back),
		TEST(test_lost_answer_is_nobodys_failure),
		TEST(test_asking_for_more_than_its_slots),
		SHORT(test_denied_in_a_beat),
		TEST(test_unclean_worker_and_what_does_not_die_there),
		TEST(test_death_is_one_failure_and_the_queued_are_given_back),
		SHORT(test_five_missed_beats_are_one_failure),
		SHORT(test_the_servers_outage_is_nobodys_failure),
		TEST(test_giving_back_for_ever_counts),
		TEST(test_disabled_while_running),
		TEST(test_events_tell_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

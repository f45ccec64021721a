/* The life of jobs in the store, whatever database is below. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "model/blame.h"
#include "store/blobs.h"
#include "pg_fixture.h"
#include "store_fixture.h"

#define OK(call)                                              \
	do {                                                  \
		if ((call) < 0)                               \
			fail_msg(#call ": %s", fx->err.text); \
	} while (0)
#define FAILS(call, with)                               \
	do {                                            \
		assert_int_equal((call), -1);           \
		assert_int_equal(fx->err.code, (with)); \
	} while (0)

static int set_up(void **state)
{
	struct fx *fx = calloc(1, sizeof *fx);
	fx_init(fx);
	fx_worker(fx, "w", "s1");
	*state = fx;
	return 0;
}

static int tear_down(void **state)
{
	fx_release(*state);
	free(*state);
	return 0;
}

static void test_a_job_runs(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	int64_t id = fx_job(fx, NULL, 0);
	assert_int_equal(id, 1);
	struct job j = fx_get(fx, id);
	assert_int_equal(j.state, STATE_WAITING);
	assert_string_equal(j.owner, "ann");
	assert_string_equal(j.payload, "{\"argv\":[\"true\"]}");
	assert_int_equal(j.chain, id);
	assert_int_equal(j.exit_code, -1);
	OK(fx_take(fx, 10, &jobs, &n));
	assert_int_equal(n, 1);
	assert_int_equal(jobs[0].attempt, 1);
	assert_string_equal(jobs[0].worker, "w");
	assert_int_equal(fx_state(fx, id), STATE_RUNNING);
	OK(fx_end(fx, id, OUTCOME_SUCCEEDED, REASON_NONE));
	j = fx_get(fx, id);
	assert_int_equal(j.state, STATE_SUCCEEDED);
	assert_int_equal(j.exit_code, 0);
	assert_true(j.finished_ms >= j.started_ms && j.started_ms >= j.created_ms);
	assert_int_equal(fx->changes_len, 3);
}

static void test_a_batch_is_whole_or_absent(void **state)
{
	struct fx *fx = *state;
	struct job_new news[3] = { fx_new(), fx_new(), fx_new() };
	struct job_birth births[3];
	int64_t forward = -3, missing = 99, self = -2;
	news[0].needs = &forward;
	news[0].needs_len = 1;
	OK(fx_submit(fx, news, 3, births));
	for (int i = 0; i < 3; i++) {
		assert_true(births[i].is_new);
		assert_int_equal(births[i].id, i + 1);
	}
	assert_int_equal(fx_state(fx, 1), STATE_BLOCKED);
	assert_int_equal(fx_get(fx, 1).chain, 3);

	news[1].needs = &missing;
	news[1].needs_len = 1;
	FAILS(fx_submit(fx, news, 3, births), ERR_INVALID);
	assert_non_null(strstr(fx->err.text, "line 2"));
	news[1].needs = &self;
	FAILS(fx_submit(fx, news, 3, births), ERR_INVALID);
	missing = -4;
	news[1].needs = &missing;
	FAILS(fx_submit(fx, news, 3, births), ERR_INVALID);
	/* The next batch's own numbers do not exist yet. */
	missing = fx_job(fx, NULL, 0) + 1;
	FAILS(fx_submit(fx, news, 3, births), ERR_INVALID);
	/* On SQLite nothing of it is left; on PostgreSQL the numbers are. */
	if (pg_is_wanted())
		assert_true(fx_job(fx, NULL, 0) > missing);
	else
		assert_int_equal(fx_job(fx, NULL, 0), missing);
}

static void test_cycles_are_refused(void **state)
{
	struct fx *fx = *state;
	struct job_new news[4] = { fx_new(), fx_new(), fx_new(), fx_new() };
	struct job_birth births[4];
	int64_t needs[] = { -2, -3, -4 }, back = -2;
	for (int i = 0; i < 3; i++) {
		news[i].needs = &needs[i];
		news[i].needs_len = 1;
	}
	OK(fx_submit(fx, news, 4, births));
	news[3].needs = &back;
	news[3].needs_len = 1;
	FAILS(fx_submit(fx, news, 4, births), ERR_INVALID);
	assert_non_null(strstr(fx->err.text, "by way of others"));
	/* Line 1 waits for the cycle but is not in it. */
	assert_null(strstr(fx->err.text, "line 1"));
}

static void test_needs_release_and_fail(void **state)
{
	struct fx *fx = *state;
	int64_t a = fx_job(fx, NULL, 0), b = fx_job(fx, NULL, 0);
	int64_t both[] = { a, b, a };
	int64_t c = fx_job(fx, both, 3), d = fx_job(fx, &c, 1), e = fx_job(fx, &d, 1);
	assert_int_equal(fx_get(fx, c).needs_left, 2);
	assert_int_equal(fx_get(fx, e).chain, a);
	OK(fx_run(fx, a, OUTCOME_SUCCEEDED));
	assert_int_equal(fx_state(fx, c), STATE_BLOCKED);
	OK(fx_run(fx, b, OUTCOME_SUCCEEDED));
	assert_int_equal(fx_state(fx, c), STATE_WAITING);
	OK(fx_control(fx, jobs_suspend, e));
	OK(fx_run(fx, c, OUTCOME_FAILED));
	assert_int_equal(fx_state(fx, c), STATE_FAILED);
	assert_int_equal(fx_get(fx, c).reason, REASON_EXIT);
	assert_int_equal(fx_state(fx, d), STATE_FAILED);
	assert_int_equal(fx_get(fx, d).reason, REASON_NEEDS);
	assert_int_equal(fx_state(fx, e), STATE_FAILED);
	/* Born after the failure. */
	int64_t late = fx_job(fx, &e, 1);
	assert_int_equal(fx_state(fx, late), STATE_FAILED);
	assert_int_equal(fx_get(fx, late).reason, REASON_NEEDS);
	/* Born after the success. */
	assert_int_equal(fx_state(fx, fx_job(fx, &a, 1)), STATE_WAITING);

	FAILS(fx_control(fx, jobs_retry, d), ERR_CONFLICT);
	FAILS(fx_control(fx, jobs_retry, a), ERR_CONFLICT);
	OK(fx_control(fx, jobs_retry, c));
	assert_int_equal(fx_state(fx, c), STATE_WAITING);
	assert_int_equal(fx_state(fx, d), STATE_BLOCKED);
	assert_int_equal(fx_state(fx, e), STATE_BLOCKED);
	assert_int_equal(fx_state(fx, late), STATE_BLOCKED);
	OK(fx_run(fx, c, OUTCOME_SUCCEEDED));
	OK(fx_run(fx, d, OUTCOME_SUCCEEDED));
	assert_int_equal(fx_state(fx, e), STATE_WAITING);
	OK(fx_control(fx, jobs_cancel, e));
	assert_int_equal(fx_state(fx, late), STATE_FAILED);
}

/* Two failed needs: one retried is not enough. */
static void test_revival_waits_for_all(void **state)
{
	struct fx *fx = *state;
	int64_t needs[2] = { fx_job(fx, NULL, 0), fx_job(fx, NULL, 0) };
	int64_t c = fx_job(fx, needs, 2);
	OK(fx_run(fx, needs[0], OUTCOME_FAILED));
	OK(fx_run(fx, needs[1], OUTCOME_FAILED));
	OK(fx_control(fx, jobs_retry, needs[0]));
	assert_int_equal(fx_state(fx, c), STATE_FAILED);
	OK(fx_control(fx, jobs_retry, needs[1]));
	assert_int_equal(fx_state(fx, c), STATE_BLOCKED);
	OK(fx_run(fx, needs[0], OUTCOME_SUCCEEDED));
	OK(fx_run(fx, needs[1], OUTCOME_SUCCEEDED));
	assert_int_equal(fx_state(fx, c), STATE_WAITING);
}

/* A chain as long as this would overflow the stack of anything recursive. */
static void test_a_long_chain_fails_at_once(void **state)
{
	enum { LEN = 20000 };
	struct fx *fx = *state;
	struct job_new *news = calloc(LEN, sizeof *news);
	struct job_birth *births = calloc(LEN, sizeof *births);
	int64_t *needs = calloc(LEN, sizeof *needs);
	for (int i = 0; i < LEN; i++) {
		news[i] = fx_new();
		needs[i] = -i;
		news[i].needs = &needs[i];
		news[i].needs_len = i > 0;
	}
	OK(fx_submit(fx, news, LEN, births));
	assert_int_equal(fx_get(fx, LEN).chain, 1);
	OK(fx_control(fx, jobs_cancel, 1));
	assert_int_equal(fx_state(fx, LEN), STATE_FAILED);
	OK(fx_control(fx, jobs_retry, 1));
	assert_int_equal(fx_state(fx, LEN), STATE_BLOCKED);
	free(news);
	free(births);
	free(needs);
}

static void test_order_of_dispatch(void **state)
{
	struct fx *fx = *state;
	struct job_new news[5] = { fx_new(), fx_new(), fx_new(), fx_new(), fx_new() };
	struct job_birth births[5];
	struct job *jobs;
	size_t n;
	news[1].priority = 10;
	news[2].kind = KIND_RECIPE;
	news[3].priority = 10;
	news[3].kind = KIND_RECIPE;
	news[4].priority = -1;
	OK(fx_submit(fx, news, 5, births));
	OK(fx_take(fx, 4, &jobs, &n));
	assert_int_equal(n, 4);
	const int64_t order[] = { 2, 4, 1, 3 };
	for (size_t i = 0; i < n; i++)
		assert_int_equal(jobs[i].id, order[i]);
	OK(fx_take(fx, 4, &jobs, &n));
	assert_int_equal(n, 1);
	OK(fx_take(fx, 4, &jobs, &n));
	assert_int_equal(n, 0);
}

static void test_the_fence(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	enum job_state s;
	bool is_repeat;
	int64_t id = fx_job(fx, NULL, 0);
	struct job_end end = {
		.job = id, .attempt = 1, .outcome = OUTCOME_SUCCEEDED, .step = "", .detail = ""
	};
	FAILS(fx_finish(fx, &end, &s, &is_repeat), ERR_STALE);
	OK(fx_take(fx, 1, &jobs, &n));
	OK(fx_end(fx, id, OUTCOME_LOST, REASON_LOST));
	assert_int_equal(fx_state(fx, id), STATE_WAITING);
	OK(fx_take(fx, 1, &jobs, &n));
	assert_int_equal(jobs[0].attempt, 2);
	/* The first one's late success changes nothing. */
	FAILS(fx_finish(fx, &end, &s, &is_repeat), ERR_STALE);
	assert_false(is_repeat);
	assert_int_equal(fx_state(fx, id), STATE_RUNNING);
	end.attempt = 2;
	OK(fx_finish(fx, &end, &s, &is_repeat));
	assert_int_equal(s, STATE_SUCCEEDED);
	FAILS(fx_finish(fx, &end, &s, &is_repeat), ERR_STALE);
	assert_true(is_repeat);
	end.outcome = OUTCOME_FAILED;
	FAILS(fx_finish(fx, &end, &s, &is_repeat), ERR_STALE);
	assert_false(is_repeat);
}

static void test_losses_are_bounded(void **state)
{
	struct fx *fx = *state;
	int64_t id = fx_job(fx, NULL, 0);
	for (int i = 0; i < BLAME_MAX; i++) {
		assert_int_equal(fx_state(fx, id), STATE_WAITING);
		OK(fx_run(fx, id, OUTCOME_LOST));
	}
	struct job j = fx_get(fx, id);
	assert_int_equal(j.state, STATE_FAILED);
	assert_int_equal(j.reason, REASON_LOST);
	assert_int_equal(j.attempt, BLAME_MAX);
}

static int do_wake(struct tx *tx, void *ctx, struct err *e)
{
	return jobs_wake_due(tx, 100, ctx, e);
}

static void test_retries_are_scheduled(void **state)
{
	struct fx *fx = *state;
	struct job_new one = fx_new();
	struct job_birth b;
	int64_t next;
	one.max_attempts = 3;
	OK(fx_submit(fx, &one, 1, &b));
	OK(fx_run(fx, b.id, OUTCOME_FAILED));
	assert_int_equal(fx_state(fx, b.id), STATE_WAITING);
	OK(fx_run(fx, b.id, OUTCOME_RELEASED));
	assert_int_equal(fx_get(fx, b.id).failures, 1);
	OK(fx_run(fx, b.id, OUTCOME_FAILED));
	OK(fx_run(fx, b.id, OUTCOME_FAILED));
	assert_int_equal(fx_state(fx, b.id), STATE_FAILED);

	one.retry_delay_ms = 3600 * 1000;
	OK(fx_submit(fx, &one, 1, &b));
	OK(fx_run(fx, b.id, OUTCOME_FAILED));
	assert_int_equal(fx_state(fx, b.id), STATE_SCHEDULED);
	OK(fx_write(fx, do_wake, &next));
	assert_int_equal(next, fx_get(fx, b.id).run_at_ms);
	assert_int_equal(fx_state(fx, b.id), STATE_SCHEDULED);
	OK(fx_control(fx, jobs_suspend, b.id));
	OK(fx_control(fx, jobs_resume, b.id));
	assert_int_equal(fx_state(fx, b.id), STATE_SCHEDULED);

	one.run_at_ms = fx->now_ms + 1;
	OK(fx_submit(fx, &one, 1, &b));
	while (fx_state(fx, b.id) == STATE_SCHEDULED)
		OK(fx_write(fx, do_wake, &next));
	assert_int_equal(fx_state(fx, b.id), STATE_WAITING);
}

static void test_cancel(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	int64_t id = fx_job(fx, NULL, 0);
	OK(fx_take(fx, 1, &jobs, &n));
	fx->changes_len = 0;
	OK(fx_control(fx, jobs_cancel, id));
	assert_int_equal(fx_state(fx, id), STATE_RUNNING);
	assert_true(fx_get(fx, id).is_cancel_asked);
	assert_int_equal(fx->changes_len, 1);
	assert_true(fx->changes[0].is_cancel_asked);
	assert_int_equal(fx->changes[0].worker, fx->worker.id);
	OK(fx_control(fx, jobs_cancel, id));
	assert_int_equal(fx->changes_len, 1);
	FAILS(fx_control(fx, jobs_suspend, id), ERR_CONFLICT);
	OK(fx_end(fx, id, OUTCOME_LOST, REASON_LOST));
	assert_int_equal(fx_state(fx, id), STATE_CANCELLED);
	FAILS(fx_control(fx, jobs_cancel, id), ERR_CONFLICT);
	OK(fx_control(fx, jobs_retry, id));
	assert_false(fx_get(fx, id).is_cancel_asked);
	FAILS(fx_control(fx, jobs_cancel, 77), ERR_NOT_FOUND);
}

static void test_dedupe(void **state)
{
	struct fx *fx = *state;
	struct job_new news[3] = { fx_new(), fx_new(), fx_new() };
	struct job_birth b[3];
	int64_t need = -2;
	news[0].dedupe = news[1].dedupe = "k";
	news[2].needs = &need;
	news[2].needs_len = 1;
	OK(fx_submit(fx, news, 3, b));
	assert_true(b[0].is_new && !b[1].is_new && b[2].is_new);
	assert_int_equal(b[1].id, b[0].id);
	assert_int_equal(b[2].id, b[0].id + 1);
	assert_int_equal(fx_get(fx, b[2].id).chain, b[0].id);
	OK(fx_submit(fx, news, 1, b + 1));
	assert_false(b[1].is_new);
	OK(fx_control(fx, jobs_cancel, b[0].id));
	OK(fx_submit(fx, news, 1, b + 1));
	assert_true(b[1].is_new);
	/* The old one cannot come back while the new one lives. */
	FAILS(fx_control(fx, jobs_retry, b[0].id), ERR_CONFLICT);
	OK(fx_control(fx, jobs_cancel, b[1].id));
	OK(fx_control(fx, jobs_retry, b[0].id));
}

static int do_rerun(struct tx *tx, void *ctx, struct err *e)
{
	return jobs_rerun(tx, *(int64_t *)ctx, "owner:ann", ctx, e);
}

static void test_rerun_is_a_new_job(void **state)
{
	struct fx *fx = *state;
	struct job_new one = fx_new();
	struct job_birth b;
	char big[5000] = "{\"argv\":[\"";
	memset(big + strlen(big), 'x', 4000);
	memcpy(big + 4010, "\"]}", 4);
	one.payload = big;
	one.kind = KIND_BUILD;
	one.build.type = "deb";
	one.build.source = "hello";
	one.isolation = ISOLATION_CHROOT;
	one.target = "bookworm-amd64";
	OK(fx_submit(fx, &one, 1, &b));
	OK(fx_run(fx, b.id, OUTCOME_SUCCEEDED));
	int64_t id = b.id;
	OK(fx_write(fx, do_rerun, &id));
	assert_int_equal(id, b.id + 1);
	struct job j = fx_get(fx, id);
	assert_int_equal(j.state, STATE_WAITING);
	assert_string_equal(j.payload, big);
	assert_string_equal(j.target, "bookworm-amd64");
	assert_int_equal(j.isolation, ISOLATION_CHROOT);
}

struct listing {
	struct fx *fx;
	struct job_filter f;
	struct job *jobs;
	size_t n;
};

static int do_list(struct tx *tx, void *ctx, struct err *e)
{
	struct listing *l = ctx;
	return jobs_list(tx, &l->f, &l->fx->arena, &l->jobs, &l->n, e);
}

static size_t count(struct fx *fx, struct job_filter f)
{
	struct listing l = { .fx = fx, .f = f };
	if (!l.f.limit)
		l.f.limit = 100;
	if (fx_read(fx, do_list, &l) < 0)
		fail_msg("list: %s", fx->err.text);
	for (size_t i = 1; i < l.n; i++)
		assert_true(l.jobs[i - 1].id > l.jobs[i].id);
	return l.n;
}

static void test_lists(void **state)
{
	struct fx *fx = *state;
	struct job_new one = fx_new();
	struct job_birth b;
	for (int i = 0; i < 10; i++)
		fx_job(fx, NULL, 0);
	one.name = "web-1";
	one.owner = "bob";
	one.kind = KIND_RECIPE;
	one.target = "sid";
	OK(fx_submit(fx, &one, 1, &b));
	OK(fx_run(fx, 1, OUTCOME_FAILED));
	OK(fx_run(fx, 2, OUTCOME_SUCCEEDED));
	OK(fx_control(fx, jobs_suspend, 3));
	int64_t need = 4;
	fx_job(fx, &need, 1);
	assert_int_equal(count(fx, (struct job_filter){ 0 }), 12);
	assert_int_equal(count(fx, (struct job_filter){ .limit = 5 }), 5);
	assert_int_equal(count(fx, (struct job_filter){ .before = 4 }), 3);
	assert_int_equal(count(fx, (struct job_filter){ .kind = KIND_RECIPE }), 1);
	assert_int_equal(count(fx, (struct job_filter){ .kind = KIND_COMMAND }), 11);
	assert_int_equal(count(fx, (struct job_filter){ .owner = "bob" }), 1);
	assert_int_equal(count(fx, (struct job_filter){ .owner = "nobody" }), 0);
	assert_int_equal(count(fx, (struct job_filter){ .target = "sid" }), 1);
	assert_int_equal(count(fx, (struct job_filter){ .name = "web-1" }), 1);
	assert_int_equal(count(fx, (struct job_filter){ .name = "web*" }), 1);
	assert_int_equal(count(fx, (struct job_filter){ .name = "web" }), 0);
	assert_int_equal(count(fx, (struct job_filter){ .name = "*" }), 12);
	assert_int_equal(count(fx, (struct job_filter){ .chain = 4 }), 2);
	assert_int_equal(count(fx, (struct job_filter){ .states = 1u << STATE_FAILED }), 1);
	assert_int_equal(count(fx, (struct job_filter){ .states = 1u << STATE_SUCCEEDED }), 1);
	assert_int_equal(
		count(fx, (struct job_filter){ .states = 1u << STATE_BLOCKED | 1u << STATE_SUSPENDED }), 2);
	assert_int_equal(count(fx, (struct job_filter){ .states = 1u << STATE_WAITING }), 8);
	assert_int_equal(count(fx, (struct job_filter){ .states = 1u << STATE_WAITING, .owner = "bob" }), 1);
	assert_int_equal(count(fx, (struct job_filter){ .worker = "w", .states = 1u << STATE_FAILED }), 1);
	assert_int_equal(count(fx, (struct job_filter){ .states = 1u << 20 }), 0);
}

static int do_reclaim(struct tx *tx, void *ctx, struct err *e)
{
	struct fx *fx = ctx;
	int n;
	if (jobs_reclaim(tx, fx->worker.id, fx->worker.session, OUTCOME_LOST, "gone", NULL, &n, e) < 0)
		return -1;
	return n;
}

static int do_check_lease(struct tx *tx, void *ctx, struct err *e)
{
	struct fx *fx = ctx;
	return attempts_check_lease(tx, 1, 1, fx->worker.id, e);
}

static int do_find_old(struct tx *tx, void *ctx, struct err *e)
{
	struct worker w;
	struct fx *fx = ctx;
	return workers_find_session(tx, "w", "s1", &fx->arena, &w, e);
}

static int do_renew(struct tx *tx, void *ctx, struct err *e)
{
	struct fx *fx = ctx;
	return jobs_renew(tx, fx->worker.id, tx_now_ms(tx) + 999999, e);
}

static void test_a_new_session_takes_over(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	fx_job(fx, NULL, 0);
	OK(fx_take(fx, 1, &jobs, &n));
	OK(fx_read(fx, do_check_lease, fx));
	OK(fx_write(fx, do_renew, fx));
	int64_t renewed = fx->now_ms + 999999;
	assert_int_equal(fx_get(fx, 1).lease_until_ms, renewed);
	assert_int_equal(fx_write(fx, do_reclaim, fx), 0);
	fx_worker(fx, "w", "s2");
	FAILS(fx_read(fx, do_check_lease, fx), ERR_STALE);
	FAILS(fx_read(fx, do_find_old, fx), ERR_STALE);
	int64_t lease = fx_get(fx, 1).lease_until_ms;
	OK(fx_write(fx, do_renew, fx));
	assert_int_equal(fx_get(fx, 1).lease_until_ms, lease);
	assert_int_equal(fx_write(fx, do_reclaim, fx), 1);
	assert_int_equal(fx_state(fx, 1), STATE_WAITING);
}

static int do_expire(struct tx *tx, void *ctx, struct err *e)
{
	return jobs_expire(tx, 10, *(int64_t *)ctx, NULL, ctx, e);
}

static void test_leases_expire(void **state)
{
	struct fx *fx = *state;
	struct job *jobs;
	size_t n;
	fx_job(fx, NULL, 0);
	OK(fx_take(fx, 1, &jobs, &n));
	int64_t arg = 0;
	OK(fx_write(fx, do_expire, &arg));
	assert_true(arg > fx->now_ms);
	assert_int_equal(fx_state(fx, 1), STATE_RUNNING);
	/* As if the lease had ended an hour ago. */
	arg = -3600 * 1000;
	OK(fx_write(fx, do_expire, &arg));
	assert_int_equal(arg, 0);
	assert_int_equal(fx_state(fx, 1), STATE_WAITING);
	assert_int_equal(fx_get(fx, 1).losses, 1);
}

struct history {
	struct fx *fx;
	struct event *events;
	struct attempt *attempts;
	size_t events_len, attempts_len;
};

static int do_history(struct tx *tx, void *ctx, struct err *e)
{
	struct history *h = ctx;
	if (attempts_list(tx, 1, &h->fx->arena, &h->attempts, &h->attempts_len, e) < 0)
		return -1;
	return events_list(tx, 1, 100, &h->fx->arena, &h->events, &h->events_len, e);
}

static void test_history(void **state)
{
	struct fx *fx = *state;
	struct history h = { .fx = fx };
	fx_job(fx, NULL, 0);
	OK(fx_run(fx, 1, OUTCOME_LOST));
	OK(fx_run(fx, 1, OUTCOME_SUCCEEDED));
	OK(fx_read(fx, do_history, &h));
	assert_int_equal(h.attempts_len, 2);
	assert_int_equal(h.attempts[0].outcome, OUTCOME_LOST);
	assert_int_equal(h.attempts[1].outcome, OUTCOME_SUCCEEDED);
	const enum job_state to[] = { STATE_WAITING, STATE_RUNNING, STATE_WAITING, STATE_RUNNING,
				      STATE_SUCCEEDED };
	assert_int_equal(h.events_len, 5);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(h.events[i].to, to[i]);
		assert_int_equal(h.events[i].id, i + 1);
	}
	assert_string_equal(h.events[0].actor, "owner:ann");
	assert_string_equal(h.events[1].actor, "worker:w");
}

static int do_audit(struct tx *tx, void *ctx, struct err *e)
{
	if (audit_add(tx, "owner:root", "worker:w", "draining", e) < 0 ||
	    audit_add(tx, "owner:root", "worker:v", "disabled", e) < 0)
		return -1;
	return audit_add(tx, "owner:root", "worker:w", "active", e);
}

struct audit_look {
	struct fx *fx;
	const char *subject;
	int64_t before;
	struct audit *rows;
	size_t len;
};

static int do_audit_list(struct tx *tx, void *ctx, struct err *e)
{
	struct audit_look *l = ctx;
	return audit_list(tx, l->subject, l->before, 10, &l->fx->arena, &l->rows, &l->len, e);
}

static void test_audit(void **state)
{
	struct fx *fx = *state;
	struct audit_look all = { .fx = fx }, one = { .fx = fx, .subject = "worker:w" };
	OK(fx_write(fx, do_audit, NULL));
	OK(fx_read(fx, do_audit_list, &all));
	OK(fx_read(fx, do_audit_list, &one));
	assert_int_equal(all.len, 3);
	assert_int_equal(one.len, 2);
	assert_string_equal(one.rows[0].detail, "active");
	assert_string_equal(one.rows[1].detail, "draining");
	assert_true(one.rows[1].at_ms > 0);
	one.before = one.rows[0].id;
	OK(fx_read(fx, do_audit_list, &one));
	assert_int_equal(one.len, 1);
	assert_string_equal(one.rows[0].actor, "owner:root");
}

static int do_depwait(struct tx *tx, void *ctx, struct err *e)
{
	return jobs_wake_depwait(tx, "sid", "server", e);
}

static int do_remove_target(struct tx *tx, void *ctx, struct err *e)
{
	return targets_remove(tx, "sid", e);
}

static int do_add_target(struct tx *tx, void *ctx, struct err *e)
{
	return targets_add(tx, "sid", "sid", "amd64", 1, e);
}

static int do_made_target(struct tx *tx, void *ctx, struct err *e)
{
	struct target t;
	struct fx *fx = ctx;
	char image[65];
	if (blob_put(tx_store(tx), "image", 5, image, e) < 0 || targets_made(tx, "sid", 1, image, 5, e) < 0 ||
	    targets_making(tx, "sid", 2, e) < 0 || targets_made(tx, "sid", 2, NULL, 0, e) < 0 ||
	    targets_get(tx, "sid", &fx->arena, &t, e) < 0)
		return -1;
	/* A new image that failed leaves the old one in use. */
	return strcmp(t.state, "ready") == 0 && strcmp(t.image, image) == 0
		       ? 0
		       : err_set(e, ERR_INTERNAL, "%s", t.state);
}

static void test_targets(void **state)
{
	struct fx *fx = *state;
	struct job_new one = fx_new();
	struct job_birth b;
	one.target = "sid";
	OK(fx_write(fx, do_add_target, NULL));
	FAILS(fx_write(fx, do_add_target, NULL), ERR_CONFLICT);
	OK(fx_write(fx, do_made_target, fx));
	OK(fx_submit(fx, &one, 1, &b));
	OK(fx_run(fx, b.id, OUTCOME_DEPWAIT));
	assert_int_equal(fx_state(fx, b.id), STATE_DEPWAIT);
	FAILS(fx_write(fx, do_remove_target, NULL), ERR_CONFLICT);
	OK(fx_write(fx, do_depwait, NULL));
	assert_int_equal(fx_state(fx, b.id), STATE_WAITING);
	OK(fx_run(fx, b.id, OUTCOME_SUCCEEDED));
	OK(fx_write(fx, do_remove_target, NULL));
	FAILS(fx_write(fx, do_remove_target, NULL), ERR_NOT_FOUND);
	OK(fx_write(fx, do_add_target, NULL));
}

static int do_cancel_making(struct tx *tx, void *ctx, struct err *e)
{
	struct fx *fx = ctx;
	struct job_new make = fx_new();
	struct job_birth b;
	struct target t;
	make.kind = KIND_TARGET;
	make.target = "sid";
	if (jobs_submit(tx, &make, 1, "owner:ann", &b, e) < 0 ||
	    targets_add(tx, "sid", "sid", "amd64", b.id, e) < 0 ||
	    jobs_cancel(tx, b.id, "owner:ann", e) < 0 || targets_get(tx, "sid", &fx->arena, &t, e) < 0)
		return -1;
	return strcmp(t.state, "failed") == 0 ? 0 : err_set(e, ERR_INTERNAL, "%s", t.state);
}

/* However its making ends without an image: the target does not stay "making". */
static void test_a_target_never_made(void **state)
{
	struct fx *fx = *state;
	OK(fx_write(fx, do_cancel_making, fx));
}

int main(void)
{
	if (pg_skip_all())
		return 0;
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_job_runs),
		TEST(test_a_batch_is_whole_or_absent),
		TEST(test_cycles_are_refused),
		TEST(test_needs_release_and_fail),
		TEST(test_revival_waits_for_all),
		TEST(test_a_long_chain_fails_at_once),
		TEST(test_order_of_dispatch),
		TEST(test_the_fence),
		TEST(test_losses_are_bounded),
		TEST(test_retries_are_scheduled),
		TEST(test_cancel),
		TEST(test_dedupe),
		TEST(test_rerun_is_a_new_job),
		TEST(test_lists),
		TEST(test_a_new_session_takes_over),
		TEST(test_leases_expire),
		TEST(test_history),
		TEST(test_audit),
		TEST(test_targets),
		TEST(test_a_target_never_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

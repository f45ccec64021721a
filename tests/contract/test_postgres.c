/* What only a database on a server can do to a store: others write into it, its answers get lost, it goes away. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "pg_fixture.h"
#include "pg_proxy.h"
#include "store_fixture.h"

#include "model/state.h"

#define OK(call)                                                 \
	do {                                                     \
		if ((call) < 0)                                  \
			fail_msg("%s: %s", #call, fx->err.text); \
	} while (0)

/* --- two stores --- */

enum { STORES = 2, SUBMITTERS = 4, TAKERS = 4, EACH = 125, JOBS = STORES * SUBMITTERS * EACH };

struct shared {
	_Atomic int64_t ids[JOBS];
	_Atomic int submitted, submitters;
	_Atomic int taken[1 << 16]; /* by number */
};

struct actor {
	struct fx *fx;
	struct shared *s;
	int number, i;
	struct arena arena;
	struct job *jobs;
	size_t n;
	int64_t got;
};

/* fx->err is not for several threads at once. */
struct act {
	struct store_task task;
	struct actor *who;
	fx_fn *fn;
};

static int act_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct act *a = (struct act *)t;
	return a->fn(tx, a->who, e);
}

static void act(struct actor *who, fx_fn *fn)
{
	struct act a = { .task = { .run = act_run }, .who = who, .fn = fn };
	if (store_write_wait(who->fx->store, &a.task) < 0)
		fail_msg("%s", a.task.err.text);
}

static int do_submit(struct tx *tx, void *ctx, struct err *e)
{
	struct actor *who = ctx;
	struct job_new one = fx_new();
	struct job_birth b;
	char owner[16];
	int known = who->s->submitted;
	int64_t need = known ? who->s->ids[(who->number * 31 + who->i * 7) % known] : 0;
	snprintf(owner, sizeof owner, "o%d", who->i % 17);
	one.owner = owner;
	one.tags = who->i % 3 ? "" : owner;
	one.needs = &need;
	one.needs_len = need && who->i % 2;
	one.priority = who->i % 5;
	if (jobs_submit(tx, &one, 1, owner, &b, e) < 0)
		return -1;
	who->got = b.id;
	return 0;
}

static void *submit_all(void *arg)
{
	struct actor *who = arg;
	for (who->i = 0; who->i < EACH; who->i++) {
		act(who, do_submit);
		int at = who->s->submitted++;
		who->s->ids[at] = who->got;
	}
	who->s->submitters--;
	return NULL;
}

static int do_take(struct tx *tx, void *ctx, struct err *e)
{
	struct actor *who = ctx;
	struct lane *lanes;
	int64_t ids[64];
	size_t n;
	arena_release(&who->arena);
	if (lanes_list(tx, &who->arena, &lanes, &n, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		ids[i] = lanes[i].id;
	return jobs_take(tx, ids, n, 7, &who->fx->worker, tx_now_ms(tx) + 60000, &who->arena, &who->jobs,
			 &who->n, e);
}

static int do_finish(struct tx *tx, void *ctx, struct err *e)
{
	struct actor *who = ctx;
	for (size_t i = 0; i < who->n; i++) {
		enum job_state state;
		bool is_repeat;
		struct job_end end = { .job = who->jobs[i].id,
				       .attempt = who->jobs[i].attempt,
				       .worker = who->fx->worker.id,
				       .outcome = who->jobs[i].id % 40 ? OUTCOME_SUCCEEDED : OUTCOME_FAILED,
				       .reason = who->jobs[i].id % 40 ? REASON_NONE : REASON_EXIT,
				       .step = "",
				       .detail = "" };
		if (jobs_finish(tx, &end, "worker:w", &state, &is_repeat, e) < 0)
			return -1;
	}
	return 0;
}

static int count_live(struct tx *tx, void *ctx, struct err *e)
{
	struct actor *who = ctx;
	struct job_filter f = { .states = 0xfe, .limit = 1 };
	arena_release(&who->arena);
	return jobs_list(tx, &f, &who->arena, &who->jobs, &who->n, e);
}

static bool is_all_done(struct actor *who)
{
	struct act a = { .task = { .run = act_run }, .who = who, .fn = count_live };
	if (who->s->submitters)
		return false;
	if (store_read_wait(who->fx->store, &a.task) < 0)
		fail_msg("%s", a.task.err.text);
	return who->n == 0;
}

static void *take_all(void *arg)
{
	struct actor *who = arg;
	do {
		act(who, do_take);
		for (size_t i = 0; i < who->n; i++)
			who->s->taken[who->jobs[i].id]++;
		if (who->n)
			act(who, do_finish);
	} while (who->n || !is_all_done(who));
	return NULL;
}

/* A second store on the first one's database. */
static void open_second(struct fx *fx, const struct fx *first)
{
	*fx = (struct fx){ .arena = ARENA_INIT, .db_url = strdup(first->db_url) };
	snprintf(fx->dir, sizeof fx->dir, "/tmp/slipway-store-XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	snprintf(fx->files_dir, sizeof fx->files_dir, "%s", first->dir);
	fx_open(fx);
	fx_worker(fx, "w2", "s2");
}

static void close_second(struct fx *fx)
{
	fx_close(fx);
	free(fx->db_url);
	fx->db_url = NULL;
	arena_release(&fx->arena);
	fd_remove_tree(AT_FDCWD, fx->dir, NULL);
}

static char *at_host(char *url, const char *host)
{
	char *other, *at = strstr(url, "host=") + strlen("host=");
	if (asprintf(&other, "%.*s%s%s", (int)(at - url), url, host, at + strcspn(at, "&")) < 0)
		fail_msg("out of memory");
	free(url);
	return other;
}

/* By way of another socket folder than the URL's, if it is given. */
static void share_the_work(const char *host)
{
	struct fx *two = calloc(STORES, sizeof *two);
	struct shared *s = calloc(1, sizeof *s);
	struct actor actors[STORES * (SUBMITTERS + TAKERS)];
	pthread_t threads[STORES * (SUBMITTERS + TAKERS)];
	int n = STORES * (SUBMITTERS + TAKERS);
	fx_init(&two[0]);
	if (host) {
		fx_close(&two[0]);
		two[0].db_url = at_host(two[0].db_url, host);
		fx_open(&two[0]);
	}
	fx_worker(&two[0], "w1", "s1");
	open_second(&two[1], &two[0]);
	s->submitters = STORES * SUBMITTERS;
	for (int i = 0; i < n; i++) {
		actors[i] = (struct actor){ .fx = &two[i % 2], .s = s, .number = i, .arena = ARENA_INIT };
		assert_int_equal(pthread_create(&threads[i], NULL,
						i < STORES * SUBMITTERS ? submit_all : take_all, &actors[i]),
				 0);
	}
	for (int i = 0; i < n; i++) {
		pthread_join(threads[i], NULL);
		arena_release(&actors[i].arena);
	}
	assert_int_equal(s->submitted, JOBS);
	int taken = 0;
	for (int i = 0; i < JOBS; i++) {
		assert_true(s->taken[s->ids[i]] <= 1);
		taken += s->taken[s->ids[i]];
		struct job j = fx_get(&two[i % 2], s->ids[i]);
		assert_true(state_is_final(j.state));
		assert_int_equal(j.attempt, s->taken[s->ids[i]]);
	}
	assert_true(taken > JOBS / 4);
	assert_int_equal(fx_check(&two[1]), 0);
	close_second(&two[1]);
	fx_release(&two[0]);
	free(two);
	free(s);
}

static void test_two_stores_share_the_work(void **state)
{
	share_the_work(NULL);
}

/* Each transaction gets another session, and statements that were prepared in one are unknown in the next. */
static void test_through_a_pooler(void **state)
{
	char host[108], socket[128];
	const char *url = strstr(getenv("SLIPWAY_TEST_PG"), "host=") + strlen("host=");
	snprintf(host, sizeof host, "%.*s/pool", (int)strcspn(url, "&"), url);
	snprintf(socket, sizeof socket, "%s/.s.PGSQL.5432", host);
	if (access(socket, F_OK) < 0)
		SKIP("PgBouncer is not installed");
	share_the_work(host);
}

struct racer {
	struct fx *fx;
	pthread_barrier_t *start;
	struct job_birth births[50];
};

static void *race(void *arg)
{
	struct racer *r = arg;
	for (int i = 0; i < 50; i++) {
		struct job_new one = fx_new();
		char key[16], owner[32];
		snprintf(key, sizeof key, "key %d", i);
		snprintf(owner, sizeof owner, "owner %d", i);
		one.dedupe = key;
		one.owner = one.tags = owner;
		pthread_barrier_wait(r->start);
		if (fx_submit(r->fx, &one, 1, &r->births[i]) < 0)
			fail_msg("%s", r->fx->err.text);
	}
	return NULL;
}

/* Both are the first with each key, each name, each lane. */
static void test_two_stores_race_for_keys(void **state)
{
	struct fx *two = calloc(STORES, sizeof *two);
	struct racer r[STORES];
	pthread_t threads[STORES];
	pthread_barrier_t start;
	fx_init(&two[0]);
	open_second(&two[1], &two[0]);
	pthread_barrier_init(&start, NULL, STORES);
	for (int i = 0; i < STORES; i++) {
		r[i] = (struct racer){ .fx = &two[i], .start = &start };
		assert_int_equal(pthread_create(&threads[i], NULL, race, &r[i]), 0);
	}
	for (int i = 0; i < STORES; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&start);
	for (int i = 0; i < 50; i++) {
		assert_true(r[0].births[i].id == r[1].births[i].id);
		assert_int_equal(r[0].births[i].is_new + r[1].births[i].is_new, 1);
	}
	close_second(&two[1]);
	fx_release(&two[0]);
	free(two);
}

/* --- lost answers --- */

struct proxied {
	struct fx fx;
	struct pg_proxy proxy;
	char *direct;
};

static int set_up(void **state)
{
	struct proxied *p = calloc(1, sizeof *p);
	fx_init(&p->fx);
	fx_close(&p->fx);
	p->direct = p->fx.db_url;
	pg_proxy_start(&p->proxy, p->direct);
	p->fx.db_url = p->proxy.url;
	fx_open(&p->fx);
	fx_worker(&p->fx, "w", "s1");
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct proxied *p = *state;
	fx_close(&p->fx);
	p->fx.db_url = p->direct;
	pg_proxy_stop(&p->proxy);
	fx_open(&p->fx);
	fx_release(&p->fx);
	free(p);
	return 0;
}

static int64_t submit_named(struct fx *fx, int n)
{
	struct job_new one = fx_new();
	struct job_birth b;
	char name[16];
	snprintf(name, sizeof name, "job %d", n);
	one.name = name;
	OK(fx_submit(fx, &one, 1, &b));
	return b.id;
}

static int do_count(struct tx *tx, void *ctx, struct err *e)
{
	struct fx *fx = ctx;
	struct job_filter f = { .limit = 1000 };
	struct job *jobs;
	size_t n;
	if (jobs_list(tx, &f, &fx->arena, &jobs, &n, e) < 0)
		return -1;
	return (int)n;
}

static void lose_answers(struct proxied *p, enum pg_cut cut)
{
	struct fx *fx = &p->fx;
	for (int i = 0; i < 20; i++) {
		p->proxy.cut = cut;
		int64_t id = submit_named(fx, i);
		assert_int_equal(p->proxy.cut, PG_CUT_NONE);
		assert_int_equal(fx_state(fx, id), STATE_WAITING);
		assert_int_equal(fx_write(fx, do_count, fx), i + 1);
	}
	assert_int_equal(p->proxy.cuts, 20);
	/* What was done is told once, whatever it took. */
	assert_int_equal(fx->changes_len, 20);
}

static void test_a_commit_that_never_arrived_is_made_again(void **state)
{
	lose_answers(*state, PG_CUT_BEFORE);
}

static void test_a_commit_whose_answer_was_lost_is_not(void **state)
{
	lose_answers(*state, PG_CUT_AFTER);
}

static void test_a_commit_that_may_still_be_going_on(void **state)
{
	lose_answers(*state, PG_CUT_AT_ONCE);
}

static void test_a_database_that_is_gone(void **state)
{
	struct proxied *p = *state;
	struct fx *fx = &p->fx;
	struct job_new one = fx_new();
	struct job_birth b;
	int64_t first = submit_named(fx, 1);
	p->proxy.cut = PG_CUT_DOWN;
	int64_t since_ms = clock_boot_ms();
	assert_int_equal(fx_submit(fx, &one, 1, &b), -1);
	assert_int_equal(fx->err.code, ERR_BUSY);
	assert_non_null(strstr(fx->err.text, "try again"));
	assert_in_range(clock_boot_ms() - since_ms, 1, 20000);
	assert_int_equal(fx_read(fx, do_count, fx), -1);
	assert_int_equal(fx->err.code, ERR_BUSY);
	/* Who comes later does not wait as long again. */
	since_ms = clock_boot_ms();
	assert_int_equal(fx_submit(fx, &one, 1, &b), -1);
	assert_true(clock_boot_ms() - since_ms < 3000);
	p->proxy.cut = PG_CUT_NONE;
	assert_true(submit_named(fx, 2) > first);
	assert_int_equal(fx_read(fx, do_count, fx), 2);
}

static void for_all_connections(const struct proxied *p, const char *what)
{
	char sql[400], name[64];
	const char *at = strstr(p->direct, "///") + 3;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "?"), at);
	snprintf(sql, sizeof sql, "ALTER DATABASE %s %s", name, what);
	pg_run(NULL, sql);
	snprintf(sql, sizeof sql,
		 "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '%s'", name);
	pg_run(NULL, sql);
}

static void test_a_database_that_takes_no_writes(void **state)
{
	struct proxied *p = *state;
	struct fx *fx = &p->fx;
	struct job_new one = fx_new();
	struct job_birth b;
	for_all_connections(p, "SET default_transaction_read_only = on");
	assert_int_equal(fx_submit(fx, &one, 1, &b), -1);
	assert_int_equal(fx->err.code, ERR_BUSY);
	for_all_connections(p, "RESET default_transaction_read_only");
	submit_named(fx, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_stores_share_the_work),
		cmocka_unit_test(test_through_a_pooler),
		cmocka_unit_test(test_two_stores_race_for_keys),
		TEST(test_a_commit_that_never_arrived_is_made_again),
		TEST(test_a_commit_whose_answer_was_lost_is_not),
		TEST(test_a_commit_that_may_still_be_going_on),
		TEST(test_a_database_that_is_gone),
		TEST(test_a_database_that_takes_no_writes),
	};
	setenv("SLIPWAY_TEST_DB", "postgres", 1);
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (pg_skip_all())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

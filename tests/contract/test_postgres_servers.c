/* Several servers in one process, on one database: what one may not take from another, do twice, or wait for. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/clock.h"
#include "base/fd.h"
#include "pg_fixture.h"
#include "server_fixture.h"
#include "store_fixture.h"

#include "model/state.h"
#include "store/blobs.h"
#include "store/logs.h"
#include "store/servers.h"

#define OK(fx, call)                                               \
	do {                                                       \
		if ((call) < 0)                                    \
			fail_msg("%s: %s", #call, (fx)->err.text); \
	} while (0)

/* --- stores --- */

static void open_beside(struct fx *fx, const struct fx *first)
{
	*fx = (struct fx){ .arena = ARENA_INIT, .db_url = strdup(first->db_url) };
	snprintf(fx->dir, sizeof fx->dir, "/tmp/slipway-store-XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	snprintf(fx->files_dir, sizeof fx->files_dir, "%s", first->dir);
	fx_open(fx);
}

static void close_beside(struct fx *fx)
{
	fx_close(fx);
	free(fx->db_url);
	arena_release(&fx->arena);
	fd_remove_tree(AT_FDCWD, fx->dir, NULL);
}

struct pair {
	struct fx a, b;
	PGconn *c; /* somebody else */
};

static int set_up(void **state)
{
	struct pair *p = calloc(1, sizeof *p);
	fx_init(&p->a);
	open_beside(&p->b, &p->a);
	p->c = PQconnectdb(p->a.db_url);
	assert_int_equal(PQstatus(p->c), CONNECTION_OK);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct pair *p = *state;
	PQfinish(p->c);
	close_beside(&p->b);
	fx_release(&p->a);
	free(p);
	return 0;
}

static void sql(struct pair *p, const char *text)
{
	PGresult *r = PQexec(p->c, text);
	if (PQresultStatus(r) != PGRES_COMMAND_OK && PQresultStatus(r) != PGRES_TUPLES_OK)
		fail_msg("%s: %s", text, PQerrorMessage(p->c));
	PQclear(r);
}

static int do_wake_due(struct tx *tx, void *ctx, struct err *e)
{
	return jobs_wake_due(tx, 1000, ctx, e);
}

static int64_t submit_due(struct fx *fx)
{
	struct job_new one = fx_new();
	struct job_birth birth;
	one.run_at_ms = store_now_ms(fx->store) + 1;
	/* The clock that says that it is not due yet and the one that says that it is are the same. */
	while (true) {
		OK(fx, fx_submit(fx, &one, 1, &birth));
		if (fx_state(fx, birth.id) == STATE_SCHEDULED)
			return birth.id;
		one.run_at_ms = store_now_ms(fx->store) + 20;
	}
}

/* What another does just now is neither done nor waited for; when that one has died it is done. */
static void test_duties_are_done_by_one(void **state)
{
	struct pair *p = *state;
	char text[128];
	int64_t next_ms = 0;
	int64_t busy = submit_due(&p->a), free_one = submit_due(&p->a);
	sql(p, "BEGIN");
	snprintf(text, sizeof text, "SELECT id FROM slipway.job WHERE id = %lld FOR UPDATE", (long long)busy);
	sql(p, text);
	int64_t since_ms = clock_boot_ms();
	while (fx_state(&p->b, free_one) == STATE_SCHEDULED)
		OK(&p->b, fx_write(&p->b, do_wake_due, &next_ms));
	OK(&p->a, fx_write(&p->a, do_wake_due, &next_ms));
	assert_true(clock_boot_ms() - since_ms <
		    4000); /* the time after which a lock is waited for no longer */
	assert_int_equal(fx_state(&p->b, free_one), STATE_WAITING);
	assert_int_equal(fx_state(&p->b, busy), STATE_SCHEDULED);
	assert_true(next_ms > 0);
	sql(p, "ROLLBACK");
	/* Their clocks may be some milliseconds apart. */
	while (fx_state(&p->a, busy) == STATE_SCHEDULED)
		OK(&p->b, fx_write(&p->b, do_wake_due, &next_ms));
	assert_int_equal(fx_state(&p->a, busy), STATE_WAITING);
}

static int do_gc(struct tx *tx, void *ctx, struct err *e)
{
	int removed;
	int64_t bytes;
	return blobs_gc(tx, 0, &removed, &bytes, e);
}

static void test_one_server_collects_garbage_at_a_time(void **state)
{
	struct pair *p = *state;
	sql(p, "BEGIN");
	sql(p, "SELECT pg_advisory_xact_lock(1397508432, 3)");
	assert_int_equal(fx_write(&p->a, do_gc, NULL), -1);
	assert_int_equal(p->a.err.code, ERR_BUSY);
	sql(p, "ROLLBACK");
	OK(&p->a, fx_write(&p->a, do_gc, NULL));
}

static int do_offline(struct tx *tx, void *ctx, struct err *e)
{
	struct worker w;
	struct arena a = ARENA_INIT;
	int rc = workers_find_session(tx, "w1", "session-1", &a, &w, e);
	*(bool *)ctx = w.is_online;
	arena_release(&a);
	return rc;
}

static bool is_online(struct fx *fx)
{
	bool is = false;
	OK(fx, fx_read(fx, do_offline, &is));
	return is;
}

/* A server that starts takes its own workers for gone, and those of servers that are. */
static void test_workers_of_others_stay_online(void **state)
{
	struct pair *p = *state;
	fx_worker(&p->a, "w1", "session-1");
	fx_close(&p->b);
	fx_open(&p->b);
	assert_true(is_online(&p->b));
	fx_close(&p->b);
	sql(p, "UPDATE slipway.server SET beat_at = beat_at - 60000");
	fx_open(&p->b);
	assert_false(is_online(&p->b));
	fx_worker(&p->a, "w1", "session-1");
	assert_true(is_online(&p->b));
	fx_close(&p->a);
	fx_open(&p->a);
	assert_false(is_online(&p->b));
}

static void test_names_stay(void **state)
{
	struct pair *p = *state;
	char a[128], b[128];
	snprintf(a, sizeof a, "%s", store_server_name(p->a.store));
	snprintf(b, sizeof b, "%s", store_server_name(p->b.store));
	assert_string_not_equal(a, b);
	fx_close(&p->a);
	fx_close(&p->b);
	fx_open(&p->b);
	fx_open(&p->a);
	assert_string_equal(store_server_name(p->a.store), a);
	assert_string_equal(store_server_name(p->b.store), b);
}

static int do_find_unsealed(struct tx *tx, void *ctx, struct err *e)
{
	return logs_find_unsealed(tx, e);
}

static bool is_sealed(const struct fx *fx, int64_t job)
{
	char path[160];
	snprintf(path, sizeof path, "%s/logs/%lld.1.zst", fx->dir, (long long)job);
	return access(path, F_OK) == 0;
}

/* What a server that died left is sealed by another; both at it at once do no harm, and it can be read all the time. */
static void test_a_log_is_sealed_by_whoever_finds_it(void **state)
{
	struct pair *p = *state;
	char text[6000], back[6000];
	int64_t size, job = fx_job(&p->a, NULL, 0);
	struct err e = ERR_INIT;
	struct log_reader *r;
	memset(text, 'x', sizeof text);
	fx_worker(&p->a, "w1", "session-1");
	struct job *jobs;
	size_t n;
	OK(&p->a, fx_take(&p->a, 1, &jobs, &n));
	assert_int_equal(log_append(p->a.store, job, 1, 0, text, sizeof text, &size, &e), 0);
	OK(&p->b, fx_write(&p->b, do_find_unsealed, NULL));
	OK(&p->a, fx_end(&p->a, job, OUTCOME_SUCCEEDED, REASON_NONE));
	while (!is_sealed(&p->a, job)) {
		OK(&p->b, fx_write(&p->b, do_find_unsealed, NULL));
		OK(&p->a, fx_write(&p->a, do_find_unsealed, NULL));
		assert_int_equal(log_reader_open(p->a.store, job, 1, 0, &r, &e), 0);
		int64_t got = 0, some;
		while ((some = log_reader_read(r, back, sizeof back, &e)) > 0)
			got += some;
		assert_int_equal(got, sizeof text);
		log_reader_close(r);
	}
	assert_int_equal(log_size(p->b.store, job, 1), sizeof text);
}

/* --- servers --- */

static void start_beside(struct sfx *fx, const struct sfx *first)
{
	*fx = (struct sfx){ .lease_ms = first->lease_ms, .db_url = first->db_url };
	snprintf(fx->dir, sizeof fx->dir, "/tmp/slipway-server-XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	snprintf(fx->socket, sizeof fx->socket, "%s/slipway.sock", fx->dir);
	snprintf(fx->files_dir, sizeof fx->files_dir, "%s", first->dir);
	sfx_start(fx);
}

static void stop_beside(struct sfx *fx)
{
	if (fx->server)
		sfx_stop(fx);
	fd_remove_tree(AT_FDCWD, fx->dir, NULL);
}

static const struct sfx_worker w1 = { "w1", "session-of-w1-0001" };

static json_t *status_of(struct sfx *fx, const char *key)
{
	json_t *all = sfx_call(fx, NULL, "GET", "/v1/status", NULL, 200);
	json_t *value = json_incref(json_object_get(all, key));
	json_decref(all);
	return value;
}

/* Until the worker has come to that server: its call has been there, then. */
static void wait_until_at(struct sfx *fx)
{
	bool is_at = false;
	json_t *name = status_of(fx, "name");
	while (!is_at) {
		json_t *all = sfx_call(fx, NULL, "GET", "/v1/workers", NULL, 200);
		const json_t *one = json_array_get(json_object_get(all, "workers"), 0);
		is_at = json_equal(json_object_get(one, "server"), name);
		json_decref(all);
	}
	json_decref(name);
}

/* The worker goes while its call is at the first server; work comes there. True: the call got none. */
static bool is_left_alone(struct sfx *a, struct sfx *b)
{
	int attempt;
	int call = sfx_lease_send(a, &w1, 1, 20000, NULL);
	wait_until_at(a);
	json_decref(sfx_lease(b, &w1, 0, 0, "\"holding\":[]"));
	int64_t job = sfx_submit(a, "{\"argv\":[\"true\"]}");
	json_t *answer = sfx_answer(call, 200);
	bool is_none = sfx_spec(answer, 0, &attempt) == 0;
	json_decref(answer);
	if (is_none)
		assert_string_equal(sfx_state(b, job), "waiting");
	answer = sfx_lease(b, &w1, is_none, 0, NULL);
	if (is_none)
		assert_true(sfx_spec(answer, 0, &attempt) == job);
	json_decref(answer);
	json_decref(sfx_lease(b, &w1, 0, 0, sfx_result(job, attempt, "succeeded", "")));
	return is_none;
}

/* A call that was parked at the server the worker has left gets no work, or that would be lost with it. Between its first
 * look and its being parked there is a moment: hence some tries. */
static void test_a_call_at_the_server_that_was_left(void **state)
{
	enum { TRIES = 20 };
	struct sfx a, b;
	int tries = 1;
	sfx_init(&a, 0);
	start_beside(&b, &a);
	sfx_register(&a, &w1, 1);
	while (!is_left_alone(&a, &b))
		assert_true(tries++ < TRIES);
	stop_beside(&b);
	sfx_release(&a);
}

/* What one leased the other can end, cancel and renew. */
static void test_a_session_is_taken_over(void **state)
{
	struct sfx a, b;
	int attempt;
	char text[160];
	sfx_init(&a, 0);
	start_beside(&b, &a);
	int64_t job = sfx_submit(&b, "{\"argv\":[\"true\"]}");
	sfx_register(&a, &w1, 1);
	json_t *answer = sfx_lease(&a, &w1, 1, 0, NULL);
	assert_true(sfx_spec(answer, 0, &attempt) == job);
	json_decref(answer);
	snprintf(text, sizeof text, "{\"running\":[[%lld,%d]]}", (long long)job, attempt);
	answer = sfx_call(&b, &w1, "POST", "/feed/beat", text, 200);
	assert_int_equal(json_array_size(json_object_get(answer, "stale")), 0);
	json_decref(answer);
	snprintf(text, sizeof text, "{\"ids\":[%lld]}", (long long)job);
	/* Parked at the one, cancelled at the other. */
	int parked = sfx_lease_send(&b, &w1, 0, 20000, NULL);
	json_decref(sfx_call(&a, NULL, "POST", "/v1/jobs/cancel", text, 200));
	int64_t since_ms = clock_boot_ms();
	answer = sfx_answer(parked, 200);
	assert_int_equal(json_array_size(json_object_get(answer, "cancels")), 1);
	assert_true(clock_boot_ms() - since_ms < 10000);
	json_decref(answer);
	json_decref(sfx_lease(&b, &w1, 0, 0, sfx_result(job, attempt, "cancelled", "")));
	assert_string_equal(sfx_state(&a, job), "cancelled");
	stop_beside(&b);
	sfx_release(&a);
}

/* The newer registration is the worker's, wherever it was made. */
static void test_the_newer_session_fences_the_older(void **state)
{
	static const struct sfx_worker again = { "w1", "session-of-w1-0002" };
	struct sfx a, b;
	int attempt;
	sfx_init(&a, 0);
	start_beside(&b, &a);
	int64_t job = sfx_submit(&a, "{\"argv\":[\"true\"],\"max_attempts\":3}");
	sfx_register(&a, &w1, 1);
	json_t *answer = sfx_lease(&a, &w1, 1, 0, NULL);
	assert_true(sfx_spec(answer, 0, &attempt) == job);
	json_decref(answer);
	sfx_register(&b, &again, 1);
	json_decref(
		sfx_answer(sfx_lease_send(&a, &w1, 1, 0, sfx_result(job, attempt, "succeeded", "")), 409));
	answer = sfx_lease(&b, &again, 1, 0, NULL);
	assert_true(sfx_spec(answer, 0, &attempt) == job);
	assert_int_equal(attempt, 2);
	json_decref(answer);
	json_decref(sfx_lease(&b, &again, 0, 0, sfx_result(job, attempt, "succeeded", "")));
	assert_string_equal(sfx_state(&a, job), "succeeded");
	stop_beside(&b);
	sfx_release(&a);
}

/* --- status --- */

static void test_status_names_servers_and_who_holds_back_vacuum(void **state)
{
	struct sfx a, b;
	sfx_init(&a, 0);
	sfx_stop(&a);
	a.holder_ms = 1;
	sfx_start(&a);
	start_beside(&b, &a);
	json_t *servers = status_of(&a, "servers");
	assert_int_equal(json_array_size(servers), 2);
	for (size_t i = 0; i < 2; i++)
		assert_true(json_is_true(json_object_get(json_array_get(servers, i), "alive")));
	json_decref(servers);
	stop_beside(&b);
	json_t *held = status_of(&a, "vacuum_held_by");
	/* One of the server's own may be there for a moment; not after it. */
	json_decref(held);
	PGconn *c = PQconnectdb(a.db_url);
	assert_int_equal(PQstatus(c), CONNECTION_OK);
	PQclear(PQexec(c, "SET application_name = 'forgotten'"));
	PQclear(PQexec(c, "BEGIN ISOLATION LEVEL REPEATABLE READ"));
	PQclear(PQexec(c, "SELECT count(*) FROM slipway.job"));
	do {
		held = status_of(&a, "vacuum_held_by");
		const char *who = json_string_value(json_object_get(held, "application"));
		if (who && strcmp(who, "forgotten") == 0)
			break;
		json_decref(held);
	} while (true);
	assert_int_equal(json_integer_value(json_object_get(held, "pid")), PQbackendPID(c));
	assert_true(json_number_value(json_object_get(held, "age")) > 0);
	assert_string_equal(json_string_value(json_object_get(held, "state")), "idle in transaction");
	json_decref(held);
	PQfinish(c);
	servers = status_of(&a, "servers");
	size_t stopped = 0;
	for (size_t i = 0; i < json_array_size(servers); i++)
		stopped += json_is_false(json_object_get(json_array_get(servers, i), "alive"));
	assert_int_equal(stopped, 1);
	json_decref(servers);
	sfx_release(&a);
}

/* --- what idleness costs --- */

static int64_t transactions(PGconn *c)
{
	PGresult *r = PQexec(c, "SELECT sum(xact_commit + xact_rollback)::bigint FROM pg_stat_database"
				" WHERE datname = current_database()");
	assert_int_equal(PQresultStatus(r), PGRES_TUPLES_OK);
	int64_t n = strtoll(PQgetvalue(r, 0, 0), NULL, 10);
	PQclear(r);
	return n;
}

/* A look is one statement, hence one transaction. What a start brings with it is counted late: so the first of a few spans in
 * which there is no more than there may be. */
static void test_idle_servers_ask_once_a_second(void **state)
{
	enum { SPAN_S = 4, SERVERS = 2, OWN = 2, SPANS = 8 };
	struct sfx a, b;
	int64_t n = 0, least = 0;
	sfx_init(&a, 0);
	start_beside(&b, &a);
	PGconn *c = PQconnectdb(a.db_url);
	assert_int_equal(PQstatus(c), CONNECTION_OK);
	for (int i = 0; i < SPANS; i++) {
		int64_t first = transactions(c);
		PQclear(PQexec(c, "SELECT pg_sleep(4)"));
		n = transactions(c) - first;
		if (n <= SPAN_S * SERVERS + OWN)
			break;
	}
	if (n > SPAN_S * SERVERS + OWN)
		fail_msg("%d idle servers made %lld transactions in %d s", SERVERS, (long long)n - OWN,
			 SPAN_S);
	/* And they do look: else this would show nothing. */
	for (int i = 0; i < SPANS && least <= 0; i++) {
		int64_t first = transactions(c);
		PQclear(PQexec(c, "SELECT pg_sleep(1.5)"));
		least = transactions(c) - first - OWN;
	}
	assert_true(least > 0);
	PQfinish(c);
	stop_beside(&b);
	sfx_release(&a);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_duties_are_done_by_one),
		TEST(test_one_server_collects_garbage_at_a_time),
		TEST(test_workers_of_others_stay_online),
		TEST(test_names_stay),
		TEST(test_a_log_is_sealed_by_whoever_finds_it),
		cmocka_unit_test(test_a_call_at_the_server_that_was_left),
		cmocka_unit_test(test_a_session_is_taken_over),
		cmocka_unit_test(test_the_newer_session_fences_the_older),
		cmocka_unit_test(test_status_names_servers_and_who_holds_back_vacuum),
		cmocka_unit_test(test_idle_servers_ask_once_a_second),
	};
	setenv("SLIPWAY_TEST_DB", "postgres", 1);
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (pg_skip_all())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

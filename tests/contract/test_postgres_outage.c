/* A database that is away for longer than leases last, and servers that cannot know meanwhile what others did. Of a server its
 * tick is stopped: the test looks at the leases when it wants to. */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/fd.h"
#include "pg_fixture.h"
#include "pg_proxy.h"
#include "server/peers.h"
#include "server/server_priv.h"
#include "server_fixture.h"

enum {
	LEASE_MS = 600,
	OUTAGE_MS =
		3500, /* longer than a lease, its grace, and than a server takes to see that it hears nothing */
	PATIENCE_MS = 20000,
};

static const struct sfx_worker one = { "one", "0000000000000001" };

struct outage {
	struct sfx fx;
	char *url; /* of the database itself */
	struct pg_proxy proxy;
	int64_t job;
};

static int set_up(void **state)
{
	struct outage *o = calloc(1, sizeof *o);
	int attempt;
	o->url = pg_new_database();
	pg_proxy_start(&o->proxy, o->url);
	o->fx = (struct sfx){ .lease_ms = LEASE_MS, .db_url = o->proxy.url };
	snprintf(o->fx.dir, sizeof o->fx.dir, "/tmp/slipway-server-XXXXXX");
	assert_non_null(mkdtemp(o->fx.dir));
	snprintf(o->fx.socket, sizeof o->fx.socket, "%s/slipway.sock", o->fx.dir);
	sfx_start(&o->fx);
	tick_stop(o->fx.server);
	sfx_register(&o->fx, &one, 1);
	o->job = sfx_submit(&o->fx, "{\"argv\":[\"true\"]}");
	json_t *answer = sfx_lease(&o->fx, &one, 1, 0, NULL);
	assert_true(sfx_spec(answer, 0, &attempt) == o->job);
	json_decref(answer);
	*state = o;
	return 0;
}

static int tear_down(void **state)
{
	struct outage *o = *state;
	sfx_stop(&o->fx);
	pg_proxy_stop(&o->proxy);
	fd_remove_tree(AT_FDCWD, o->fx.dir, NULL);
	pg_drop_database(o->url);
	free(o->url);
	free(o);
	return 0;
}

static void pause_until(int64_t boot_ms)
{
	int64_t ms;
	while ((ms = boot_ms - clock_boot_ms()) > 0)
		poll(NULL, 0, (int)ms);
}

static void wait_for_contact(struct server *s)
{
	int64_t until_ms = clock_boot_ms() + PATIENCE_MS;
	while (peers_were_out(s, 0)) {
		assert_true(clock_boot_ms() < until_ms);
		pause_until(clock_boot_ms() + 5);
	}
}

static void look(struct outage *o)
{
	int64_t next_ms;
	assert_int_equal(leases_look(o->fx.server, clock_boot_ms(), &next_ms), 0);
}

/* It runs on, nobody has failed, and there is a new lease, which ends like any other. */
static void check_nobody_is_blamed(struct outage *o)
{
	json_t *job = sfx_show(&o->fx, o->job);
	assert_string_equal(json_string_value(json_object_get(job, "state")), "running");
	assert_int_equal(json_integer_value(json_object_get(job, "losses")), 0);
	json_decref(job);
	json_t *workers = sfx_call(&o->fx, NULL, "GET", "/v1/workers", NULL, 200);
	const json_t *w = json_array_get(json_object_get(workers, "workers"), 0);
	assert_int_equal(json_integer_value(json_object_get(w, "failures")), 0);
	json_decref(workers);
}

/* Since when the database is back is told to those that look at leases later. */
static void test_a_look_after_it(void **state)
{
	struct outage *o = *state;
	int64_t since_ms = clock_boot_ms();
	o->proxy.cut = PG_CUT_DOWN;
	pause_until(since_ms + OUTAGE_MS);
	o->proxy.cut = PG_CUT_NONE;
	wait_for_contact(o->fx.server);
	look(o);
	check_nobody_is_blamed(o);
	/* From here on it is somebody's failure. */
	pause_until(clock_boot_ms() + LEASE_MS + LEASE_GRACE_MS + 100);
	look(o);
	assert_string_equal(sfx_state(&o->fx, o->job), "waiting");
}

static void *come_back(void *arg)
{
	struct outage *o = arg;
	pause_until(clock_boot_ms() + 500);
	o->proxy.cut = PG_CUT_NONE;
	return NULL;
}

/* A look that had to wait for the database must not judge by what it knew before. */
static void test_a_look_that_began_in_it(void **state)
{
	struct outage *o = *state;
	int64_t since_ms = clock_boot_ms();
	pthread_t thread;
	o->proxy.cut = PG_CUT_DOWN;
	pause_until(since_ms + OUTAGE_MS);
	assert_int_equal(pthread_create(&thread, NULL, come_back, o), 0);
	look(o);
	pthread_join(thread, NULL);
	check_nobody_is_blamed(o);
}

static int status_of_unknown(struct outage *o)
{
	static const char request[] = "GET /v1/status HTTP/1.1\r\nHost: slipway\r\nConnection: close\r\n"
				      "Authorization: Bearer slw_unknown\r\n\r\n";
	int status, fd = sfx_connect(&o->fx);
	assert_int_equal(fd_write_all(fd, request, sizeof request - 1, NULL), 0);
	free(sfx_receive(fd, &status, NULL));
	return status;
}

/* A worker that is refused is out for good; another server may have let it in a moment ago. */
static void test_who_is_not_known_is_not_refused_in_it(void **state)
{
	struct outage *o = *state;
	int64_t since_ms = clock_boot_ms();
	assert_int_equal(status_of_unknown(o), 401);
	o->proxy.cut = PG_CUT_DOWN;
	pause_until(since_ms + OUTAGE_MS);
	assert_int_equal(status_of_unknown(o), 503);
	o->proxy.cut = PG_CUT_NONE;
	wait_for_contact(o->fx.server);
	assert_int_equal(status_of_unknown(o), 401);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_look_after_it),
		TEST(test_a_look_that_began_in_it),
		TEST(test_who_is_not_known_is_not_refused_in_it),
	};
	setenv("SLIPWAY_TEST_DB", "postgres", 1);
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (pg_skip_all())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

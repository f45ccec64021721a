/* Several servers on one PostgreSQL that has a standby, and blows at random moments while jobs are submitted all the time:
 * kill -9 of a server or a worker; the database stopped as by a power cut, lost with its disk and replaced by the standby,
 * read-only, out of connections, its disk full. Nothing is started again by hand but what a machine's init would start.
 * Afterwards every job whose number was given out has ended, none was lost, and none had two effects.
 *
 * SLIPWAY_KILLS, SLIPWAY_STOPS, SLIPWAY_FAILOVERS, SLIPWAY_SHORTAGES say how often, SLIPWAY_READ_ONLY_S for how long the
 * database is read-only once; SLIPWAY_SEED repeats a run's decisions. */
#include <inttypes.h>
#include <libpq-fe.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "cluster.h"
#include "load.h"
#include "rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KILLS = 10, STOPS = 5, FAILOVERS = 1, SHORTAGES = 1 };
#else
enum { KILLS = 40, STOPS = 15, FAILOVERS = 3, SHORTAGES = 2 };
#endif

enum {
	SERVERS = 2,
	CONNECTIONS_MAX = 300,
	SHORT_MS = 2000, /* how long there is no room, no connection, no right to write */
	DOWN_MAX_MS = 400,
	BURST_MAX_MS = 30, /* how long calls come thick and fast before a blow */
};

static struct rig rigs_made[SERVERS];
static struct rig *const rigs[SERVERS] = { &rigs_made[0], &rigs_made[1] };
static const char *url;
static char files[100];

/* ---- blows -------------------------------------------------------------------------------------------------- */

static const char *options[] = { "--slots", "1", "--lease", "5s", "--db", NULL, "--files", files, NULL };
enum { OPTION_DB = 5 };

static void start_server(struct rig *r)
{
	rig_wait_ready(r);
	load_notice_server();
}

/* A worker of no server's own: it goes from one to the next. */
static struct rig all;
static pid_t roamer;

static void start_roamer(void)
{
	roamer = rig_start_worker(&all, "roamer", 1);
}

static int64_t servers_killed, workers_killed;

static void kill_server(struct rig *r)
{
	rig_kill(r);
	servers_killed++;
}

static void kill_roamer(void)
{
	workers_killed++;
	kill(roamer, SIGKILL);
	rig_stop_worker(roamer);
	start_roamer();
}

/* Strokes fall on a burst of calls and end it, once it has been hit. */
static void kill_a_server(void)
{
	struct rig *r = rigs[chance_below(SERVERS)];
	pid_t worker = child_of(r->serve, 0);
	uint64_t die = chance_below(100);

	if (die >= 92) {
		kill_roamer();
		return;
	}
	if (die >= 78) {
		if (worker > 0)
			workers_killed += kill(worker, SIGKILL) == 0;
		if (die >= 85)
			return;
	}
	kill_server(r);
	load_burst(false);
	rig_launch(r, options);
	start_server(r);
}

static void stop_at_once(void)
{
	cluster_do("crash");
	load_burst(false);
	pause_ms((int64_t)chance_below(DOWN_MAX_MS));
	cluster_do("again");
}

static void fail_over(void)
{
	cluster_do("promote");
	load_burst(false);
	load_wait_for_progress(LOAD_PROGRESS_MS);
	cluster_do("rebuild");
}

/* No connection is left; a server that is killed meanwhile has to wait for one. */
static void use_up_connections(void)
{
	PGconn *taken[CONNECTIONS_MAX];
	struct rig *r = rigs[chance_below(SERVERS)];
	int n = 0;

	do
		taken[n] = PQconnectdb(url);
	while (PQstatus(taken[n++]) == CONNECTION_OK && n < CONNECTIONS_MAX);
	if (n == CONNECTIONS_MAX)
		tap_die("the database has more connections than the test");
	kill_server(r);
	PQfinish(taken[--n]);
	taken[n++] = PQconnectdb(url);
	rig_launch(r, options);
	pause_ms(SHORT_MS);
	while (n > 0)
		PQfinish(taken[--n]);
	start_server(r);
}

static void be_read_only(int64_t ms)
{
	cluster_do("read-only");
	pause_ms(ms);
	cluster_do("writable");
}

static void fill_the_disk(void)
{
	cluster_do("fill");
	pause_ms(SHORT_MS);
	cluster_do("free");
	cluster_do("again");
}

static void be_short(void)
{
	load_burst(false);
	switch (chance_below(3)) {
	case 0:
		use_up_connections();
		break;
	case 1:
		be_read_only(SHORT_MS);
		break;
	default:
		if (geteuid() == 0)
			fill_the_disk();
	}
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

struct blow {
	const char *setting;
	int64_t times, left, ms;
	void (*strike)(void);
};

static struct blow blows[] = {
	{ .setting = "SLIPWAY_KILLS", .times = KILLS, .strike = kill_a_server },
	{ .setting = "SLIPWAY_STOPS", .times = STOPS, .strike = stop_at_once },
	{ .setting = "SLIPWAY_FAILOVERS", .times = FAILOVERS, .strike = fail_over },
	{ .setting = "SLIPWAY_SHORTAGES", .times = SHORTAGES, .strike = be_short },
};

/* One of those that are left, each as likely as it has strokes left. */
static struct blow *choose(void)
{
	int64_t left = 0;

	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		left += blows[i].left;
	if (!left)
		return NULL;
	left = (int64_t)chance_below((uint64_t)left);
	for (size_t i = 0;; i++) {
		if (left < blows[i].left)
			return &blows[i];
		left -= blows[i].left;
	}
}

static void torture(void)
{
	int64_t before = clock_boot_ms(), read_only_s = setting("SLIPWAY_READ_ONLY_S", 0);
	size_t acked, broken;
	int64_t waited = 0;
	struct blow *b;

	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		blows[i].times = blows[i].left = setting(blows[i].setting, blows[i].times);
	for (int i = 0; i < SERVERS; i++)
		rig_start(rigs[i], options);
	all = *rigs[0];
	snprintf(all.address, sizeof(all.address), "%s,%s", rigs[0]->address, rigs[1]->address);
	start_roamer();
	load_start(rigs, SERVERS);
	while ((b = choose())) {
		int64_t from = clock_boot_ms();

		load_wait_for_progress(LOAD_PROGRESS_MS);
		waited += clock_boot_ms() - from;
		from = clock_boot_ms();
		load_burst(true);
		pause_ms((int64_t)chance_below(BURST_MAX_MS));
		b->strike();
		load_burst(false);
		b->ms += clock_boot_ms() - from;
		b->left--;
	}
	if (read_only_s)
		be_read_only(read_only_s * 1000);
	load_stop();
	load_count(&acked, &broken);
	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		tap_note("%s: %.1f s", blows[i].setting, (double)blows[i].ms / 1000);
	tap_note("waited for progress: %.1f s", (double)waited / 1000);
	tap_note("%" PRId64 " servers and %" PRId64 " workers killed, %" PRId64 " immediate stops, %" PRId64
		 " fail-overs, %" PRId64
		 " shortages in %.1f s; %zu jobs acknowledged, %zu calls broken or refused",
		 servers_killed, workers_killed, blows[1].times, blows[2].times, blows[3].times,
		 (double)(clock_boot_ms() - before) / 1000, acked, broken);
}

int main(void)
{
	char why[200] = "";
	bool is_well = true;

	if (*cluster_why_not(why, sizeof(why))) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	tap_plan(LOAD_ACCOUNT_TESTS + 2);
	chance_seed();
	rig_make(rigs[0]);
	for (int i = 1; i < SERVERS; i++)
		rig_make_beside(rigs[i], rigs[0], i);
	snprintf(files, sizeof(files), "%s/files", rigs[0]->dir);
	if (mkdir(files, 0700) < 0)
		tap_die("no folder for files");
	if (geteuid() == 0)
		setenv("SLIPWAY_TEST_PG_SIZE", "700m", 0);
	options[OPTION_DB] = url = cluster_make();
	torture();
	load_account(rigs[0]);
	rig_stop_worker(roamer);
	for (int i = 0; i < SERVERS; i++)
		is_well &= rig_stop(rigs[i]) == 0;
	tap_ok(is_well, "the servers stop well");
	cluster_remove();
	is_well = true;
	for (int i = 0; i < SERVERS; i++)
		is_well &= rig_count_leftovers(rigs[i]) == 0;
	tap_ok(is_well, "nothing is left behind");
	rig_remove(rigs[0]);
	return tap_status();
}

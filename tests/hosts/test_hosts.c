/* Seven machines in one: a database and its standby, two servers, three workers that have joined over TLS, each with an address
 * and folders of its own. While jobs are submitted all the time, links are cut, lose one way or get slow, and processes
 * are killed or stopped, as a seed decides; several at once, and for longer than a lease at times; and the database fails over
 * from a machine that has vanished. Afterwards every job whose number was given out has ended once, no two attempts of one
 * were alive at once, the attempts' numbers rose, and nothing is left over.
 *
 * SLIPWAY_BLOWS says how many (by default as many as fit into half a minute), SLIPWAY_SEED repeats a run's decisions. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "http/client.h"
#include "cluster.h"
#include "load.h"
#include "net.h"
#include "rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { BLOWS = 8 };
#else
enum { BLOWS = 24 };
#endif

enum {
	DATABASES = 2,
	SERVERS = 2,
	WORKERS = 3,
	PORT = 7400,
	SHORT_MS = 1500,    /* most blows last less … */
	LONG_MS = 9000,	    /* … one in eight longer than a lease */
	BLOWING_MS = 20000, /* at most, unless somebody said how many */
	ONLINE_MS = 30000,
};

struct machine {
	struct net_host net;
	struct rig rig; /* of a worker: its folder and where its messages go */
	pid_t worker;
	/* What is the matter with it now. */
	const struct blow *blow;
	int64_t over_ms;
	int victim; /* among the machines it lost the way to */
};

static struct machine databases[DATABASES], servers[SERVERS], workers[WORKERS];
static int primary; /* of the databases */
static struct rig *rigs[SERVERS];
static const char *url;
static char files[100], listen_at[SERVERS][64];

/* ---- the machines ------------------------------------------------------------------------------------------- */

static void start_server(int i)
{
	const char *options[] = { "--slots", "0",   "--lease",	"5s",	      "--db", url,
				  "--files", files, "--listen", listen_at[i], NULL };

	rig_start(rigs[i], options);
	load_notice_server();
}

/* With a token for the first time; from then on its folder knows who it is. */
static void start_worker(struct machine *m, const char *token)
{
	char work[120], both[160];
	const char *again[] = { "slipway", "worker", "--work", work, "--slots", "2", NULL };
	const char *first[] = { "slipway", "worker", "--work", work,	 "--slots",   "2", "--server",
				both,	   "--join", token,    "--name", m->net.port, NULL };

	snprintf(work, sizeof(work), "%s/worker", m->rig.data);
	snprintf(both, sizeof(both), "%s,%s", listen_at[0], listen_at[1]);
	m->worker = rig_spawn(&m->rig, token ? first : again);
}

static void make_token(char *token, size_t room)
{
	char *bin = getenv("SLIPWAY_BIN"), line[600], *at;
	char *argv[] = { bin, "token", "create", "--role", "worker", NULL };

	setenv("SLIPWAY_SERVER", rigs[0]->address, 1);
	if (run_program(argv, line, sizeof(line)) != 0 || !(at = strstr(line, "--join ")))
		tap_die("no join token was made: %s", line);
	snprintf(token, room, "%s", at + strlen("--join "));
	token[strcspn(token, " ")] = '\0';
}

static int count_online(void)
{
	struct client *c = rig_client(rigs[0]);
	json_t *answer = rig_get(c, "/v1/workers"), *w;
	size_t i;
	int n = 0;

	json_array_foreach (json_object_get(answer, "workers"), i, w)
		n += json_is_true(json_object_get(w, "online"));
	json_decref(answer);
	client_free(c);
	return n;
}

static void make_databases(void)
{
	char name[16], hosts[200];

	for (int i = 0; i < DATABASES; i++) {
		snprintf(name, sizeof(name), "d%d", i + 1);
		net_add(&databases[i].net, name, 31 + i);
	}
	snprintf(hosts, sizeof(hosts), "%s %s %s %s", databases[0].net.path, databases[0].net.address,
		 databases[1].net.path, databases[1].net.address);
	setenv("SLIPWAY_TEST_PG_HOSTS", hosts, 1);
	url = cluster_make();
}

static void make_machines(void)
{
	char name[16], token[300];
	int64_t until;

	net_open();
	make_databases();
	for (int i = 0; i < SERVERS; i++) {
		snprintf(name, sizeof(name), "s%d", i + 1);
		net_add(&servers[i].net, name, 11 + i);
		rigs[i] = &servers[i].rig;
		if (i == 0)
			rig_make(rigs[0]);
		else
			rig_make_beside(rigs[i], rigs[0], i);
		snprintf(rigs[i]->netns, sizeof(rigs[i]->netns), "%s", servers[i].net.path);
		snprintf(listen_at[i], sizeof(listen_at[i]), "https://%s:%d", servers[i].net.address, PORT);
	}
	snprintf(files, sizeof(files), "%s/files", rigs[0]->dir);
	if (mkdir(files, 0700) < 0)
		tap_die("no folder for files");
	for (int i = 0; i < SERVERS; i++)
		start_server(i);
	for (int i = 0; i < WORKERS; i++) {
		snprintf(name, sizeof(name), "w%d", i + 1);
		net_add(&workers[i].net, name, 21 + i);
		rig_make_beside(&workers[i].rig, rigs[0], 100 + i);
		_Static_assert(sizeof(workers[i].rig.netns) == sizeof(workers[i].net.path),
			       "one is a copy of the other");
		memcpy(workers[i].rig.netns, workers[i].net.path, sizeof(workers[i].rig.netns));
		make_token(token, sizeof(token));
		start_worker(&workers[i], token);
	}
	until = clock_boot_ms() + ONLINE_MS;
	while (count_online() < WORKERS)
		if (clock_boot_ms() > until)
			tap_die("the workers do not come; see %s/err", rigs[0]->dir);
		else
			pause_ms(20);
}

/* ---- blows -------------------------------------------------------------------------------------------------- */

struct blow {
	const char *name;
	void (*begin)(struct machine *m);
	void (*end)(struct machine *m);
	bool is_for_databases, is_for_servers, is_for_workers;
	int times;
};

static bool is_database(const struct machine *m)
{
	return m >= databases && m < databases + DATABASES;
}

static bool is_server(const struct machine *m)
{
	return m >= servers && m < servers + SERVERS;
}

static void cut(struct machine *m)
{
	net_cut(&m->net, true);
}

static void mend(struct machine *m)
{
	net_cut(&m->net, false);
}

/* What the machine sends to one of the others gets lost: answers or calls. A server speaks with all others but servers, a
 * database with servers and the other one, a worker with servers. */
static const struct net_host *victim(const struct machine *m)
{
	int n = m->victim;

	if (is_server(m))
		return n % 2 ? &workers[n / 2 % WORKERS].net : &databases[n / 2 % DATABASES].net;
	if (is_database(m) && n % 3 == 0)
		return &databases[m == databases].net;
	return &servers[n % SERVERS].net;
}

static void deafen(struct machine *m)
{
	m->victim = (int)chance_below(12);
	net_deafen(&m->net, victim(m), true);
}

static void hear(struct machine *m)
{
	net_deafen(&m->net, victim(m), false);
}

static void slow(struct machine *m)
{
	net_slow(&m->net, is_database(m) ? 400 : 24);
}

static void hurry(struct machine *m)
{
	net_slow(&m->net, 0);
}

static void shuffle(struct machine *m)
{
	net_shuffle(&m->net, true);
}

static void sort(struct machine *m)
{
	net_shuffle(&m->net, false);
}

static pid_t process(const struct machine *m)
{
	return is_server(m) ? m->rig.serve : m->worker;
}

static void stop(struct machine *m)
{
	if (is_database(m))
		cluster_do_at("freeze", (int)(m - databases));
	else
		kill(process(m), SIGSTOP);
}

static void go_on(struct machine *m)
{
	if (is_database(m))
		cluster_do_at("thaw", (int)(m - databases));
	else
		kill(process(m), SIGCONT);
}

/* As by a power cut; it is started again when the blow is over. */
static void kill_process(struct machine *m)
{
	if (is_database(m)) {
		cluster_do_at("kill", (int)(m - databases));
	} else if (is_server(m)) {
		rig_kill(&m->rig);
	} else {
		kill(m->worker, SIGKILL);
		rig_stop_worker(m->worker);
	}
}

static void end_blows(struct machine *list, int n, bool is_all);

/* A server's start is waited for, and it waits for its database: what is the matter with that is over first. */
static void start_again(struct machine *m)
{
	if (is_server(m))
		end_blows(databases, DATABASES, true);
	if (is_database(m))
		cluster_do("again");
	else if (is_server(m))
		start_server((int)(m - servers));
	else
		start_worker(m, NULL);
}

/* The primary's machine is there no more, and says so to nobody. What comes back later has nothing of what it had. */
static void vanish(struct machine *m)
{
	net_cut(&databases[primary].net, true);
	m->victim = primary;
	cluster_do("promote");
	primary = !primary;
}

static void replace(struct machine *m)
{
	net_cut(&databases[m->victim].net, false);
	cluster_do("rebuild");
}

static void kill_spawner(struct machine *m)
{
	pid_t spawner = child_of(m->worker, (int)chance_below(2));

	if (spawner > 0)
		kill(spawner, SIGKILL);
}

/* A worker without its spawners ends; so it is with its machine's init to start it again. */
static void restart_worker(struct machine *m)
{
	kill_process(m);
	start_again(m);
}

/* The last only where this kernel can. */
static struct blow blows[] = {
	{ "links cut", cut, mend, true, true, true, 0 },
	{ "links half open", deafen, hear, true, true, true, 0 },
	{ "links slow", slow, hurry, true, true, true, 0 },
	{ "processes stopped", stop, go_on, true, true, true, 0 },
	{ "processes killed", kill_process, start_again, true, true, true, 0 },
	{ "spawners killed", kill_spawner, restart_worker, false, false, true, 0 },
	{ "fail-overs", vanish, replace, true, false, false, 0 },
	{ "packets reordered and doubled", shuffle, sort, true, true, true, 0 },
};
static struct blow *const shuffling = &blows[ARRAY_LEN(blows) - 1];
static size_t blows_len = ARRAY_LEN(blows);

static struct machine *any_machine(const struct blow *b)
{
	const struct {
		bool is_for;
		struct machine *list;
		uint64_t n;
	} kinds[] = { { b->is_for_databases, databases, DATABASES },
		      { b->is_for_servers, servers, SERVERS },
		      { b->is_for_workers, workers, WORKERS } };
	uint64_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		n += kinds[i].is_for ? kinds[i].n : 0;
	n = chance_below(n);
	for (size_t i = 0;; i++) {
		if (kinds[i].is_for && n < kinds[i].n)
			return &kinds[i].list[n];
		n -= kinds[i].is_for ? kinds[i].n : 0;
	}
}

/* One blow at a time for each machine; and for both databases, of which one is to be whole. */
static bool is_struck(const struct machine *m)
{
	return is_database(m) ? databases[0].blow || databases[1].blow : m->blow != NULL;
}

static void strike(struct blow *b)
{
	struct machine *m = any_machine(b);
	int64_t ms = chance_below(8) ? (int64_t)chance_below(SHORT_MS) : LONG_MS;

	if (is_struck(m))
		return;
	b->begin(m);
	b->times++;
	m->blow = b;
	m->over_ms = clock_boot_ms() + ms;
}

static void end_blows(struct machine *list, int n, bool is_all)
{
	for (int i = 0; i < n; i++)
		if (list[i].blow && (is_all || list[i].over_ms <= clock_boot_ms())) {
			list[i].blow->end(&list[i]);
			list[i].blow = NULL;
		}
}

static int64_t until_next_end(void)
{
	const struct {
		const struct machine *list;
		int n;
	} kinds[] = { { databases, DATABASES }, { servers, SERVERS }, { workers, WORKERS } };
	int64_t at_ms = clock_boot_ms() + LOAD_PROGRESS_MS;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (int k = 0; k < kinds[i].n; k++)
			if (kinds[i].list[k].blow && kinds[i].list[k].over_ms < at_ms)
				at_ms = kinds[i].list[k].over_ms;
	return at_ms > clock_boot_ms() ? at_ms - clock_boot_ms() : 0;
}

static void end_all_blows(bool is_all)
{
	end_blows(databases, DATABASES, is_all);
	end_blows(servers, SERVERS, is_all);
	end_blows(workers, WORKERS, is_all);
}

static int struck(void)
{
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		n += blows[i].times;
	return n;
}

static void torture(void)
{
	int64_t before = clock_boot_ms(), asked = setting("SLIPWAY_BLOWS", 0), most = asked ? asked : BLOWS;
	size_t acked, broken;

	load_start(rigs, SERVERS);
	if (net_has_netem())
		strike(shuffling);
	else
		blows_len--;
	while (struck() < most && (asked || clock_boot_ms() - before < BLOWING_MS)) {
		load_wait_for_progress(until_next_end());
		strike(&blows[chance_below(blows_len)]);
		end_all_blows(false);
	}
	end_all_blows(true);
	load_stop();
	load_count(&acked, &broken);
	for (size_t i = 0; i < ARRAY_LEN(blows); i++)
		tap_note("%s: %d", blows[i].name, blows[i].times);
	tap_note("%d blows in %.1f s; %zu jobs acknowledged, %zu calls broken", struck(),
		 (double)(clock_boot_ms() - before) / 1000, acked, broken);
}

/* ---- the whole ---------------------------------------------------------------------------------------------- */

static bool stop_all(void)
{
	bool is_well = true;

	for (int i = 0; i < WORKERS; i++)
		rig_stop_worker(workers[i].worker);
	for (int i = 0; i < SERVERS; i++)
		is_well &= rig_stop(rigs[i]) == 0;
	cluster_remove();
	return is_well;
}

static bool is_clean(void)
{
	int left = 0;

	for (int i = 0; i < SERVERS; i++)
		left += rig_count_leftovers(rigs[i]);
	for (int i = 0; i < WORKERS; i++)
		left += rig_count_leftovers(&workers[i].rig);
	return left == 0;
}

int main(void)
{
	char why[200] = "";

	if (!*cluster_why_not(why, sizeof(why)))
		net_why_not(why, sizeof(why));
	if (*why) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	tap_plan(LOAD_ACCOUNT_TESTS + 3);
	chance_seed();
	make_machines();
	torture();
	load_account(rigs[0]);
	tap_ok(stop_all(), "the servers stop well");
	tap_ok(is_clean(), "nothing is left behind");
	if (blows_len == ARRAY_LEN(blows))
		tap_ok(shuffling->times > 0, "packets were reordered and duplicated");
	else
		tap_skip("packets reordered and duplicated", "this kernel has no netem");
	rig_remove(rigs[0]);
	return tap_status();
}

/* Seven machines in one: a database with its standby, two servers, three workers that have joined over TLS, each with an address
 * and folders of its own. While jobs are submitted all the time, links are cut, lose one way or get slow, and processes
 * are killed or stopped, as a seed decides; several at once, and for longer than a lease at times. Afterwards every job
 * whose number was given out has ended once, no two attempts of one were alive at once, the attempts' numbers rose,
 * and nothing is left over.
 *
 * SLIPWAY_BLOWS says how many (by default as many as fit into half a minute), SLIPWAY_SEED repeats a run's decisions. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "http/client.h"
#include "load.h"
#include "net.h"
#include "rig.h"

extern char **environ;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { BLOWS = 8 };
#else
enum { BLOWS = 24 };
#endif

enum {
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

static struct machine servers[SERVERS], workers[WORKERS];
static struct rig *rigs[SERVERS];
static char cluster[96], url[300], files[100], listen_at[SERVERS][64];

/* ---- the database ------------------------------------------------------------------------------------------- */

/* A program and its first line of output, if asked for. */
static int call(char *const *argv, char *line, size_t room)
{
	posix_spawn_file_actions_t actions;
	int ends[2], status = 0;
	pid_t pid;

	if (pipe(ends) < 0)
		tap_die("pipe");
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addclose(&actions, ends[0]);
	posix_spawn_file_actions_addclose(&actions, ends[1]);
	if (posix_spawn(&pid, argv[0], &actions, NULL, argv, environ) != 0)
		tap_die("cannot start %s", argv[0]);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	if (line) {
		ssize_t n = read(ends[0], line, room - 1);

		line[n > 0 ? n : 0] = '\0';
		line[strcspn(line, "\n")] = '\0';
	}
	close(ends[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int pg(const char *word, char *line, size_t room)
{
	char path[400];
	const char *src = getenv("SLIPWAY_SRC");
	char *argv[] = { path, (char *)(uintptr_t)word, cluster, NULL };

	snprintf(path, sizeof(path), "%s/tests/pg", src ? src : ".");
	return call(argv, line, room);
}

static void stop_database(void)
{
	pg("stop", NULL, 0);
}

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
	if (call(argv, line, sizeof(line)) != 0 || !(at = strstr(line, "--join ")))
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

static void make_machines(void)
{
	char name[16], token[300];
	int64_t until;

	net_open();
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
	bool is_for_servers, is_for_workers;
	int times;
};

static void cut(struct machine *m)
{
	net_cut(&m->net, true);
}

static void mend(struct machine *m)
{
	net_cut(&m->net, false);
}

/* What the machine sends to one of the others gets lost: for a server that is its answers, for a worker its calls. */
static const struct net_host *victim(const struct machine *m)
{
	return m >= servers && m < servers + SERVERS ? &workers[m->victim % WORKERS].net
						     : &servers[m->victim % SERVERS].net;
}

static void deafen(struct machine *m)
{
	m->victim = (int)chance_below(WORKERS * SERVERS);
	net_deafen(&m->net, victim(m), true);
}

static void hear(struct machine *m)
{
	net_deafen(&m->net, victim(m), false);
}

static void slow(struct machine *m)
{
	net_slow(&m->net, 24);
}

static void hurry(struct machine *m)
{
	net_slow(&m->net, 0);
}

static bool is_server(const struct machine *m)
{
	return m >= servers && m < servers + SERVERS;
}

static pid_t process(const struct machine *m)
{
	return is_server(m) ? m->rig.serve : m->worker;
}

static void stop(struct machine *m)
{
	kill(process(m), SIGSTOP);
}

static void go_on(struct machine *m)
{
	kill(process(m), SIGCONT);
}

/* As by a power cut; it is started again when the blow is over. */
static void kill_process(struct machine *m)
{
	if (is_server(m)) {
		rig_kill(&m->rig);
		return;
	}
	kill(m->worker, SIGKILL);
	rig_stop_worker(m->worker);
}

static void start_again(struct machine *m)
{
	if (is_server(m))
		start_server((int)(m - servers));
	else
		start_worker(m, NULL);
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

static struct blow blows[] = {
	{ "links cut", cut, mend, true, true, 0 },
	{ "links half open", deafen, hear, true, true, 0 },
	{ "links slow", slow, hurry, true, true, 0 },
	{ "processes stopped", stop, go_on, true, true, 0 },
	{ "processes killed", kill_process, start_again, true, true, 0 },
	{ "spawners killed", kill_spawner, restart_worker, false, true, 0 },
};

static struct machine *any_machine(const struct blow *b)
{
	uint64_t n = chance_below((b->is_for_servers ? SERVERS : 0) + (b->is_for_workers ? WORKERS : 0));

	if (b->is_for_servers && n < SERVERS)
		return &servers[n];
	return &workers[b->is_for_servers ? n - SERVERS : n];
}

static void strike(void)
{
	struct blow *b = &blows[chance_below(ARRAY_LEN(blows))];
	struct machine *m = any_machine(b);
	int64_t ms = chance_below(8) ? (int64_t)chance_below(SHORT_MS) : LONG_MS;

	/* One at a time for each machine. */
	if (m->blow)
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
	while (struck() < most && (asked || clock_boot_ms() - before < BLOWING_MS)) {
		load_wait_for_progress();
		strike();
		end_blows(servers, SERVERS, false);
		end_blows(workers, WORKERS, false);
	}
	end_blows(servers, SERVERS, true);
	end_blows(workers, WORKERS, true);
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
	stop_database();
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

	pg("why", why, sizeof(why));
	if (!*why)
		net_why_not(why, sizeof(why));
	if (*why) {
		printf("1..0 # SKIP %s\n", why);
		return 0;
	}
	tap_plan(LOAD_ACCOUNT_TESTS + 3);
	chance_seed();
	snprintf(cluster, sizeof(cluster), "/tmp/slwh.%d", (int)getpid());
	atexit(stop_database);
	if (pg("pair", url, sizeof(url)) != 0 || !*url)
		tap_die("tests/pg pair: see what it says");
	make_machines();
	torture();
	load_account(rigs[0]);
	tap_ok(stop_all(), "the servers stop well");
	tap_ok(is_clean(), "nothing is left behind");
	if (net_has_netem())
		tap_ok(net_shuffle(&workers[0].net, true), "packets can be reordered and duplicated");
	else
		tap_skip("packets reordered and duplicated", "this kernel has no netem");
	rig_remove(rigs[0]);
	return tap_status();
}

/* Kill -9 at random moments: the server, its worker, both, or a spawner, again and again, while jobs are submitted all the
 * time. Afterwards every job whose number was given out has ended, none was lost, and none had two effects.
 *
 * SLIPWAY_KILLS says how often; without it 1000 times (fewer under sanitizers), but on a slow machine not longer than
 * a quarter of an hour. SLIPWAY_SEED repeats a run's decisions. */
#include <inttypes.h>
#include <signal.h>
#include <stdint.h>

#include "base/clock.h"
#include "load.h"
#include "rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { KILLS = 40 };
#else
enum { KILLS = 1000 };
#endif

enum { KILLING_MS = 900000 }; /* at most, unless somebody said how often */

static struct rig rig;
static struct rig *const rigs[] = { &rig };

static const char *const serve_options[] = { "--slots", "2", "--lease", "2s", NULL };

static void start_server(void)
{
	rig_start(&rig, serve_options);
	load_notice_server();
}

static bool kill_it(pid_t pid)
{
	return pid > 0 && kill(pid, SIGKILL) == 0;
}

struct tally {
	int64_t servers, workers, spawners, start_ms;
};

static void kill_once(struct tally *t)
{
	pid_t worker = child_of(rig.serve, 0);
	uint64_t die = chance_below(100);

	if (die < 60 || die >= 92) {
		/* Both at once, in either order, or the server alone. */
		if (die >= 96)
			t->workers += kill_it(worker);
		rig_kill(&rig);
		if (die >= 92 && die < 96)
			t->workers += kill_it(worker);
		t->servers++;
		start_server();
		t->start_ms += rig.start_ms;
	} else if (die < 86) {
		t->workers += kill_it(worker);
	} else {
		t->spawners += kill_it(child_of(worker, (int)chance_below(2)));
	}
}

static void torture(void)
{
	struct tally t = { 0 };
	int64_t asked = setting("SLIPWAY_KILLS", 0), kills = asked ? asked : KILLS;
	int64_t before = clock_boot_ms();
	size_t acked, broken;

	start_server();
	load_start(rigs, 1);
	while (t.servers + t.workers + t.spawners < kills &&
	       (asked || clock_boot_ms() - before < KILLING_MS)) {
		load_wait_for_progress(LOAD_PROGRESS_MS);
		load_burst(true);
		kill_once(&t);
		load_burst(false);
	}
	load_stop();
	load_count(&acked, &broken);
	tap_note(
		"%" PRId64 " servers, %" PRId64 " workers, %" PRId64
		" spawners killed in %.1f s; %.0f ms until a server answers; %zu jobs acknowledged, %zu calls broken",
		t.servers, t.workers, t.spawners, (double)(clock_boot_ms() - before) / 1000,
		t.servers ? (double)t.start_ms / (double)t.servers : 0.0, acked, broken);
}

int main(void)
{
	tap_plan(LOAD_ACCOUNT_TESTS + 2);
	chance_seed();
	rig_make(&rig);
	torture();
	load_account(&rig);
	tap_ok(rig_stop(&rig) == 0, "the server stops well");
	tap_ok(rig_count_leftovers(&rig) == 0, "nothing is left behind");
	rig_remove(&rig);
	return tap_status();
}

/* Builds that are broken off, one after the other and in every way there is, and then a look at the machine: all that was there
 * before is there, and nothing else.
 *
 * SLIPWAY_ABORTS: how many. SLIPWAY_SEED repeats a run's decisions. */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "http/client.h"
#include "inventory.h"
#include "rig.h"
#include "stage.h"

enum { ABORTS = 30 };

/* What an inventory does not list. Others are busy on the machine, too: what counts has the mapped ids of a worker that is root
 * (sandbox/userns.h), or a name in our folder. */
#define MAPPED " 10737"
static const struct {
	const char *path, *only;
} lists[] = {
	{ "/proc/sysvipc/shm", MAPPED }, { "/proc/sysvipc/msg", MAPPED }, { "/proc/sysvipc/sem", MAPPED },
	{ "/proc/keys", MAPPED },	 { "/proc/net/unix", NULL },	  { "/proc/swaps", NULL },
};

static void read_lists(const struct stage *s, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		char line[1000];
		CLEAN_FILE FILE *f = fopen(lists[i].path, "re");
		int n = 0;
		while (f && fgets(line, sizeof line, f))
			n += strstr(line, lists[i].only ? lists[i].only : s->rig.dir) != NULL;
		buf_addf(out, "%s %d\n", lists[i].path, n);
	}
}

/* ---- one build each, and how it ends ------------------------------------------------------------------------ */

static int64_t begin(struct stage *s)
{
	int64_t id = stage_submit(s, stage_body("neighbour", chance_below(2) == 0));
	if (!stage_wait_log(s, id, "up"))
		tap_die("job %" PRId64 " does not come up", id);
	return id;
}

static void cancel(struct stage *s, int64_t id)
{
	struct err e = ERR_INIT;
	char body[64];
	snprintf(body, sizeof body, "{\"ids\":[%" PRId64 "]}", id);
	json_t *answer = rig_call(s->client, "POST", "/v1/jobs/cancel", body, &e);
	if (!answer)
		tap_die("cancel: %s", e.text);
	json_decref(answer);
}

static bool ends(struct stage *s, int64_t id, const char *state, const char *reason)
{
	json_t *job = stage_wait(s, id);
	bool is_right = strcmp(text_in(job, "state"), state) == 0 &&
			strcmp(text_in(job, "reason"), reason) == 0;
	if (!is_right)
		tap_note("job %" PRId64 " is %s %s, not %s %s", id, text_in(job, "state"),
			 text_in(job, "reason"), state, reason);
	json_decref(job);
	return is_right;
}

static bool is_cancelled(struct stage *s)
{
	int64_t id = begin(s);
	cancel(s, id);
	return ends(s, id, "cancelled", "");
}

static bool is_over_time(struct stage *s)
{
	json_t *body = stage_body("neighbour", true);
	json_object_set_new(body, "timeout", json_real(0.2));
	return ends(s, stage_submit(s, body), "failed", "timeout");
}

static bool is_over(struct stage *s, const char *program, const char *limit, int64_t n, const char *reason)
{
	json_t *body = stage_body(program, false);
	json_object_set_new(body, "limits", json_pack("{s:I}", limit, (json_int_t)n));
	return ends(s, stage_submit(s, body), "failed", reason);
}

static bool is_over_disk(struct stage *s)
{
	return is_over(s, "disk", "disk", 4 << 20, "disk");
}

static bool is_over_memory(struct stage *s)
{
	return !s->is_memory || is_over(s, "memory", "memory", 16 << 20, "memory");
}

static bool is_over_pids(struct stage *s)
{
	return !s->is_pids || is_over(s, "thread-bomb", "pids", 32, "pids");
}

static bool has_crashed(struct stage *s)
{
	return ends(s, stage_submit(s, stage_body("core-dump", true)), "failed", "signal");
}

/* One that succeeds in between: a worker that only ever fails goes into quarantine, as it should. */
static bool goes_on(struct stage *s)
{
	return ends(s, stage_submit(s, stage_body("own-id", true)), "succeeded", "");
}

static bool has_lost_its_worker(struct stage *s)
{
	int64_t id = begin(s);
	kill(child_of(s->rig.serve, 0), SIGKILL);
	cancel(s, id);
	return ends(s, id, "cancelled", "") && goes_on(s);
}

static bool has_lost_its_spawner(struct stage *s)
{
	int64_t id = begin(s);
	kill(child_of(child_of(s->rig.serve, 0), (int)chance_below(2)), SIGKILL);
	cancel(s, id);
	return ends(s, id, "cancelled", "") && goes_on(s);
}

static bool has_lost_its_server(struct stage *s)
{
	int64_t id = begin(s);
	stage_kill(s);
	stage_start(s);
	cancel(s, id);
	return ends(s, id, "cancelled", "") && goes_on(s);
}

static const struct {
	const char *name;
	bool (*run)(struct stage *s);
} ways[] = {
	{ "cancelled", is_cancelled },
	{ "over their time", is_over_time },
	{ "over their disk", is_over_disk },
	{ "over their memory", is_over_memory },
	{ "over their processes", is_over_pids },
	{ "crashed", has_crashed },
	{ "whose worker was killed", has_lost_its_worker },
	{ "whose spawner was killed", has_lost_its_spawner },
	{ "whose server was killed", has_lost_its_server },
};

/* ---- all of them -------------------------------------------------------------------------------------------- */

static void break_off(struct stage *s, int64_t count)
{
	int done[ARRAY_LEN(ways)] = { 0 }, wrong[ARRAY_LEN(ways)] = { 0 };
	for (int64_t i = 0; i < count; i++) {
		/* Each as often as the others, in any order. */
		size_t way = (size_t)i < ARRAY_LEN(ways) ? (size_t)i : (size_t)chance_below(ARRAY_LEN(ways));
		done[way]++;
		wrong[way] += !ways[way].run(s);
	}
	for (size_t i = 0; i < ARRAY_LEN(ways); i++)
		tap_ok(!wrong[i], "builds %s: %d, of which ended otherwise: %d", ways[i].name, done[i],
		       wrong[i]);
}

int main(void)
{
	static struct stage s;
	const char *why = stage_why_not();
	char work[120], group[80];
	struct stat st;
	CLEAN_INVENTORY struct inventory before = INVENTORY_INIT;
	CLEAN_BUF struct buf lists_before = BUF_INIT, lists_after = BUF_INIT, difference = BUF_INIT;
	tap_plan(why ? 1 : (int)ARRAY_LEN(ways) + 3);
	if (why) {
		tap_skip("broken builds", why);
		return 0;
	}
	chance_seed();
	inventory_adopt();
	stage_open(&s, WORKER_ROOT);
	int failed = goes_on(&s) ? stage_stop(&s) : 1;
	stage_work_dir(&s, work);
	if (stat(work, &st) < 0)
		tap_die("%s is not there", work);
	snprintf(group, sizeof group, "slipway-%llx-%llx", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	inventory_take(&before, work, group);
	read_lists(&s, &lists_before);
	stage_start(&s);
	break_off(&s, setting("SLIPWAY_ABORTS", ABORTS));
	failed += stage_stop(&s);
	tap_ok(failed == 0, "the server ends well");
	bool is_same = inventory_is_same(&before, work, group, true, &difference);
	read_lists(&s, &lists_after);
	tap_ok(is_same && strcmp(lists_before.data, lists_after.data) == 0,
	       "all is as it was before them: %zu things%s%s%s", before.len, is_same ? "" : "\n# ",
	       difference.data, is_same ? "" : lists_after.data);
	tap_ok(stage_close(&s) == 0, "nothing is left");
	return tap_status();
}

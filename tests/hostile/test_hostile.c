/* Hostile programs, one after the other, as the build's user and as root of the sandbox, with a worker that runs as root and one
 * that does not. Each must come to the end that it names, leave nothing, and not touch the job beside it; and each that can be
 * tried without harm must get through where nothing holds it.
 *
 * SLIPWAY_HOSTILE=TEXT: only those whose names have it. SLIPWAY_HOSTILE_TABLE=FILE: all of them, with both workers; the table of
 * what came of it goes into FILE. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostile.h"
#include "rig.h"
#include "stage.h"
#include "table.h"

static const char *const worker_names[] = { "root", "user" };
static const char *const step_names[] = { "build", "root" };

static int count_controls(const struct hostile *list, size_t len)
{
	int n = 0;
	for (size_t i = 0; i < len; i++)
		n += hostile_is(&list[i], "controlled");
	return n;
}

static int count_trials(const struct hostile *list, size_t len, bool is_full)
{
	int n = 0;
	for (size_t i = 0; i < len; i++)
		for (int step = 0; step < STEPS; step++)
			n += hostile_is_for(&list[i], step) && (is_full || !hostile_is(&list[i], "long"));
	return n;
}

static void try_unheld(const struct hostile *list, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char text[200];
		if (hostile_is(&list[i], "controlled"))
			tap_ok(hostile_gets_through(&list[i], text, sizeof text),
			       "%s gets through where nothing holds it: %s", list[i].name, text);
	}
}

static void tell(const struct hostile *h, const struct outcome_of *o, const char *worker, const char *step)
{
	char what[160];
	snprintf(what, sizeof what, "%s (%s's worker, %s step)", h->name, worker, step);
	if (o->verdict == VERDICT_UNTRIED)
		tap_skip(what, o->text);
	else if (o->verdict == VERDICT_KNOWN)
		tap_skip(what, text_in(h->about, "known"));
	else
		tap_ok(o->verdict == VERDICT_HELD && !o->is_left, "%s: %s%s", what,
		       o->verdict == VERDICT_HELD ? "held" : o->text, o->is_left ? ", left processes" : "");
}

static void try_held(struct hostile *list, size_t len, enum stage_worker worker, bool is_full)
{
	static struct stage s;
	stage_open(&s, worker);
	/* The same is there to be found. */
	if (worker == WORKER_ROOT)
		try_unheld(list, len);
	neighbour_start(&s);
	for (size_t i = 0; i < len; i++)
		for (int step = 0; step < STEPS; step++) {
			if (!hostile_is_for(&list[i], step) || (!is_full && hostile_is(&list[i], "long")))
				continue;
			hostile_try(&s, &list[i], step);
			tell(&list[i], &list[i].results[worker][step], worker_names[worker],
			     step_names[step]);
		}
	tap_ok(neighbour_end(&s), "the job beside them is as it was (%s's worker)", worker_names[worker]);
	tap_ok(stage_close(&s) == 0, "nothing is left of %s's worker", worker_names[worker]);
}

static void check_page(const struct hostile *list, size_t len)
{
	static const char what[] = "the page lists the programs that there are";
	char path[400];
	snprintf(path, sizeof path, "%s/docs/SECURITY.md", getenv("SLIPWAY_SRC"));
	if (getenv("SLIPWAY_HOSTILE"))
		tap_skip(what, "some only");
	else
		tap_ok(table_is_of(path, list, len), "%s", what);
}

int main(void)
{
	const char *table = getenv("SLIPWAY_HOSTILE_TABLE");
	const char *why = stage_why_not();
	size_t len;
	if (why) {
		tap_plan(1);
		tap_skip("hostile programs", why);
		return 0;
	}
	struct hostile *list = hostile_list(&len);
	int trials = count_trials(list, len, table != NULL), workers = table ? 2 : 1;
	tap_plan(count_controls(list, len) + workers * (trials + 2) + 1);
	for (int i = 0; i < workers; i++)
		try_held(list, len, i, table != NULL);
	if (table)
		table_write(table, list, len, count_controls(list, len));
	check_page(list, len);
	hostile_free(list, len);
	return tap_status();
}

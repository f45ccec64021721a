/* doctor: what this machine can isolate and enforce, and what to type where it cannot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/parse.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/doctor_checks.h"
#include "cli/fields.h"
#include "cli/place.h"
#include "cli/table.h"
#include "model/job.h"
#include "text/json.h"

static const struct table_column columns[] = {
	{ .title = "CHECK", .importance = 100, .width_min = 8 },
	{ .title = "STATE", .importance = 90, .is_coloured = true },
	{ .title = "WHAT", .importance = 80, .width_min = 20 },
};

static int read_isolations(const struct args *a, unsigned *mask, struct err *e)
{
	const char *value;
	size_t at = 0;
	while ((value = args_next(a, "isolation", &at))) {
		int isolation = isolation_parse(value);
		if (isolation < 0)
			return err_set(
				e, ERR_USAGE,
				"--isolation: there is no isolation \"%s\"; there are none, chroot and vm",
				value);
		*mask |= 1U << isolation;
	}
	return 0;
}

static int read_options(const struct args *a, struct doctor *d, struct buf *work, struct err *e)
{
	CLEAN_BUF struct buf data = BUF_INIT;
	const char *given = args_text(a, "work", NULL), *least = args_text(a, "min-free", NULL);
	if (given) {
		buf_adds(work, given);
	} else {
		if (place_data_dir(NULL, &data, e) < 0)
			return -1;
		path_join(work, data.data, "worker");
	}
	d->work_dir = work->data;
	d->server = args_text(a, "server", getenv("SLIPWAY_SERVER"));
	d->min_free_bytes = -1;
	if (least && parse_size("--min-free", least, &d->min_free_bytes, e) < 0)
		return -1;
	return buf_check(work, e) < 0 ? -1 : read_isolations(a, &d->isolations, e);
}

/* One command may help several. */
static void add_fix(struct buf *fixes, const char *fix)
{
	CLEAN_BUF struct buf line = BUF_INIT;
	buf_addf(&line, "  %s\n", fix);
	if (*fix && !strstr(fixes->data, line.data))
		buf_adds(fixes, line.data);
}

static void add_json(json_t *list, const struct doctor_check *c, const struct doctor_finding *f,
		     bool is_needed)
{
	json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s?,s:b}", "check", c->name, "state",
					      doctor_state_name(f->state), "text", f->text, "fix",
					      *f->fix ? f->fix : NULL, "needed", is_needed));
}

static void print(struct table *t, const struct buf *fixes, bool is_able)
{
	table_print(t);
	if (fixes->len)
		printf("\nWhat is not there comes with:\n%s", fixes->data);
	puts(is_able ? "\nThis machine can work." : "\nThis machine cannot work as it is.");
}

int cmd_doctor(struct cli *c, struct err *e)
{
	CLEAN_BUF struct buf work = BUF_INIT;
	CLEAN_BUF struct buf fixes = BUF_INIT;
	CLEAN_JSON json_t *list = json_array();
	struct doctor d = { 0 };
	bool is_able = true;
	if (read_options(&c->args, &d, &work, e) < 0)
		return -1;
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (const struct doctor_check *k = doctor_checks; k->name; k++) {
		struct doctor_finding f = { 0 };
		bool is_needed = k->is_needed(&d);
		k->run(&d, &f);
		is_able = is_able && !(is_needed && f.state == DOCTOR_MISSING);
		table_add(&t, k->name);
		table_add(&t, doctor_state_name(f.state));
		table_add(&t, f.text);
		add_fix(&fixes, f.fix);
		add_json(list, k, &f, is_needed);
	}
	if (args_has(&c->args, "json")) {
		CLEAN_JSON json_t *all = json_pack("{s:b,s:O}", "able", is_able, "checks", list);
		show_json(all);
	} else {
		print(&t, &fixes, is_able);
	}
	return is_able ? 0 : 1;
}

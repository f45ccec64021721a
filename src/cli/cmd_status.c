/* status: how many jobs there are in which state, by kind, and who runs them. */
#include <stdio.h>
#include <string.h>

#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "model/job.h"
#include "model/state.h"
#include "text/json.h"

/* A column a state that any kind has jobs in; the columns are made for this answer. */
static void print_jobs(const json_t *kinds, const json_t *all)
{
	struct table_column columns[STATE_LAST + 1] = { { .title = "KIND", .importance = 100 } };
	enum job_state states[STATE_LAST + 1];
	size_t n = 1;
	for (int s = STATE_FIRST; s <= STATE_LAST; s++) {
		if (field_int(all, state_name(s)) == 0)
			continue;
		states[n] = (enum job_state)s;
		columns[n++] = (struct table_column){ .title = state_name(s),
						      .importance = 50 + s,
						      .is_right = true };
	}
	if (n == 1) {
		puts("no jobs yet");
		return;
	}
	struct table t CLEAN(table_release);
	table_init(&t, columns, n);
	const char *kind;
	json_t *counts;
	json_object_foreach ((json_t *)(uintptr_t)kinds, kind, counts) {
		bool is_used = false;
		for (size_t i = 1; i < n; i++)
			is_used = is_used || field_int(counts, state_name(states[i])) > 0;
		if (!is_used)
			continue;
		table_add(&t, kind);
		for (size_t i = 1; i < n; i++)
			table_addf(&t, "%lld", (long long)field_int(counts, state_name(states[i])));
	}
	table_add(&t, "all");
	for (size_t i = 1; i < n; i++)
		table_addf(&t, "%lld", (long long)field_int(all, state_name(states[i])));
	table_print(&t);
}

/* Of several; and what slows all of them down. */
static void print_servers(const json_t *status)
{
	char text[SHOW_BYTES];
	for (size_t i = 0; field_count(status, "servers") > 1 && i < field_count(status, "servers"); i++) {
		const json_t *one = field_at(status, "servers", i);
		printf("server   %s, slipway %s, ", field_text(one, "name"), field_text(one, "version"));
		if (!field_has(one, "beat_age"))
			puts("stopped");
		else if (json_is_true(json_object_get(one, "alive")))
			puts("alive");
		else
			printf("not heard of for %s\n", show_duration(field_ms(one, "beat_age"), text));
	}
	const json_t *held = json_object_get(status, "vacuum_held_by");
	if (json_is_object(held))
		printf("warning  a transaction of %s (%s, process %lld, %s) has been open for %s: until it ends, the"
		       " database cannot clean up and becomes slower\n",
		       field_text(held, "user"), field_text(held, "application"),
		       (long long)field_int(held, "pid"), field_text(held, "state"),
		       show_duration(field_ms(held, "age"), text));
}

/* How good estimates were. */
static void print_forecast(const json_t *status, const char *what)
{
	const json_t *f = json_object_get(json_object_get(status, "estimates"), what);
	if (json_is_object(f))
		printf("%-9sestimated right in %lld %% of %lld, off by %lld %% as a rule\n", what,
		       (long long)field_int(f, "within_percent"), (long long)field_int(f, "compared"),
		       (long long)field_int(f, "off_percent"));
}

int cmd_status(struct cli *c, struct err *e)
{
	CLEAN_JSON json_t *status = api_get(c->api, "/v1/status", NULL, e);
	if (!status)
		return -1;
	if (args_has(&c->args, "json")) {
		show_json(status);
		return 0;
	}
	char text[SHOW_BYTES];
	const json_t *workers = json_object_get(status, "workers");
	int64_t uptime_ms = field_ms(status, "uptime");
	printf("server   slipway %s at %s, up %s\n", field_text(status, "version"), c->api->server,
	       show_duration(uptime_ms, text));
	printf("data     %s (%s)\n", field_text(status, "data"), field_text(status, "database"));
	if (field_has(status, "disk"))
		printf("disk     %s free\n",
		       show_size(field_int(json_object_get(status, "disk"), "free"), text));
	print_servers(status);
	printf("workers  %lld online, %lld of %lld slots in use\n", (long long)field_int(workers, "online"),
	       (long long)field_int(workers, "running"), (long long)field_int(workers, "slots"));
	if (field_int(workers, "quarantined"))
		printf("warning  %lld in quarantine: slipway workers tells why\n",
		       (long long)field_int(workers, "quarantined"));
	print_forecast(status, "starts");
	print_forecast(status, "runs");
	putchar('\n');
	print_jobs(json_object_get(status, "kinds"), json_object_get(status, "jobs"));
	return 0;
}

#include "cli/job_rows.h"

#include <stdio.h>
#include <string.h>

#include "base/clean.h"
#include "base/clock.h"
#include "cli/fields.h"

const struct table_column job_columns[] = {
	{ .title = "ID", .importance = 100, .is_right = true },
	{ .title = "STATE", .importance = 90, .is_coloured = true },
	{ .title = "WHY", .importance = 50, .width_min = 4 },
	{ .title = "KIND", .importance = 60 },
	{ .title = "NAME", .importance = 80, .width_min = 8 },
	{ .title = "TARGET", .importance = 40, .width_min = 6 },
	{ .title = "OWNER", .importance = 10, .width_min = 5 },
	{ .title = "WORKER", .importance = 20, .width_min = 6 },
	{ .title = "TRY", .importance = 15, .is_right = true },
	{ .title = "TOOK", .importance = 30, .is_right = true },
	{ .title = "WHEN", .importance = 35 },
};
const size_t job_columns_len = ARRAY_LEN(job_columns);

/* The state has its own column: this is what it does not say. */
static const char *why_of(const json_t *job, char *out, size_t size)
{
	const char *reason = field_text(job, "reason");
	out[0] = '\0';
	if (field_bool(job, "cancel_asked") && strcmp(field_text(job, "state"), "cancelled") != 0)
		snprintf(out, size, "cancelling");
	else if (strcmp(reason, "exit") == 0)
		snprintf(out, size, "exit %lld", (long long)field_int(job, "exit_code"));
	else if (strcmp(reason, "signal") == 0)
		snprintf(out, size, "signal %lld", (long long)field_int(job, "signal"));
	else if (*reason)
		snprintf(out, size, "%s", reason);
	else if (field_has(job, "progress"))
		snprintf(out, size, "%s", field_text(job, "progress"));
	return out;
}

const char *job_ending(const json_t *job, char *out, size_t size)
{
	char why[64];
	why_of(job, why, sizeof why);
	snprintf(out, size, *why ? "%s (%s)" : "%s", field_text(job, "state"), why);
	return out;
}

const char *job_title(const json_t *job)
{
	const char *source = field_text(json_object_get(job, "build"), "source");
	return *source ? source : field_text(job, "name");
}

int64_t job_took_ms(const json_t *job)
{
	int64_t started = field_time(job, "started"), finished = field_time(job, "finished");
	if (!started)
		return -1;
	int64_t took = (finished ? finished : clock_wall_ms()) - started;
	return took < 0 ? 0 : took;
}

void job_rows_add(struct table *t, const json_t *job)
{
	char text[SHOW_BYTES];
	char why[64];
	long long attempt = field_int(job, "attempt"), most = field_int(job, "max_attempts");
	int64_t when = field_time(job, "finished");
	when = when ? when : field_time(job, "started");
	when = when						    ? when
	       : strcmp(field_text(job, "state"), "scheduled") == 0 ? field_time(job, "run_at")
								    : 0;
	table_addf(t, "%lld", (long long)field_int(job, "id"));
	table_add(t, field_text(job, "state"));
	table_add(t, why_of(job, why, sizeof why));
	table_add(t, field_text(job, "kind"));
	table_add(t, job_title(job));
	table_add(t, field_text(job, "target"));
	table_add(t, field_text(job, "owner"));
	table_add(t, field_text(job, "worker"));
	if (attempt > 1 || (most > 1 && attempt > 0))
		table_addf(t, "%lld", attempt);
	else
		table_add(t, "");
	table_add(t, job_took_ms(job) < 0 ? "" : show_duration(job_took_ms(job), text));
	table_add(t, show_time(when ? when : field_time(job, "created"), text));
}

void job_rows_print(const json_t *jobs)
{
	struct table t CLEAN(table_release);
	table_init(&t, job_columns, job_columns_len);
	for (size_t i = 0; i < json_array_size(jobs); i++)
		job_rows_add(&t, json_array_get(jobs, i));
	table_print(&t);
}

/* show: all about a job, for a person: what it is, its attempts, its chain, what happened to it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/job_rows.h"
#include "cli/table.h"
#include "cli/term.h"
#include "model/limits.h"
#include "text/json.h"

enum { LABEL_COLUMNS = 12, EVENTS_SHOWN = 20, TREE_DEPTH_MAX = 16 };

/* "label     text", the text made safe; nothing if it is empty. */
static void line(const char *label, const char *text)
{
	CLEAN_BUF struct buf safe = BUF_INIT;
	if (!*text)
		return;
	term_add_safe(&safe, text, strlen(text));
	printf("%-*s%s\n", LABEL_COLUMNS, label, safe.data);
}

__attribute__((format(printf, 2, 3))) static void linef(const char *label, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	line(label, text);
}

/* Strings or numbers of an array, joined by blanks. */
static void line_list(const json_t *job, const char *key, const char *label)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	for (size_t i = 0; i < field_count(job, key); i++) {
		const json_t *v = field_at(job, key, i);
		if (i)
			buf_addc(&text, ' ');
		if (json_is_integer(v))
			buf_addf(&text, "%lld", (long long)json_integer_value(v));
		else
			buf_adds(&text, json_is_string(v) ? json_string_value(v) : field_text(v, "name"));
	}
	line(label, text.data);
}

static void line_time(const json_t *job, const char *key, const char *label)
{
	char text[SHOW_BYTES];
	line(label, show_date(field_time(job, key), text));
}

/* Words as a shell would take them back. */
static void line_argv(const json_t *job)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	for (size_t i = 0; i < field_count(job, "argv"); i++) {
		const char *word = json_string_value(field_at(job, "argv", i));
		bool is_plain = word && *word && !word[strcspn(word, " \t\n'\"\\$`&|;<>()*?[]{}~#!")];
		buf_adds(&text, i ? " " : "");
		if (is_plain) {
			buf_adds(&text, word);
			continue;
		}
		buf_addc(&text, '\'');
		for (const char *at = word ? word : ""; *at; at++)
			buf_adds(&text, *at == '\'' ? "'\\''" : (char[2]){ *at });
		buf_addc(&text, '\'');
	}
	line("command", text.data);
}

static void show_what(const json_t *job)
{
	char ending[128];
	const json_t *build = json_object_get(job, "build");
	CLEAN_BUF struct buf state = BUF_INIT;
	job_ending(job, ending, sizeof ending);
	term_add_coloured(&state, term_state_colour(field_text(job, "state")), ending);
	printf("%-*s%lld\n", LABEL_COLUMNS, "job", (long long)field_int(job, "id"));
	line("kind", field_text(job, "kind"));
	line("name", field_text(job, "name"));
	/* The colour's own escape must not be made safe: the words are the server's. */
	printf("%-*s%s\n", LABEL_COLUMNS, "state", state.data);
	if (field_has(job, "build")) {
		linef("build", "%s of %s %s", field_text(build, "type"), field_text(build, "source"),
		      field_text(build, "version"));
	}
	line("target", field_text(job, "target"));
	line_argv(job);
	line("isolation", field_text(job, "isolation"));
	line("arch", field_text(job, "arch"));
	line_list(job, "tags", "tags");
	line("owner", field_text(job, "owner"));
	if (field_int(job, "priority"))
		linef("priority", "%lld", (long long)field_int(job, "priority"));
	line("worker", field_text(job, "worker"));
	line("progress", field_text(job, "progress"));
}

static void show_limits(const json_t *job)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	char shown[SHOW_BYTES];
	const char *key;
	json_t *value;
	json_object_foreach (json_object_get(job, "limits"), key, value) {
		const struct limit_row *row = limit_find(key, strlen(key));
		bool is_size = row && row->unit == LIMIT_BYTES;
		if (!json_is_number(value) || json_number_value(value) == 0)
			continue;
		if (is_size)
			show_size(json_integer_value(value), shown);
		else
			snprintf(shown, sizeof shown, "%g", json_number_value(value));
		buf_addf(&text, "%s%s=%s", text.len ? " " : "", key, shown);
	}
	line("limits", text.data);
}

/* "about 2025-11-24 14:03:22, from 14:01:10 to 14:09:00"; local. */
static void line_span(const json_t *estimate, const char *key, const char *label)
{
	const json_t *span = json_object_get(estimate, key);
	char likely[SHOW_BYTES], low[SHOW_BYTES], high[SHOW_BYTES];
	if (!json_is_object(span))
		return;
	linef(label, "about %s, from %s to %s", show_date(field_time(span, "likely"), likely),
	      show_time(field_time(span, "low"), low), show_time(field_time(span, "high"), high));
}

static void show_estimate(const json_t *job)
{
	const json_t *estimate = json_object_get(job, "estimate");
	if (!json_is_object(estimate))
		return;
	line_span(estimate, "start", "starts");
	line_span(estimate, "end", "ends");
	linef("estimated", "by %s", field_text(estimate, "basis"));
}

static void show_rules(const json_t *job)
{
	char text[SHOW_BYTES];
	line_list(job, "needs", "needs");
	line_list(job, "needed_by", "needed by");
	if (field_int(job, "max_attempts") > 1)
		linef("attempts", "%lld of at most %lld", (long long)field_int(job, "failures"),
		      (long long)field_int(job, "max_attempts"));
	if (field_ms(job, "timeout"))
		line("timeout", show_duration(field_ms(job, "timeout"), text));
	if (field_ms(job, "silence"))
		line("silence", show_duration(field_ms(job, "silence"), text));
	show_limits(job);
	line_list(job, "inputs", "inputs");
	line_list(job, "collect", "collect");
	line_time(job, "created", "created");
	if (field_time(job, "run_at") > field_time(job, "created"))
		line_time(job, "run_at", "starts at");
	line_time(job, "started", "started");
	line_time(job, "finished", "finished");
	show_estimate(job);
	if (job_took_ms(job) >= 0)
		line("took", show_duration(job_took_ms(job), text));
	if (field_int(job, "artifacts"))
		linef("artifacts", "%lld", (long long)field_int(job, "artifacts"));
}

/* ---- attempts */

static const struct table_column attempt_columns[] = {
	{ .title = "TRY", .importance = 100, .is_right = true },
	{ .title = "OUTCOME", .importance = 90, .is_coloured = true },
	{ .title = "WHY", .importance = 85, .width_min = 6 },
	{ .title = "STEP", .importance = 80 },
	{ .title = "WORKER", .importance = 20, .width_min = 6 },
	{ .title = "STARTED", .importance = 50 },
	{ .title = "WALL", .importance = 70, .is_right = true },
	{ .title = "USER", .importance = 40, .is_right = true },
	{ .title = "SYSTEM", .importance = 39, .is_right = true },
	{ .title = "MEMORY", .importance = 45, .is_right = true },
	{ .title = "LOG", .importance = 30, .is_right = true },
	{ .title = "DETAIL", .importance = 60, .width_min = 12 },
};

static void add_attempt(struct table *t, const json_t *a)
{
	char text[SHOW_BYTES];
	const char *reason = field_text(a, "reason");
	table_addf(t, "%lld", (long long)field_int(a, "n"));
	table_add(t, field_text(a, "outcome"));
	if (strcmp(reason, "exit") == 0)
		table_addf(t, "exit %lld", (long long)field_int(a, "exit_code"));
	else if (strcmp(reason, "signal") == 0)
		table_addf(t, "signal %lld", (long long)field_int(a, "signal"));
	else
		table_add(t, reason);
	table_add(t, field_text(a, "step"));
	table_add(t, field_text(a, "worker"));
	table_add(t, show_time(field_time(a, "started"), text));
	bool is_over = field_has(a, "finished");
	table_add(t, is_over ? show_duration(field_ms(a, "wall"), text) : "");
	table_add(t, is_over ? show_duration(field_ms(a, "cpu_user"), text) : "");
	table_add(t, is_over ? show_duration(field_ms(a, "cpu_system"), text) : "");
	table_add(t, field_int(a, "memory_peak") ? show_size(field_int(a, "memory_peak"), text) : "");
	show_size(field_int(a, "log_size"), text);
	table_addf(t, "%s%s", text, field_bool(a, "log_truncated") ? " cut" : "");
	table_add(t, field_text(a, "detail"));
}

static void show_attempts(const json_t *job)
{
	if (field_count(job, "attempts") == 0)
		return;
	struct table t CLEAN(table_release);
	table_init(&t, attempt_columns, ARRAY_LEN(attempt_columns));
	for (size_t i = 0; i < field_count(job, "attempts"); i++)
		add_attempt(&t, field_at(job, "attempts", i));
	puts("\nattempts");
	table_print(&t);
}

/* ---- the chain */

static bool is_member(const json_t *chain, int64_t id)
{
	for (size_t i = 0; i < json_array_size(chain); i++)
		if (field_int(json_array_get(chain, i), "id") == id)
			return true;
	return false;
}

/* Whom it stands beneath: the first job of the chain that it needs, else the chain's first job; 0 = nobody. */
static int64_t parent_of(const json_t *member, const json_t *chain)
{
	for (size_t i = 0; i < field_count(member, "needs"); i++) {
		int64_t need = json_integer_value(field_at(member, "needs", i));
		if (is_member(chain, need))
			return need;
	}
	int64_t root = field_int(member, "chain");
	return root == field_int(member, "id") || !is_member(chain, root) ? 0 : root;
}

static void show_member(const json_t *member, const char *before, const char *branch, int64_t here)
{
	char ending[128];
	CLEAN_BUF struct buf text = BUF_INIT;
	buf_addf(&text, "%s%s%lld ", before, branch, (long long)field_int(member, "id"));
	buf_addf(&text, "%s ", field_text(member, "kind"));
	term_add_safe(&text, job_title(member), strlen(job_title(member)));
	if (*field_text(member, "target"))
		buf_addf(&text, " for %s", field_text(member, "target"));
	buf_adds(&text, ": ");
	term_add_coloured(&text, term_state_colour(field_text(member, "state")),
			  job_ending(member, ending, sizeof ending));
	buf_adds(&text, field_int(member, "id") == here ? "  (this job)\n" : "\n");
	fwrite(text.data, 1, text.len, stdout);
}

static void show_children(const json_t *chain, int64_t parent, const char *before, int64_t here, int depth)
{
	size_t left = 0;
	for (size_t i = 0; i < json_array_size(chain); i++)
		left += parent_of(json_array_get(chain, i), chain) == parent;
	for (size_t i = 0; i < json_array_size(chain) && depth < TREE_DEPTH_MAX; i++) {
		const json_t *member = json_array_get(chain, i);
		if (parent_of(member, chain) != parent)
			continue;
		bool is_last = --left == 0;
		show_member(member, before, parent == 0 ? "" : is_last ? "└─ " : "├─ ", here);
		CLEAN_BUF struct buf deeper = BUF_INIT;
		buf_adds(&deeper, before);
		buf_adds(&deeper, parent == 0 ? "" : is_last ? "   " : "│  ");
		show_children(chain, field_int(member, "id"), deeper.data, here, depth + 1);
	}
}

static void show_chain(const json_t *job)
{
	if (field_count(job, "chain_jobs") < 2)
		return;
	puts("\nchain");
	show_children(json_object_get(job, "chain_jobs"), 0, "", field_int(job, "id"), 0);
}

/* ---- what happened */

static const struct table_column event_columns[] = {
	{ .title = "WHEN", .importance = 100 },	 { .title = "WHO", .importance = 50, .width_min = 6 },
	{ .title = "FROM", .importance = 60 },	 { .title = "TO", .importance = 90, .is_coloured = true },
	{ .title = "REASON", .importance = 70 }, { .title = "DETAIL", .importance = 65, .width_min = 12 },
};

static void show_events(const json_t *job)
{
	size_t n = field_count(job, "events"), from = n > EVENTS_SHOWN ? n - EVENTS_SHOWN : 0;
	if (n == 0)
		return;
	struct table t CLEAN(table_release);
	table_init(&t, event_columns, ARRAY_LEN(event_columns));
	for (size_t i = from; i < n; i++) {
		const json_t *event = field_at(job, "events", i);
		char text[SHOW_BYTES];
		table_add(&t, show_time(field_time(event, "at"), text));
		table_add(&t, field_text(event, "actor"));
		table_add(&t, field_text(event, "from"));
		table_add(&t, field_text(event, "to"));
		table_add(&t, field_text(event, "reason"));
		table_add(&t, field_text(event, "detail"));
	}
	puts(from ? "\nhistory (the newest)" : "\nhistory");
	table_print(&t);
}

static void show_job(const json_t *job)
{
	show_what(job);
	show_rules(job);
	show_attempts(job);
	show_chain(job);
	show_events(job);
}

int cmd_show(struct cli *c, struct err *e)
{
	CLEAN_FREE int64_t *ids = NULL;
	size_t n = 0;
	for (size_t i = 0; i < c->args.words_len; i++)
		if (api_parse_ids(c->args.words[i], &ids, &n, e) < 0)
			return -1;
	CLEAN_JSON json_t *all = json_array();
	for (size_t i = 0; i < n; i++) {
		char path[64];
		snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)ids[i]);
		json_t *job = api_get(c->api, path, NULL, e);
		if (!job)
			return -1;
		json_array_append_new(all, job);
		if (args_has(&c->args, "json"))
			continue;
		if (i)
			putchar('\n');
		show_job(job);
	}
	/* One job is an object, many are an array. */
	if (args_has(&c->args, "json"))
		show_json(n == 1 ? json_array_get(all, 0) : all);
	return 0;
}

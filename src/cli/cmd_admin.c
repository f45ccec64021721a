/* admin: look after the store, through the server or, with --data, on the folder of one that does not run. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/place.h"
#include "cli/term.h"
#include "store/check.h"
#include "store/store.h"
#include "text/json.h"

typedef int admin_fn(struct cli *c, struct err *e);

static void print_violation(const char *text)
{
	CLEAN_BUF struct buf safe = BUF_INIT;
	term_add_safe(&safe, text, strlen(text));
	printf("%s\n", safe.data);
}

static int end_check(int64_t violations)
{
	printf("%lld violations\n", (long long)violations);
	return violations == 0 ? 0 : EXIT_JOB_FAILED;
}

/* ---- without a server */

struct check_task {
	struct store_task task;
	int violations;
};

static void on_violation(void *ctx, const char *text)
{
	(void)ctx;
	print_violation(text);
}

static int run_check(struct tx *tx, struct store_task *t, struct err *e)
{
	struct check_task *check = (struct check_task *)t;
	return store_check(tx, on_violation, NULL, &check->violations, e);
}

static int open_store(struct cli *c, bool is_create, struct store **store, struct err *e)
{
	CLEAN_BUF struct buf dir = BUF_INIT;
	if (place_data_dir(args_text(&c->args, "data", NULL), &dir, e) < 0)
		return -1;
	struct store_options o = { .data_dir = dir.data,
				   .files_dir = args_text(&c->args, "files", NULL),
				   .db_url = args_text(&c->args, "db", NULL),
				   .is_create = is_create };
	if (store_open(store, &o, e) < 0)
		return err_wrap(e, "open the store in %s", dir.data);
	return 0;
}

static int check_folder(struct cli *c, struct err *e)
{
	struct store *store = NULL;
	struct check_task check = { .task.run = run_check };
	if (open_store(c, false, &store, e) < 0)
		return -1;
	int rc = store_read_wait(store, &check.task);
	store_close(store);
	if (rc < 0) {
		*e = check.task.err;
		return -1;
	}
	return end_check(check.violations);
}

static int admin_migrate(struct cli *c, struct err *e)
{
	struct store *store = NULL;
	/* Opening migrates. */
	if (open_store(c, true, &store, e) < 0)
		return -1;
	fprintf(stderr, "slipway: the store in %s is as this version needs it\n", store_data_dir(store));
	store_close(store);
	return 0;
}

/* ---- through the server */

static int admin_check(struct cli *c, struct err *e)
{
	if (args_has(&c->args, "data") || args_has(&c->args, "db"))
		return check_folder(c, e);
	CLEAN_JSON json_t *answer = api_call(c->api, "POST", "/v1/admin/check", NULL, e);
	if (!answer)
		return -1;
	if (args_has(&c->args, "json")) {
		show_json(answer);
		return field_int(answer, "violations") == 0 ? 0 : EXIT_JOB_FAILED;
	}
	for (size_t i = 0; i < field_count(answer, "found"); i++) {
		const char *text = json_string_value(field_at(answer, "found", i));
		print_violation(text ? text : "");
	}
	return end_check(field_int(answer, "violations"));
}

static int admin_gc(struct cli *c, struct err *e)
{
	if (args_has(&c->args, "data"))
		return err_set(e, ERR_UNSUPPORTED,
			       "admin gc --data: not in this version; start a server and leave out --data");
	CLEAN_JSON json_t *answer = api_call(c->api, "POST", "/v1/admin/gc", NULL, e);
	if (!answer)
		return -1;
	char text[SHOW_BYTES];
	if (args_has(&c->args, "json"))
		show_json(answer);
	else
		printf("%lld files removed, %s\n", (long long)field_int(answer, "removed"),
		       show_size(field_int(answer, "bytes"), text));
	return 0;
}

int cmd_admin(struct cli *c, struct err *e)
{
	static const struct {
		const char *name;
		admin_fn *run;
	} rows[] = {
		{ "migrate", admin_migrate }, { "check", admin_check },	    { "gc", admin_gc },
		{ "backup", admin_backup },   { "restore", admin_restore }, { "move", admin_move },
		{ "events", admin_events },   { "owner", admin_owner },	    { "owners", admin_owners },
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, c->args.words[0]) == 0)
			return rows[i].run(c, e);
	return err_set(e, ERR_USAGE, "admin: %s, not %s", c->command->arguments, c->args.words[0]);
}

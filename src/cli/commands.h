/* The table of commands: one row each, from which parsing, help, the man page and completion come.
 *
 * A command's function lives in cmd_NAME.c. It gives an exit status (0 or more), or -1 with an error: main prints it as
 * "slipway: …" on stderr and exits by err_info_get()->exit_status. Results go to stdout, messages to stderr.
 * Main thread only. To add a command: its cmd_NAME.c, its prototype below, its row in commands.c, meson.build. */
#ifndef SLIPWAY_CLI_COMMANDS_H
#define SLIPWAY_CLI_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/args.h"

struct api;
struct err;

/* Exit statuses that are not those of err_info (DESIGN §7). */
enum {
	EXIT_JOB_FAILED = 1,	/* the job failed or was cancelled */
	EXIT_NOT_BY_JOB = 125,	/* run, wait: the job has no exit status, Slipway ended it */
	EXIT_SIGNAL_BASE = 128, /* run, wait: plus the signal's number */
};

/* What a command's function gets. */
struct cli {
	const struct command *command;
	struct args args;
	struct api *api; /* connection to the server; NULL unless the row says COMMAND_NEEDS_SERVER */
};

typedef int command_fn(struct cli *c, struct err *e);

enum command_flags {
	COMMAND_NEEDS_SERVER = 1 << 0, /* takes --server, gets c->api */
	COMMAND_JSON = 1 << 1,	       /* takes --json */
	COMMAND_RUNS =
		1 << 2, /* the first word that is no option ends the options: what follows is a command */
	COMMAND_HIDDEN = 1 << 3, /* not in help, man page and completion */
};

enum { COMMAND_TABLES_MAX = 4 };

struct command {
	const char *name;      /* NULL ends the table */
	const char *arguments; /* in the usage line, after the options: "ID…" */
	const char *summary;   /* one clause, no full stop */
	const char *about; /* a paragraph or more for `help` and the man page; NULL = the summary is all */
	unsigned flags;
	int words_min, words_max; /* how many words that are no options; max -1 = any number */
	const struct option_row *options[COMMAND_TABLES_MAX]; /* NULL-terminated unless full */
	command_fn *run;
};

extern const struct command commands[];
/* --server, --json and --help, for the commands whose flags ask for them; and what describes a job. */
extern const struct option_row option_server[], option_json[], option_help[], option_job[];

/* NULL: no such command. */
const struct command *command_find(const char *name);
/* The i-th table of options of a command, the common ones after its own; NULL at the end. */
const struct option_row *command_table(const struct command *c, size_t i);
/* The row of a long name (of `len` bytes) or of a letter; NULL: the command has no such option. */
const struct option_row *command_option(const struct command *c, const char *name, size_t len);
const struct option_row *command_letter(const struct command *c, char letter);

command_fn cmd_serve, cmd_worker, cmd_token, cmd_api_doc;
command_fn cmd_run, cmd_submit, cmd_build, cmd_recipe, cmd_target, cmd_list, cmd_show, cmd_status, cmd_top,
	cmd_log, cmd_why, cmd_wait, cmd_artifacts, cmd_fetch, cmd_change, cmd_priority, cmd_workers,
	cmd_worker_state, cmd_doctor, cmd_types, cmd_admin, cmd_help, cmd_man_page, cmd_completion;
/* Words of admin. */
command_fn admin_backup, admin_events, admin_restore, admin_move, admin_owner, admin_owners;

#endif

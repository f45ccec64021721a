/* The program: find the command, read its options, run it, say what went wrong. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/place.h"
#include "cli/term.h"

static int say_error(const struct err *e)
{
	CLEAN_BUF struct buf line = BUF_INIT;
	term_add_safe(&line, e->text, strlen(e->text));
	fprintf(stderr, "slipway: %s\n", line.data);
	return err_info_get(e->code)->exit_status;
}

static int refuse_command(const char *name, struct err *e)
{
	const char *names[64];
	size_t n = 0;
	for (const struct command *c = commands; c->name && n < ARRAY_LEN(names); c++)
		if (!(c->flags & COMMAND_HIDDEN))
			names[n++] = c->name;
	const char *near = args_nearest(name, names, n);
	if (near)
		return err_set(e, ERR_USAGE, "no command %s; did you mean %s?", name, near);
	return err_set(e, ERR_USAGE, "no command %s; slipway help lists them", name);
}

static int run_command(struct cli *c, struct err *e)
{
	if (args_has(&c->args, "help")) {
		CLEAN_BUF struct buf text = BUF_INIT;
		help_command(c->command, term_width(), &text);
		fputs(text.data, stdout);
		return 0;
	}
	if ((c->command->flags & COMMAND_NEEDS_SERVER) &&
	    api_open(&c->api, args_text(&c->args, "server", NULL), e) < 0)
		return -1;
	int status = c->command->run(c, e);
	api_free(c->api);
	return status;
}

/* What could not be written must not look like success. */
static int end_output(int status, struct err *e)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	return status == 0 ? err_sys(e, "write to standard output") : status;
}

static int start(int argc, char **argv, struct err *e)
{
	const char *name = argc > 1 ? argv[1] : NULL;
	if (!name) {
		CLEAN_BUF struct buf text = BUF_INIT;
		help_all(&text);
		fputs(text.data, stderr);
		return err_info_get(ERR_USAGE)->exit_status;
	}
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		puts("slipway " SLIPWAY_VERSION);
		return end_output(0, e);
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	struct cli c = { .command = command_find(name) };
	if (!c.command)
		return refuse_command(name, e);
	int status = args_parse(&c.args, c.command, argc - 2, argv + 2, e);
	if (status == 0)
		status = end_output(run_command(&c, e), e);
	args_release(&c.args);
	return status;
}

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	struct err e = ERR_INIT;
	place_token();
	int status = start(argc, argv, &e);
	return status < 0 ? say_error(&e) : status;
}

#include "cli/help.h"

#include <string.h>

#include "base/buf.h"
#include "cli/commands.h"

enum { NAME_COLUMNS = 30 };

static size_t count_columns(const char *text, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)text[i] & 0xc0) != 0x80;
	return n;
}

static void add_spaces(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

/* Words of `text`, broken at `width`; the first line begins at column `at`, the others at `indent`. */
static void add_wrapped(struct buf *out, const char *text, size_t at, size_t indent, size_t width)
{
	bool is_first = true;
	while (*text) {
		size_t len = strcspn(text, " "), columns = count_columns(text, len);
		if (!is_first && at + 1 + columns > width) {
			buf_addc(out, '\n');
			add_spaces(out, indent);
			at = indent;
		} else if (!is_first) {
			buf_addc(out, ' ');
			at++;
		}
		buf_add(out, text, len);
		at += columns;
		is_first = false;
		text += len + (text[len] == ' ');
	}
	buf_addc(out, '\n');
}

void help_usage(const struct command *c, struct buf *out)
{
	buf_addf(out, "usage: slipway %s [OPTION…]%s%s\n", c->name, *c->arguments ? " " : "", c->arguments);
}

static void add_option(struct buf *out, const struct option_row *r, size_t width)
{
	struct buf name = BUF_INIT;
	if (r->letter)
		buf_addf(&name, "  -%c, --%s", r->letter, r->name);
	else
		buf_addf(&name, "      --%s", r->name);
	if (r->argument)
		buf_addf(&name, " %s", r->argument);
	size_t columns = count_columns(name.data, name.len);
	buf_add(out, name.data, name.len);
	buf_release(&name);
	if (columns + 2 > NAME_COLUMNS) {
		buf_addc(out, '\n');
		columns = 0;
	}
	add_spaces(out, NAME_COLUMNS - columns);
	add_wrapped(out, r->help, NAME_COLUMNS, NAME_COLUMNS, width);
}

void help_command(const struct command *c, int width, struct buf *out)
{
	size_t columns = width < NAME_COLUMNS + 20 ? NAME_COLUMNS + 20 : (size_t)width;
	help_usage(c, out);
	buf_addf(out, "\nslipway %s: ", c->name);
	add_wrapped(out, c->summary, strlen(c->name) + 10, 0, columns);
	if (c->about) {
		buf_addc(out, '\n');
		add_wrapped(out, c->about, 0, 0, columns);
	}
	buf_adds(out, "\nOptions:\n");
	const struct option_row *table;
	for (size_t i = 0; (table = command_table(c, i)); i++)
		for (const struct option_row *r = table; r->name; r++)
			if (r->help)
				add_option(out, r, columns);
}

void help_all(struct buf *out)
{
	buf_adds(out, "usage: slipway COMMAND [OPTION…] [ARGUMENT…]\n\n"
		      "Runs jobs, package builds and recipes as one queue.\n\n");
	for (const struct command *c = commands; c->name; c++)
		if (!(c->flags & COMMAND_HIDDEN))
			buf_addf(out, "  %-13s %s\n", c->name, c->summary);
	buf_adds(
		out,
		"\nslipway help COMMAND says more; slipway --version tells the version; the manual is slipway(1).\n");
}

/* ---- the man page */

/* What scdoc takes for marks; a dash at the start of a line begins a list. */
static void add_scdoc(struct buf *out, const char *text)
{
	if (*text == '-')
		buf_addc(out, '\\');
	for (; *text; text++) {
		if (strchr("*_\\<>#~`[]", *text))
			buf_addc(out, '\\');
		buf_addc(out, *text);
	}
}

static void add_man_option(struct buf *out, const struct option_row *r)
{
	if (r->letter)
		buf_addf(out, "*-%c*, ", r->letter);
	buf_addf(out, "*--%s*", r->name);
	if (r->argument) {
		buf_adds(out, " _");
		for (const char *at = r->argument; *at; at++) {
			if (strchr("[]*_\\", *at))
				buf_addc(out, '\\');
			buf_addc(out, *at);
		}
		buf_adds(out, "_");
	}
	buf_adds(out, "\n\t");
	add_scdoc(out, r->help);
	buf_adds(out, "\n\n");
}

static void add_man_options(struct buf *out, const struct option_row *table)
{
	for (const struct option_row *r = table; r->name; r++)
		if (r->help)
			add_man_option(out, r);
}

void help_man_page(struct buf *out)
{
	buf_adds(out, "# COMMANDS\n\n");
	for (const struct command *c = commands; c->name; c++) {
		if (c->flags & COMMAND_HIDDEN)
			continue;
		/* scdoc reads no marks in a heading. */
		buf_addf(out, "## slipway %s%s%s\n\n", c->name, *c->arguments ? " " : "", c->arguments);
		/* The summary as a sentence. */
		buf_addc(out, (char)(c->summary[0] - ('a' - 'A')));
		add_scdoc(out, c->summary + 1);
		buf_adds(out, ".\n\n");
		if (c->about) {
			add_scdoc(out, c->about);
			buf_adds(out, "\n\n");
		}
		for (size_t i = 0; i < COMMAND_TABLES_MAX && c->options[i]; i++) {
			if (c->options[i] == option_job)
				buf_adds(out, "It takes the options of a job, see below.\n\n");
			else
				add_man_options(out, c->options[i]);
		}
	}
	buf_adds(out, "# OPTIONS OF A JOB\n\n*run*, *submit* and *build* take these.\n\n");
	add_man_options(out, option_job);
	buf_adds(out, "# OPTIONS OF ALL COMMANDS\n\n");
	add_man_option(out, option_server);
	add_man_option(out, option_json);
	add_man_option(out, option_help);
}

/* ---- completion */

static void add_completion_words(struct buf *out, const struct command *c)
{
	const struct option_row *table;
	for (size_t i = 0; (table = command_table(c, i)); i++)
		for (const struct option_row *r = table; r->name; r++)
			if (r->help)
				buf_addf(out, " --%s", r->name);
	/* "create|list|show …": the words to choose from. */
	const char *arguments = c->arguments;
	if (*arguments >= 'a' && *arguments <= 'z') {
		buf_addc(out, ' ');
		for (; *arguments && *arguments != ' '; arguments++)
			buf_addc(out, *arguments == '|' ? ' ' : *arguments);
	}
}

void help_completion(struct buf *out)
{
	buf_adds(out, "# bash completion for slipway\n"
		      "_slipway() {\n"
		      "\tlocal word=${COMP_WORDS[COMP_CWORD]} words\n"
		      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
		      "\t\twords='");
	for (const struct command *c = commands; c->name; c++)
		if (!(c->flags & COMMAND_HIDDEN))
			buf_addf(out, "%s%s", c == commands ? "" : " ", c->name);
	buf_adds(out, "'\n\telse\n\t\tcase ${COMP_WORDS[1]} in\n");
	for (const struct command *c = commands; c->name; c++) {
		if (c->flags & COMMAND_HIDDEN)
			continue;
		buf_addf(out, "\t\t%s) words='", c->name);
		add_completion_words(out, c);
		buf_adds(out, "' ;;\n");
	}
	buf_adds(out, "\t\t*) words= ;;\n\t\tesac\n\tfi\n"
		      "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
		      "}\n"
		      "complete -o default -F _slipway slipway\n");
}

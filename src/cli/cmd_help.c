/* help, completion, man-page: what the table of commands says. */
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/term.h"

static int print(const struct buf *text, struct err *e)
{
	if (buf_check(text, e) < 0)
		return -1;
	fwrite(text->data, 1, text->len, stdout);
	return 0;
}

int cmd_help(struct cli *c, struct err *e)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	const char *name = c->args.words[0];
	const struct command *about = name ? command_find(name) : NULL;
	if (name && !about)
		return err_set(e, ERR_USAGE, "help: no command %s; slipway help lists them", name);
	if (about)
		help_command(about, term_width() < 100 ? term_width() : 100, &text);
	else
		help_all(&text);
	return print(&text, e);
}

int cmd_completion(struct cli *c, struct err *e)
{
	(void)c;
	CLEAN_BUF struct buf text = BUF_INIT;
	help_completion(&text);
	return print(&text, e);
}

int cmd_man_page(struct cli *c, struct err *e)
{
	(void)c;
	CLEAN_BUF struct buf text = BUF_INIT;
	help_man_page(&text);
	return print(&text, e);
}

/* Help, the man page's commands and the completion script: all made of the table. Main thread only. */
#ifndef SLIPWAY_CLI_HELP_H
#define SLIPWAY_CLI_HELP_H

struct buf;
struct command;

/* The one line "usage: slipway run [OPTION…] [--] CMD…". */
void help_usage(const struct command *c, struct buf *out);
/* All about one command, lines of up to `width` columns. */
void help_command(const struct command *c, int width, struct buf *out);
/* All commands, a line each. */
void help_all(struct buf *out);
/* The COMMANDS section of slipway(1) as scdoc. */
void help_man_page(struct buf *out);
void help_completion(struct buf *out);

#endif

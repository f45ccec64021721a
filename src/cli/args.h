/* The command line as data: rows that describe options, and what a parse found.
 *
 * An option is one row: from it come parsing, checks, help, the man page and completion. A parse keeps every value in
 * the order given; the getters look an option up by its long name, and a name that no row of the command has is a
 * defect (assert). Values borrow from argv. Main thread only. Read next: cli/commands.h. */
#ifndef SLIPWAY_CLI_ARGS_H
#define SLIPWAY_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct command;
struct err;

enum option_type {
	OPTION_FLAG,	 /* takes no value */
	OPTION_TEXT,	 /* any text, not empty; given twice, the last one counts */
	OPTION_LIST,	 /* any text, may be repeated */
	OPTION_INT,	 /* a whole number, may be negative */
	OPTION_DURATION, /* base/parse.h: 90, 90s, 15m */
	OPTION_SIZE,	 /* base/parse.h: 512M */
};

struct option_row {
	const char *name; /* long name without dashes; NULL ends a table */
	char letter;	  /* short name, or 0 */
	enum option_type type;
	const char *argument; /* what the value is called in help: "ID"; NULL for a flag */
	const char *help;     /* NULL: works, but is not shown */
};

struct option_value {
	const struct option_row *row;
	const char *value; /* NULL for a flag */
};

struct args {
	const struct command *command;
	struct option_value *values;
	size_t values_len;
	char **words; /* what is no option, NULL-terminated; for commands that run one, the command */
	size_t words_len;
};

/* argv[0] is the first word after the command's name. Unknown options, missing and malformed values are ERR_USAGE
 * with a hint. Everything that a type promises is checked here, so that the getters cannot fail. */
int args_parse(struct args *a, const struct command *c, int argc, char **argv, struct err *e);
void args_release(struct args *a);

bool args_has(const struct args *a, const char *name);
/* The last value given, or `dflt`. */
const char *args_text(const struct args *a, const char *name, const char *dflt);
int64_t args_int(const struct args *a, const char *name, int64_t dflt);
/* Milliseconds. */
int64_t args_duration(const struct args *a, const char *name, int64_t dflt_ms);
int64_t args_size(const struct args *a, const char *name, int64_t dflt_bytes);
/* Walk the values of a repeated option: `size_t at = 0; while ((v = args_next(a, "need", &at)))`. */
const char *args_next(const struct args *a, const char *name, size_t *at);

/* The name nearest to `text` among `n`, or NULL if none is near: for "did you mean". */
const char *args_nearest(const char *text, const char *const *names, size_t n);

#endif

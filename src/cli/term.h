/* What standard output is, and text that is safe to show there.
 *
 * Names, progress and details come from others: they are shown through term_add_safe(), so that no escape sequence of
 * theirs reaches a terminal. Main thread only. */
#ifndef SLIPWAY_CLI_TERM_H
#define SLIPWAY_CLI_TERM_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum { TERM_WIDTH_UNLIMITED = 10000 };

/* Columns of standard output: $COLUMNS, or the terminal's; TERM_WIDTH_UNLIMITED if it is no terminal. */
int term_width(void);
/* Is standard output a terminal? */
bool term_is_terminal(void);
/* Colours: only on a terminal, and not with NO_COLOR or TERM=dumb. */
bool term_has_colours(void);

/* The colour of a state's name, as an SGR parameter ("32"); NULL = the terminal's own. */
const char *term_state_colour(const char *state);
/* `text` in a colour if there are colours. */
void term_add_coloured(struct buf *out, const char *colour, const char *text);

/* Text on one line without control characters and without bytes that are not UTF-8: each becomes "?", newlines and
 * tabs become a blank. */
void term_add_safe(struct buf *out, const char *text, size_t len);
/* Columns that a safe text takes. */
size_t term_columns(const char *text, size_t len);
/* How many bytes of a safe text fit in so many columns; *columns says how many are used. */
size_t term_fit(const char *text, size_t len, size_t limit, size_t *columns);

#endif

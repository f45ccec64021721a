/* The table of hostile programs and what came of them, as a page. */
#ifndef SLIPWAY_HOSTILE_TABLE_H
#define SLIPWAY_HOSTILE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct hostile;

/* Has the page a row for each of them, and for nothing else? Tells what differs. */
bool table_is_of(const char *path, const struct hostile *list, size_t len);
/* Prints the summary as a note, too. */
void table_write(const char *path, const struct hostile *list, size_t len, int controls);

#endif

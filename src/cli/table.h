/* A table on a terminal of any width: columns are as wide as they need; where that is too much, the flexible ones are
 * cut with an ellipsis, then the least important ones are left out. Cells are made safe to show. One thread. */
#ifndef SLIPWAY_CLI_TABLE_H
#define SLIPWAY_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum { TABLE_COLUMNS_MAX = 16 };

struct table_column {
	const char *title;
	int importance;	  /* the lowest goes first when there is no room; the highest never goes */
	int width_min;	  /* > 0: may be cut to this */
	bool is_right;	  /* numbers */
	bool is_coloured; /* cells are names of states */
};

struct table {
	const struct table_column *columns;
	size_t columns_len;
	char **cells; /* row by row; owned */
	size_t cells_len, cells_cap;
	bool has_colours; /* set by table_print() as standard output has them */
	bool is_failed;
};

void table_init(struct table *t, const struct table_column *columns, size_t n);
void table_release(struct table *t);
/* The next cell of the next row; NULL is an empty one. */
void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_format(const struct table *t, int width, bool has_titles, struct buf *out);
/* To standard output, as wide as that is. */
void table_print(struct table *t);

#endif

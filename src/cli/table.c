#include "cli/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "cli/term.h"

enum { GAP = 2 };

void table_init(struct table *t, const struct table_column *columns, size_t n)
{
	*t = (struct table){ .columns = columns, .columns_len = n };
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->cells_len; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){ 0 };
}

void table_add(struct table *t, const char *text)
{
	if (t->cells_len == t->cells_cap) {
		size_t cap = t->cells_cap ? t->cells_cap * 2 : 64;
		char **more = realloc(t->cells, cap * sizeof *more);
		if (!more) {
			t->is_failed = true;
			return;
		}
		t->cells = more;
		t->cells_cap = cap;
	}
	struct buf safe = BUF_INIT;
	if (text)
		term_add_safe(&safe, text, strlen(text));
	char *cell = buf_take(&safe);
	if (!cell) {
		t->is_failed = true;
		return;
	}
	t->cells[t->cells_len++] = cell;
}

void table_addf(struct table *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	table_add(t, text);
}

/* ---- widths */

static void measure(const struct table *t, bool has_titles, size_t *widths)
{
	for (size_t c = 0; c < t->columns_len; c++)
		widths[c] = has_titles ? term_columns(t->columns[c].title, strlen(t->columns[c].title)) : 0;
	for (size_t i = 0; t->columns_len && i < t->cells_len; i++) {
		size_t w = term_columns(t->cells[i], strlen(t->cells[i]));
		if (w > widths[i % t->columns_len])
			widths[i % t->columns_len] = w;
	}
	/* A column without any text is left out. */
	for (size_t c = 0; c < t->columns_len; c++) {
		bool is_empty = t->cells_len > 0;
		for (size_t i = c; i < t->cells_len && is_empty; i += t->columns_len)
			is_empty = !*t->cells[i];
		if (is_empty)
			widths[c] = 0;
	}
}

static size_t sum_of(const struct table *t, const size_t *widths)
{
	size_t sum = 0;
	for (size_t c = 0; c < t->columns_len; c++)
		sum += widths[c] ? widths[c] + (sum ? GAP : 0) : 0;
	return sum;
}

/* Take `excess` from the widest flexible column, one column at a time. */
static bool shrink_one(const struct table *t, size_t *widths)
{
	size_t widest = t->columns_len;
	for (size_t c = 0; c < t->columns_len; c++) {
		int least = t->columns[c].width_min;
		if (least > 0 && widths[c] > (size_t)least &&
		    (widest == t->columns_len || widths[c] > widths[widest]))
			widest = c;
	}
	if (widest == t->columns_len)
		return false;
	widths[widest]--;
	return true;
}

static bool drop_one(const struct table *t, size_t *widths)
{
	size_t least = t->columns_len, shown = 0;
	for (size_t c = 0; c < t->columns_len; c++) {
		if (!widths[c])
			continue;
		shown++;
		if (least == t->columns_len || t->columns[c].importance < t->columns[least].importance)
			least = c;
	}
	if (shown <= 1)
		return false;
	widths[least] = 0;
	return true;
}

static void fit(const struct table *t, size_t width, bool has_titles, size_t *widths)
{
	size_t natural[TABLE_COLUMNS_MAX];
	measure(t, has_titles, natural);
	for (;;) {
		memcpy(widths, natural, sizeof natural);
		while (sum_of(t, widths) > width && shrink_one(t, widths))
			;
		if (sum_of(t, widths) <= width || !drop_one(t, natural))
			return;
	}
}

/* ---- text */

static void add_spaces(struct buf *out, size_t n)
{
	while (n-- > 0)
		buf_addc(out, ' ');
}

static void add_cell(const struct table *t, const struct table_column *column, const char *text, size_t width,
		     bool is_last, struct buf *out)
{
	CLEAN_BUF struct buf cut = BUF_INIT;
	size_t len = strlen(text), columns;
	size_t fits = term_fit(text, len, width, &columns);
	if (fits < len) {
		fits = term_fit(text, len, width - 1, &columns);
		buf_add(&cut, text, fits);
		buf_adds(&cut, "…");
		columns++;
	} else {
		buf_adds(&cut, text);
	}
	if (column->is_right)
		add_spaces(out, width - columns);
	bool is_title = text == column->title;
	const char *colour = is_title ? "1" : column->is_coloured ? term_state_colour(text) : NULL;
	if (t->has_colours)
		term_add_coloured(out, colour, cut.data);
	else
		buf_add(out, cut.data, cut.len);
	if (!column->is_right && !is_last)
		add_spaces(out, width - columns);
}

static void add_row(const struct table *t, const size_t *widths, char *const *cells, struct buf *out)
{
	size_t last = 0;
	for (size_t c = 0; c < t->columns_len; c++)
		if (widths[c])
			last = c;
	bool is_first = true;
	for (size_t c = 0; c < t->columns_len; c++) {
		if (!widths[c])
			continue;
		add_spaces(out, is_first ? 0 : GAP);
		add_cell(t, &t->columns[c], cells ? cells[c] : t->columns[c].title, widths[c], c == last,
			 out);
		is_first = false;
	}
	/* An empty last cell leaves blanks behind. */
	while (out->len > 0 && out->data[out->len - 1] == ' ')
		out->data[--out->len] = '\0';
	buf_addc(out, '\n');
}

void table_format(const struct table *t, int width, bool has_titles, struct buf *out)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };
	fit(t, (size_t)width, has_titles, widths);
	if (has_titles)
		add_row(t, widths, NULL, out);
	for (size_t i = 0; i + t->columns_len <= t->cells_len; i += t->columns_len)
		add_row(t, widths, t->cells + i, out);
}

void table_print(struct table *t)
{
	t->has_colours = term_has_colours();
	CLEAN_BUF struct buf text = BUF_INIT;
	table_format(t, term_width(), true, &text);
	fwrite(text.data, 1, text.len, stdout);
}

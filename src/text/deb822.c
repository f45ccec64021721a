#include "text/deb822.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { FIELDS_MAX = 500 };

struct reader {
	const char *text;
	size_t len, at;
	int line;
	bool is_armoured;
};

/* The next line without its end; false at the end of the text. */
static bool next_line(struct reader *r, const char **line, size_t *n)
{
	if (r->at >= r->len)
		return false;
	const char *end = memchr(r->text + r->at, '\n', r->len - r->at);
	*line = r->text + r->at;
	*n = end ? (size_t)(end - *line) : r->len - r->at;
	r->at += *n + (end ? 1 : 0);
	r->line++;
	if (*n && (*line)[*n - 1] == '\r')
		--*n;
	return true;
}

static bool is_blank(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (line[i] != ' ' && line[i] != '\t')
			return false;
	return true;
}

static bool begins_with(const char *line, size_t n, const char *start)
{
	size_t m = strlen(start);
	return n >= m && memcmp(line, start, m) == 0;
}

/* A clearsigned file begins with a line and headers up to a blank one. */
static void skip_armour(struct reader *r)
{
	const char *line;
	size_t n;
	r->is_armoured = true;
	while (next_line(r, &line, &n) && !is_blank(line, n))
		;
}

static int begin_field(const struct reader *r, const char *line, size_t n, struct arena *a,
		       struct deb822_field *field, struct buf *value, struct err *e)
{
	const char *colon = memchr(line, ':', n);
	size_t name_len = colon ? (size_t)(colon - line) : 0;
	for (size_t i = 0; i < name_len; i++)
		if (line[i] <= ' ' || line[i] == 127)
			name_len = 0;
	if (!name_len)
		return err_set(e, ERR_INVALID, "line %d: not \"Name: value\"", r->line);
	size_t at = name_len + 1;
	while (at < n && (line[at] == ' ' || line[at] == '\t'))
		at++;
	buf_reset(value);
	buf_add(value, line + at, n - at);
	field->name = arena_strndup(a, line, name_len);
	return field->name ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int end_field(struct deb822 *d, struct arena *a, struct deb822_field *field, struct buf *value,
		     struct deb822_field *fields, const struct reader *r, struct err *e)
{
	if (!field->name)
		return 0;
	if (d->fields_len == FIELDS_MAX)
		return err_set(e, ERR_TOO_LARGE, "line %d: more than %d fields", r->line, FIELDS_MAX);
	if (deb822_find(d, field->name))
		return err_set(e, ERR_INVALID, "line %d: %.60s is there twice", r->line, field->name);
	field->value = value->is_failed ? NULL : arena_strndup(a, value->data, value->len);
	if (!field->value)
		return err_set(e, ERR_NOMEM, "out of memory");
	fields[d->fields_len++] = *field;
	*field = (struct deb822_field){ NULL, NULL };
	return 0;
}

static int parse_lines(struct reader *r, struct arena *a, struct deb822 *out, struct deb822_field *fields,
		       struct err *e)
{
	CLEAN_BUF struct buf value = BUF_INIT;
	struct deb822_field field = { NULL, NULL };
	const char *line;
	size_t n;
	while (next_line(r, &line, &n)) {
		if (memchr(line, '\0', n))
			return err_set(e, ERR_INVALID, "line %d: a NUL byte", r->line);
		if (begins_with(line, n, "-----BEGIN PGP SIGNED MESSAGE-----")) {
			skip_armour(r);
			continue;
		}
		if (begins_with(line, n, "-----BEGIN PGP SIGNATURE-----")) {
			r->at = r->len;
			break;
		}
		if (r->is_armoured && begins_with(line, n, "- ")) {
			line += 2;
			n -= 2;
		}
		if (is_blank(line, n)) {
			if (out->fields_len || field.name)
				break;
			continue;
		}
		if (line[0] == '#')
			continue;
		if (line[0] == ' ' || line[0] == '\t') {
			if (!field.name)
				return err_set(e, ERR_INVALID, "line %d: continues nothing", r->line);
			buf_addc(&value, '\n');
			buf_add(&value, line + 1, n - 1);
			continue;
		}
		if (end_field(out, a, &field, &value, fields, r, e) < 0 ||
		    begin_field(r, line, n, a, &field, &value, e) < 0)
			return -1;
	}
	return end_field(out, a, &field, &value, fields, r, e);
}

int deb822_parse(const char *text, size_t len, struct arena *a, struct deb822 *out, size_t *used,
		 struct err *e)
{
	struct reader r = { .text = text, .len = len };
	struct deb822_field *fields = arena_array(a, FIELDS_MAX, sizeof *fields);
	*out = (struct deb822){ .fields = fields };
	*used = 0;
	if (!fields)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (parse_lines(&r, a, out, fields, e) < 0)
		return -1;
	*used = r.at;
	return 0;
}

const char *deb822_find(const struct deb822 *d, const char *name)
{
	for (size_t i = 0; i < d->fields_len; i++)
		if (strcasecmp(d->fields[i].name, name) == 0)
			return d->fields[i].value;
	return NULL;
}

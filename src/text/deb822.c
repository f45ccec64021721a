#include "text/deb822.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/parse.h"
#include "base/path.h"

enum { FIELDS_MAX = 500, FILES_MAX = 1000 };

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

/* " SHA256 SIZE NAME" */
static int parse_file(const char *line, size_t n, struct arena *a, struct dsc_file *out, struct err *e)
{
	char *words[3] = { NULL, NULL, NULL };
	size_t at = 0;
	for (size_t i = 0; i < 3; i++) {
		while (at < n && line[at] == ' ')
			at++;
		size_t from = at;
		while (at < n && line[at] != ' ')
			at++;
		words[i] = arena_strndup(a, line + from, at - from);
		if (!words[i])
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	if (at < n || !hash_is_hex(words[0]) || !path_is_safe_name(words[2]))
		return err_set(e, ERR_INVALID, "Checksums-Sha256: a line is not \"SHA256 SIZE NAME\"");
	if (parse_int("Checksums-Sha256: size", words[1], 0, INT64_MAX, &out->size_bytes, e) < 0)
		return -1;
	memcpy(out->sha256, words[0], sizeof out->sha256);
	out->name = words[2];
	return 0;
}

static int parse_files(const char *text, struct arena *a, struct dsc *out, struct err *e)
{
	struct dsc_file *files = arena_array(a, FILES_MAX, sizeof *files);
	if (!files)
		return err_set(e, ERR_NOMEM, "out of memory");
	out->files = files;
	while (*text) {
		size_t n = strcspn(text, "\n");
		if (!is_blank(text, n)) {
			if (out->files_len == FILES_MAX)
				return err_set(e, ERR_TOO_LARGE, "more than %d files", FILES_MAX);
			if (parse_file(text, n, a, &files[out->files_len++], e) < 0)
				return -1;
		}
		text += n + (text[n] == '\n');
	}
	return 0;
}

int dsc_parse(const char *text, size_t len, struct arena *a, struct dsc *out, struct err *e)
{
	struct deb822 d;
	size_t used;
	*out = (struct dsc){ 0 };
	if (deb822_parse(text, len, a, &d, &used, e) < 0)
		return -1;
	out->source = deb822_find(&d, "Source");
	out->version = deb822_find(&d, "Version");
	const char *files = deb822_find(&d, "Checksums-Sha256");
	if (!out->source || !out->version || !files)
		return err_set(e, ERR_INVALID, "not a source package: no %s",
			       !out->source    ? "Source"
			       : !out->version ? "Version"
					       : "Checksums-Sha256");
	return parse_files(files, a, out, e);
}

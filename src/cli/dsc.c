#include "cli/dsc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/parse.h"
#include "base/path.h"

enum { FILES_MAX = 10000 };

void dsc_release(struct dsc *d)
{
	for (size_t i = 0; i < d->files_len; i++)
		free(d->files[i].name);
	free(d->files);
	free(d->source);
	free(d->version);
	*d = (struct dsc){ 0 };
}

/* The line at `at` without its end; *next is the one after it. */
static size_t line_length(const char *at, const char *end, const char **next)
{
	const char *newline = memchr(at, '\n', (size_t)(end - at));
	size_t len = newline ? (size_t)(newline - at) : (size_t)(end - at);
	*next = newline ? newline + 1 : end;
	while (len > 0 && (at[len - 1] == '\r' || at[len - 1] == ' ' || at[len - 1] == '\t'))
		len--;
	return len;
}

/* Where the paragraph begins: after the head of a signed message, if there is one. */
static const char *skip_signature_head(const char *text, const char *end)
{
	static const char mark[] = "-----BEGIN PGP SIGNED MESSAGE-----";
	const char *next = text;
	if ((size_t)(end - text) < sizeof mark - 1 || memcmp(text, mark, sizeof mark - 1) != 0)
		return text;
	while (next < end) {
		const char *at = next;
		if (line_length(at, end, &next) == 0)
			return next;
	}
	return end;
}

/* " SHA256 SIZE NAME" */
static int add_file(struct dsc *d, const char *line, size_t len, struct err *e)
{
	char sha256[80], size[24], name[PATH_PART_LIMIT_BYTES + 1];
	CLEAN_FREE char *copy = strndup(line, len);
	if (!copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	int64_t size_bytes;
	if (sscanf(copy, " %79s %23s %255s", sha256, size, name) != 3 || !hash_is_hex(sha256) ||
	    parse_int("size", size, 0, INT64_MAX, &size_bytes, NULL) < 0)
		return err_set(e, ERR_INVALID, "Checksums-Sha256: not a checksum, a size and a name: %.100s",
			       copy);
	if (!path_is_safe_name(name))
		return err_set(e, ERR_INVALID, "Checksums-Sha256: no safe name of a file: %.100s", name);
	if (d->files_len >= FILES_MAX)
		return err_set(e, ERR_TOO_LARGE, "more than %d files", FILES_MAX);
	struct dsc_file *more = realloc(d->files, (d->files_len + 1) * sizeof *more);
	if (!more)
		return err_set(e, ERR_NOMEM, "out of memory");
	d->files = more;
	struct dsc_file *file = &d->files[d->files_len];
	*file = (struct dsc_file){ .name = strdup(name), .size_bytes = size_bytes };
	if (!file->name)
		return err_set(e, ERR_NOMEM, "out of memory");
	memcpy(file->sha256, sha256, sizeof file->sha256);
	d->files_len++;
	return 0;
}

static bool is_field(const char *line, size_t len, const char *name)
{
	size_t n = strlen(name);
	return len > n && strncasecmp(line, name, n) == 0 && line[n] == ':';
}

static int set_value(char **out, const char *line, size_t len, size_t name_len, struct err *e)
{
	const char *value = line + name_len + 1;
	while (value < line + len && (*value == ' ' || *value == '\t'))
		value++;
	free(*out);
	*out = strndup(value, (size_t)(line + len - value));
	return *out ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

int dsc_parse(const char *text, size_t len, struct dsc *out, struct err *e)
{
	const char *end = text + len, *next = skip_signature_head(text, end);
	bool is_in_files = false;
	*out = (struct dsc){ 0 };
	while (next < end) {
		const char *line = next;
		size_t n = line_length(line, end, &next);
		if (n == 0)
			break;
		int rc = 0;
		if (*line == ' ' || *line == '\t')
			rc = is_in_files ? add_file(out, line, n, e) : 0;
		else if (is_field(line, n, "Source"))
			rc = set_value(&out->source, line, n, strlen("Source"), e);
		else if (is_field(line, n, "Version"))
			rc = set_value(&out->version, line, n, strlen("Version"), e);
		if (rc < 0)
			return -1;
		if (*line != ' ' && *line != '\t')
			is_in_files = is_field(line, n, "Checksums-Sha256");
	}
	if (!out->source || !*out->source || !out->version || !*out->version)
		return err_set(e, ERR_INVALID, "not a .dsc: Source or Version is missing");
	if (out->files_len == 0)
		return err_set(e, ERR_INVALID, "not a .dsc: Checksums-Sha256 is missing");
	return 0;
}

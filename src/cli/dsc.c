#include "cli/dsc.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/parse.h"
#include "base/path.h"
#include "text/deb822.h"

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

static int add_files(struct dsc *d, const char *text, struct err *e)
{
	while (*text) {
		size_t n = strcspn(text, "\n");
		if (strspn(text, " \t") < n && add_file(d, text, n, e) < 0)
			return -1;
		text += n + (text[n] == '\n');
	}
	return 0;
}

static int copy_value(const struct deb822 *fields, const char *name, char **out, struct err *e)
{
	const char *value = deb822_find(fields, name);
	if (!value || !*value)
		return err_set(e, ERR_INVALID, "not a .dsc: %s is missing", name);
	*out = strdup(value);
	return *out ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

int dsc_parse(const char *text, size_t len, struct dsc *out, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct deb822 fields;
	size_t used;
	*out = (struct dsc){ 0 };
	if (deb822_parse(text, len, &a, &fields, &used, e) < 0)
		return err_wrap(e, "not a .dsc");
	if (copy_value(&fields, "Source", &out->source, e) < 0 ||
	    copy_value(&fields, "Version", &out->version, e) < 0)
		return -1;
	const char *files = deb822_find(&fields, "Checksums-Sha256");
	if (files && add_files(out, files, e) < 0)
		return -1;
	if (out->files_len == 0)
		return err_set(e, ERR_INVALID, "not a .dsc: Checksums-Sha256 is missing");
	return 0;
}

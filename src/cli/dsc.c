#include "cli/dsc.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/parse.h"
#include "base/path.h"
#include "text/deb822.h"

/* "SHA256 SIZE NAME" */
static int read_file(const char *line, size_t len, struct arena *a, struct dsc_file *file, struct err *e)
{
	char sha256[80], size[24], name[PATH_PART_LIMIT_BYTES + 1];
	const char *copy = arena_strndup(a, line, len);
	if (!copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (sscanf(copy, " %79s %23s %255s", sha256, size, name) != 3 || !hash_is_hex(sha256) ||
	    parse_int("size", size, 0, INT64_MAX, &file->size_bytes, NULL) < 0)
		return err_set(e, ERR_INVALID, "Checksums-Sha256: not a checksum, a size and a name: %.100s",
			       copy);
	if (!path_is_safe_name(name))
		return err_set(e, ERR_INVALID, "Checksums-Sha256: no safe name of a file: %.100s", name);
	memcpy(file->sha256, sha256, sizeof file->sha256);
	file->name = arena_strdup(a, name);
	return file->name ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static size_t count_lines(const char *text)
{
	size_t n = 1;
	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static int read_files(const char *list, struct arena *a, struct dsc *out, struct err *e)
{
	struct dsc_file *files = arena_array(a, count_lines(list), sizeof *files);
	if (!files)
		return err_set(e, ERR_NOMEM, "out of memory");
	while (*list) {
		size_t len = strcspn(list, "\n");
		bool is_blank = strspn(list, " \t\r") >= len;
		if (!is_blank && read_file(list, len, a, &files[out->files_len++], e) < 0)
			return -1;
		list += len + (list[len] == '\n');
	}
	out->files = files;
	return 0;
}

int dsc_parse(const char *text, size_t len, struct arena *a, struct dsc *out, struct err *e)
{
	struct deb822 d;
	size_t used;
	*out = (struct dsc){ 0 };
	if (deb822_parse(text, len, a, &d, &used, e) < 0)
		return -1;
	const char *list = deb822_find(&d, "Checksums-Sha256");
	out->source = deb822_find(&d, "Source");
	out->version = deb822_find(&d, "Version");
	if (!out->source || !*out->source || !out->version || !*out->version)
		return err_set(e, ERR_INVALID, "not a .dsc: Source or Version is missing");
	if (!list)
		return err_set(e, ERR_INVALID, "not a .dsc: Checksums-Sha256 is missing");
	if (read_files(list, a, out, e) < 0)
		return -1;
	return out->files_len ? 0 : err_set(e, ERR_INVALID, "not a .dsc: Checksums-Sha256 is empty");
}

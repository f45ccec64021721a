#include "run/unpack_priv.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/hash.h"

enum { READ_BYTES = 256 * 1024, ENTRIES_MAX = 4000000, ENTRY_BYTES = 2048 };
#define UNPACKED_BYTES_MAX ((int64_t)128 << 30)
#define CAPS "security.capability"

struct source {
	int fd;
	struct hash *hash;
	char *room;
};

static ssize_t read_source(struct archive *in, void *ctx, const void **bytes)
{
	struct source *s = ctx;
	ssize_t n;
	do
		n = read(s->fd, s->room, READ_BYTES);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(in, errno, "read");
	else
		hash_add(s->hash, s->room, (size_t)n);
	*bytes = s->room;
	return n;
}

static int fail(struct archive *a, const char *what, struct err *e)
{
	const char *why = archive_error_string(a);
	return err_set(e, ERR_INVALID, "%s: %s", what, why ? why : "unknown");
}

static bool is_skipped(struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);
	mode_t type = archive_entry_filetype(entry);
	if (!path)
		return true;
	while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
		path++;
	return strncmp(path, "dev/", 4) == 0 || type == AE_IFCHR || type == AE_IFBLK || type == AE_IFSOCK;
}

/* Attributes could also steer the overlay that is mounted over this. */
static void keep_caps_only(struct archive_entry *entry)
{
	char caps[64];
	size_t caps_len = 0;
	const char *name;
	const void *value;
	size_t len;
	archive_entry_xattr_reset(entry);
	while (archive_entry_xattr_next(entry, &name, &value, &len) == ARCHIVE_OK)
		if (strcmp(name, CAPS) == 0 && len <= sizeof caps) {
			memcpy(caps, value, len);
			caps_len = len;
		}
	archive_entry_xattr_clear(entry);
	if (caps_len)
		archive_entry_xattr_add_entry(entry, CAPS, caps, caps_len);
}

static int copy_data(struct archive *in, struct archive *out, int64_t *total, struct err *e)
{
	for (;;) {
		const void *bytes;
		size_t n;
		la_int64_t at;
		int r = archive_read_data_block(in, &bytes, &n, &at);
		if (r == ARCHIVE_EOF)
			return 0;
		if (r < ARCHIVE_WARN)
			return fail(in, "read", e);
		*total += (int64_t)n;
		if (*total > UNPACKED_BYTES_MAX)
			return err_set(e, ERR_TOO_LARGE, "it is too large");
		if (archive_write_data_block(out, bytes, n, at) < ARCHIVE_WARN)
			return fail(out, "write", e);
	}
}

static int unpack_entry(struct archive *in, struct archive *out, struct archive_entry *entry, int64_t *total,
			struct err *e)
{
	if (is_skipped(entry))
		return 0;
	keep_caps_only(entry);
	if (archive_write_header(out, entry) < ARCHIVE_OK)
		return fail(out, "write", e);
	if (archive_entry_size(entry) > 0 && copy_data(in, out, total, e) < 0)
		return -1;
	return archive_write_finish_entry(out) < ARCHIVE_OK ? fail(out, "write", e) : 0;
}

static int unpack_all(struct archive *in, struct archive *out, int64_t *size_bytes, struct err *e)
{
	int64_t n, total = 0;
	for (n = 0;; n++) {
		struct archive_entry *entry;
		int r = archive_read_next_header(in, &entry);
		if (r == ARCHIVE_EOF)
			break;
		if (r < ARCHIVE_WARN)
			return fail(in, "read", e);
		if (n == ENTRIES_MAX)
			return err_set(e, ERR_TOO_LARGE, "it has too many files");
		if (unpack_entry(in, out, entry, &total, e) < 0)
			return -1;
	}
	*size_bytes = total + n * ENTRY_BYTES;
	return archive_write_close(out) < ARCHIVE_WARN ? fail(out, "write", e) : 0;
}

/* Only what is part of the library: some of its filters would run programs. */
static int open_source(struct archive *in, struct source *s, struct err *e)
{
	archive_read_support_filter_gzip(in);
	archive_read_support_filter_bzip2(in);
	archive_read_support_filter_xz(in);
	archive_read_support_filter_zstd(in);
	archive_read_support_format_tar(in);
	archive_read_support_format_gnutar(in);
	return archive_read_open(in, s, NULL, read_source, NULL) < ARCHIVE_WARN ? fail(in, "open", e) : 0;
}

static int check_rest(struct source *s, const char *sha256, struct err *e)
{
	char hex[HASH_HEX_BYTES];
	ssize_t n;
	while ((n = read(s->fd, s->room, READ_BYTES)) > 0)
		hash_add(s->hash, s->room, (size_t)n);
	hash_finish(s->hash, hex);
	s->hash = NULL;
	if (n < 0)
		return err_sys(e, "read");
	return strcmp(hex, sha256) == 0
		       ? 0
		       : err_set(e, ERR_CORRUPT, "its bytes are not those it is named after");
}

int unpack_archive(int tar_fd, const char *sha256, int64_t *size_bytes, struct err *e)
{
	struct source s = { .fd = tar_fd, .hash = hash_new(), .room = malloc(READ_BYTES) };
	struct archive *in = archive_read_new();
	struct archive *out = archive_write_disk_new();
	int failed = 0;
	if (!s.hash || !s.room || !in || !out)
		failed = err_set(e, ERR_NOMEM, "out of memory");
	if (!failed)
		archive_write_disk_set_options(out, ARCHIVE_EXTRACT_OWNER | ARCHIVE_EXTRACT_PERM |
							    ARCHIVE_EXTRACT_TIME | ARCHIVE_EXTRACT_XATTR |
							    ARCHIVE_EXTRACT_UNLINK);
	if (!failed)
		failed = open_source(in, &s, e);
	if (!failed)
		failed = unpack_all(in, out, size_bytes, e);
	if (!failed)
		failed = check_rest(&s, sha256, e);
	archive_read_free(in);
	archive_write_free(out);
	hash_free(s.hash);
	free(s.room);
	return failed;
}

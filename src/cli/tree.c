#include "cli/tree.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/path.h"

enum { COPY_BYTES = 64 * 1024 };

struct packing {
	struct archive *out;
	const char *prefix;
	size_t root_len; /* of the folder's path */
	int64_t size_bytes;
	int64_t entries;
	char *block; /* COPY_BYTES */
};

static int compare(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool is_version_control(const FTSENT *entry)
{
	static const char *const names[] = { ".git", ".bzr", ".hg", ".svn", "_darcs" };
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(entry->fts_name, names[i]) == 0)
			return true;
	return false;
}

static int copy_content(struct packing *p, const FTSENT *entry, struct err *e)
{
	CLEAN_FD int fd = open(entry->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, "open %s", entry->fts_path);
	int64_t left = entry->fts_statp->st_size;
	while (left > 0) {
		ssize_t n = read(fd, p->block, left < COPY_BYTES ? (size_t)left : COPY_BYTES);
		if (n < 0)
			return err_sys(e, "read %s", entry->fts_path);
		if (n == 0)
			return err_set(e, ERR_CONFLICT, "%s became shorter while it was read",
				       entry->fts_path);
		if (archive_write_data(p->out, p->block, (size_t)n) < 0)
			return err_set(e, ERR_SYSTEM, "%s: %s", entry->fts_path,
				       archive_error_string(p->out));
		left -= n;
	}
	return 0;
}

static int describe(struct packing *p, const FTSENT *entry, struct archive_entry *out, struct err *e)
{
	const struct stat *st = entry->fts_statp;
	CLEAN_BUF struct buf name = BUF_INIT;
	buf_addf(&name, "%s%s", p->prefix, entry->fts_path + p->root_len);
	if (buf_check(&name, e) < 0)
		return -1;
	archive_entry_set_pathname(out, name.data);
	archive_entry_set_mode(out, st->st_mode);
	/* Builds compare the times of files: they are kept, without fractions. */
	archive_entry_set_mtime(out, st->st_mtime, 0);
	archive_entry_set_uid(out, 0);
	archive_entry_set_gid(out, 0);
	archive_entry_set_size(out, S_ISREG(st->st_mode) ? st->st_size : 0);
	if (!S_ISLNK(st->st_mode))
		return 0;
	char to[PATH_LIMIT_BYTES * 4];
	ssize_t n = readlink(entry->fts_accpath, to, sizeof to - 1);
	if (n < 0)
		return err_sys(e, "read the link %s", entry->fts_path);
	to[n] = '\0';
	archive_entry_set_symlink(out, to);
	return 0;
}

static int add_entry(struct packing *p, const FTSENT *entry, struct err *e)
{
	p->size_bytes += S_ISREG(entry->fts_statp->st_mode) ? entry->fts_statp->st_size : 0;
	if (++p->entries > TREE_ENTRIES_MAX || p->size_bytes > TREE_MAX_BYTES)
		return err_set(e, ERR_TOO_LARGE, "more than %d files or %lld GiB", TREE_ENTRIES_MAX,
			       (long long)(TREE_MAX_BYTES >> 30));
	struct archive_entry *out = archive_entry_new();
	if (!out)
		return err_set(e, ERR_NOMEM, "out of memory");
	int rc = describe(p, entry, out, e);
	if (rc == 0 && archive_write_header(p->out, out) < ARCHIVE_WARN)
		rc = err_set(e, ERR_SYSTEM, "%s: %s", entry->fts_path, archive_error_string(p->out));
	if (rc == 0 && S_ISREG(entry->fts_statp->st_mode))
		rc = copy_content(p, entry, e);
	archive_entry_free(out);
	return rc;
}

static int visit(struct packing *p, FTS *fts, FTSENT *entry, struct err *e)
{
	switch (entry->fts_info) {
	case FTS_D:
		if (entry->fts_level > 0 && is_version_control(entry)) {
			fts_set(fts, entry, FTS_SKIP);
			return 0;
		}
		return add_entry(p, entry, e);
	case FTS_F:
		/* .git is a file in a work tree of a repository elsewhere. */
		return is_version_control(entry) ? 0 : add_entry(p, entry, e);
	case FTS_SL:
	case FTS_SLNONE:
		return add_entry(p, entry, e);
	case FTS_DP:
		return 0;
	case FTS_DNR:
	case FTS_ERR:
	case FTS_NS:
		errno = entry->fts_errno;
		return err_sys(e, "read %s", entry->fts_path);
	default:
		return err_set(e, ERR_INVALID, "%s is neither a file nor a folder nor a link",
			       entry->fts_path);
	}
}

static int pack_all(struct packing *p, const char *path, struct err *e)
{
	CLEAN_FREE char *root = strdup(path);
	if (!root)
		return err_set(e, ERR_NOMEM, "out of memory");
	size_t len = strlen(root);
	while (len > 1 && root[len - 1] == '/')
		root[--len] = '\0';
	p->root_len = len;
	/* A link as the folder itself is followed, one inside is not. */
	FTS *fts = fts_open((char *const[]){ root, NULL }, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR,
			    compare);
	if (!fts)
		return err_sys(e, "read %s", root);
	int rc = 0;
	FTSENT *entry;
	errno = 0;
	while (rc == 0 && (entry = fts_read(fts)))
		rc = visit(p, fts, entry, e);
	fts_close(fts);
	return rc;
}

static int open_nameless(struct err *e)
{
	const char *dir = getenv("TMPDIR");
	dir = dir && *dir ? dir : "/tmp";
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Not every file system has files without a name. */
	CLEAN_BUF struct buf name = BUF_INIT;
	path_join(&name, dir, "slipway-XXXXXX");
	fd = mkostemp(name.data, O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "make a file in %s", dir);
	unlink(name.data);
	return fd;
}

int tree_pack(const char *path, const char *prefix, struct err *e)
{
	CLEAN_FD int fd = open_nameless(e);
	CLEAN_FREE char *block = malloc(COPY_BYTES);
	if (fd < 0)
		return -1;
	struct packing p = { .out = archive_write_new(), .prefix = prefix, .block = block };
	int rc = 0;
	if (!p.out || !block)
		rc = err_set(e, ERR_NOMEM, "out of memory");
	else if (archive_write_set_format_pax_restricted(p.out) < ARCHIVE_OK ||
		 archive_write_add_filter_none(p.out) < ARCHIVE_OK ||
		 archive_write_open_fd(p.out, fd) < ARCHIVE_OK)
		rc = err_set(e, ERR_SYSTEM, "begin an archive: %s", archive_error_string(p.out));
	if (rc == 0)
		rc = pack_all(&p, path, e);
	if (rc == 0 && archive_write_close(p.out) < ARCHIVE_OK)
		rc = err_set(e, ERR_SYSTEM, "end an archive: %s", archive_error_string(p.out));
	archive_write_free(p.out);
	return rc < 0 ? -1 : take_fd(&fd);
}

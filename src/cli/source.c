#include "cli/source.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/dsc.h"
#include "cli/submission.h"
#include "cli/tree.h"

enum { DSC_MAX_BYTES = 1 << 20, CHANGELOG_MAX_BYTES = 64 << 20 };

/* ---- a .dsc */

static int check_file(const struct dsc_file *file, const char *path, struct err *e)
{
	struct stat st;
	if (stat(path, &st) < 0)
		return err_sys(e, "%s, which the .dsc names", path);
	if (st.st_size != file->size_bytes)
		return err_set(e, ERR_INVALID, "%s has %lld bytes, but the .dsc says %lld", path,
			       (long long)st.st_size, (long long)file->size_bytes);
	return 0;
}

static int add_dsc_files(struct submission *s, const struct dsc *dsc, const char *path, struct err *e)
{
	CLEAN_FREE char *dir = strndup(path, (size_t)(path_base(path) - path));
	if (!dir)
		return err_set(e, ERR_NOMEM, "out of memory");
	/* All are looked at before the first is sent. */
	for (int is_sending = 0; is_sending < 2; is_sending++)
		for (size_t i = 0; i < dsc->files_len; i++) {
			const struct dsc_file *file = &dsc->files[i];
			CLEAN_BUF struct buf where = BUF_INIT;
			buf_adds(&where, dir);
			buf_adds(&where, file->name);
			if (!is_sending && check_file(file, where.data, e) < 0)
				return -1;
			if (!is_sending)
				continue;
			if (submission_add_file(s, where.data, file->name, e) < 0)
				return -1;
			if (strcmp(s->inputs[s->inputs_len - 1].sha256, file->sha256) != 0)
				return err_set(e, ERR_INVALID,
					       "%s is not the file the .dsc names (SHA-256 differs)",
					       where.data);
		}
	return 0;
}

static int add_dsc(struct submission *s, const char *path, struct buf *name, struct err *e)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct dsc dsc;
	if (fd_read_file(AT_FDCWD, path, DSC_MAX_BYTES, &text, e) < 0)
		return err_wrap(e, "read %s", path);
	if (dsc_parse(text.data, text.len, &a, &dsc, e) < 0)
		return err_wrap(e, "%s", path);
	if (submission_add_file(s, path, path_base(path), e) < 0 || add_dsc_files(s, &dsc, path, e) < 0)
		return -1;
	buf_addf(name, "%s_%s", dsc.source, dsc.version);
	return 0;
}

/* ---- a folder */

/* "hello (2.10-3) unstable; urgency=medium" → "hello_2.10-3". */
static int parse_changelog(const char *text, struct buf *name, struct err *e)
{
	text += strspn(text, " \t\n");
	size_t name_len = strcspn(text, " \t\n(");
	const char *open = text + name_len + strspn(text + name_len, " \t");
	size_t version_len = *open == '(' ? strcspn(open + 1, ") \t\n") : 0;
	if (name_len == 0 || version_len == 0 || open[1 + version_len] != ')')
		return err_set(e, ERR_INVALID,
			       "its first line must be like: hello (2.10-3) unstable; urgency=medium");
	buf_add(name, text, name_len);
	buf_addc(name, '_');
	buf_add(name, open + 1, version_len);
	return 0;
}

static int add_folder(struct submission *s, const char *path, struct buf *name, struct err *e)
{
	CLEAN_BUF struct buf where = BUF_INIT;
	CLEAN_BUF struct buf changelog = BUF_INIT;
	path_join(&where, path, "debian/changelog");
	if (fd_read_file(AT_FDCWD, where.data, CHANGELOG_MAX_BYTES, &changelog, e) < 0)
		return err_wrap(e, "%s is no unpacked source package", path);
	if (parse_changelog(changelog.data, name, e) < 0)
		return err_wrap(e, "%s", where.data);
	CLEAN_FD int fd = tree_pack(path, "source", e);
	if (fd < 0)
		return err_wrap(e, "pack %s", path);
	return submission_add_fd(s, fd, path, "source.tar", false, e);
}

int source_add(struct submission *s, const char *path, struct buf *name, struct err *e)
{
	struct stat st;
	size_t len = strlen(path);
	if (stat(path, &st) < 0)
		return err_sys(e, "%s", path);
	if (S_ISDIR(st.st_mode))
		return add_folder(s, path, name, e);
	if (len > 4 && strcmp(path + len - 4, ".dsc") == 0)
		return add_dsc(s, path, name, e);
	return err_set(e, ERR_INVALID, "%s is neither a .dsc file nor a folder", path);
}

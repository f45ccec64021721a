/* A move: a backup of the one, restored as the other. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/fd.h"
#include "base/path.h"
#include "store/backup_priv.h"

#define WORK_NAME "move.tmp"

static bool is_same_folder(const char *a, const char *b)
{
	struct stat x, y;
	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int check_both(const struct store_place *from, const struct store_place *to, struct err *e)
{
	if (from->db_url && to->db_url && strcmp(from->db_url, to->db_url) == 0)
		return err_set(e, ERR_INVALID, "both are the same database");
	if ((to->db_url ? dbserver_check_absent(to->db_url, e) : dbfile_check_absent(to->data_dir, e)) < 0)
		return -1;
	return from->db_url ? dbserver_check_unused(from->db_url, e) : 0;
}

static int move_open(struct store *s, const struct store_place *to, bool is_same, struct backup_report *out,
		     struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	const char *work = path_join_in(&a, to->data_dir, WORK_NAME);
	if (!work)
		return err_set(e, ERR_NOMEM, "move");
	/* What one that was cut short has left. */
	if (fd_remove_tree(AT_FDCWD, work, e) < 0 || store_backup(s, work, out, e) < 0)
		return -1;
	int rc = restore_into(work, to, is_same, out, e);
	return fd_remove_tree(AT_FDCWD, work, rc < 0 ? NULL : e) < 0 ? -1 : rc;
}

int store_move(const struct store_place *from, const struct store_place *to, struct backup_report *out,
	       struct err *e)
{
	struct store_options o = { .data_dir = from->data_dir,
				   .files_dir = from->files_dir,
				   .db_url = from->db_url };
	struct store *s;
	if (fd_mkdirs(to->data_dir, 0750, e) < 0 || check_both(from, to, e) < 0 || store_open(&s, &o, e) < 0)
		return err_wrap(e, "move");
	int rc = move_open(s, to, is_same_folder(from->data_dir, to->data_dir), out, e);
	store_close(s);
	return rc < 0 ? err_wrap(e, "move") : 0;
}

#include "store/servers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/random.h"
#include "store/store_priv.h"

#define FOLDER_FILE "server-id" /* in the data folder: whose it is */
#define FILES_FILE "files-id"	/* in the folder of files */
#define FILES_META "files"	/* and the same in the table meta */

enum {
	ID_BYTES = RANDOM_HEX_BYTES(16),
	TRIES = 8,
	NAMES_MAX = 1000,
	FORGET_MS = 7 * 24 * 3600 * 1000, /* rows of servers that are gone */
};

int64_t store_server_id(const struct store *s)
{
	return s->server.id;
}

const char *store_server_name(const struct store *s)
{
	return s->server.name;
}

/* "" = there is no such file. */
static int read_id(const char *dir, const char *file, char id[ID_BYTES], struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	CLEAN_BUF struct buf text = BUF_INIT;
	path_join(&path, dir, file);
	*id = '\0';
	if (buf_check(&path, e) < 0)
		return -1;
	if (access(path.data, F_OK) < 0 && errno == ENOENT)
		return 0;
	if (fd_read_file(AT_FDCWD, path.data, 1024, &text, e) < 0)
		return -1;
	snprintf(id, ID_BYTES, "%.*s", (int)strcspn(text.data, "\n"), text.data);
	return *id ? 0 : err_set(e, ERR_CORRUPT, "%s is empty", path.data);
}

static int write_id(const char *dir, const char *file, char id[ID_BYTES], struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	char line[ID_BYTES + 1];
	path_join(&path, dir, file);
	if (buf_check(&path, e) < 0 || random_hex(id, 16, e) < 0)
		return -1;
	snprintf(line, sizeof line, "%s\n", id);
	return fd_replace_file(AT_FDCWD, path.data, line, strlen(line), 0644, e);
}

/* --- one folder of files --- */

static int get_mark(struct tx *tx, char mark[ID_BYTES], struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	*mark = '\0';
	if (tx_query(tx, STMT_META_GET, DB_ARGS(db_str(FILES_META)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc > 0)
		snprintf(mark, ID_BYTES, "%s", db_col_text(&rows, 0));
	return rc < 0 ? -1 : 0;
}

/* The first server's folder gets the mark; the database learns it with the commit that follows. */
static int check_files(struct tx *tx, struct err *e)
{
	const struct store *s = tx->store;
	char here[ID_BYTES], there[ID_BYTES];
	if (read_id(s->files_dir, FILES_FILE, here, e) < 0 || get_mark(tx, there, e) < 0)
		return -1;
	if (strcmp(here, there) == 0 && *here)
		return 0;
	if (*there && *here)
		return err_set(
			e, ERR_CONFLICT,
			"the folder %s is not the one where the other servers on this database keep blobs and"
			" logs, but another's: give theirs by --files",
			s->files_dir);
	if (*there)
		return err_set(
			e, ERR_CONFLICT,
			"the folder %s is not the one where the servers on this database keep blobs and logs"
			" (theirs has a file %s with %s in it): give theirs by --files",
			s->files_dir, FILES_FILE, there);
	if (!s->is_serving)
		return 0;
	if (*here)
		return err_set(
			e, ERR_CONFLICT,
			"the folder %s holds the blobs and logs of another database; if that one is gone for"
			" good, remove the file %s in it",
			s->files_dir, FILES_FILE);
	if (write_id(s->files_dir, FILES_FILE, here, e) < 0)
		return -1;
	return tx_exec(tx, STMT_META_ADD, DB_ARGS(db_str(FILES_META), db_str(here)), NULL, e);
}

/* --- our row --- */

static void machine_name(char *name, size_t size)
{
	if (gethostname(name, size) != 0)
		name[0] = '\0';
	name[size - 1] = '\0';
	if (!path_is_safe_name(name))
		snprintf(name, size, "local");
}

static int choose_name(struct tx *tx, const char *folder, char *name, size_t size, struct err *e)
{
	char base[64];
	int64_t taken = 1;
	machine_name(base, sizeof base);
	snprintf(name, size, "%s", base);
	for (int i = 2; i < NAMES_MAX; i++) {
		if (tx_get_int(tx, STMT_SERVER_NAMED, DB_ARGS(db_str(name), db_str(folder)), &taken, e) < 0)
			return -1;
		if (!taken)
			return 0;
		snprintf(name, size, "%s-%d", base, i);
	}
	return err_set(e, ERR_CONFLICT, "too many servers are called %s", base);
}

static int add_row(struct tx *tx, const char *folder, struct err *e)
{
	struct store *s = tx->store;
	char name[sizeof s->server.name];
	CLEAN_ROWS struct db_rows rows = { .db = tx->db };
	int64_t forget_ms = db_began_ms(tx->db) - FORGET_MS;
	if (tx_exec(tx, STMT_SERVER_FORGET, DB_ARGS(db_int(forget_ms)), NULL, e) < 0 ||
	    choose_name(tx, folder, name, sizeof name, e) < 0 ||
	    tx_query(tx, STMT_SERVER_ADD, DB_ARGS(db_str(folder), db_str(name), db_str(SLIPWAY_VERSION)),
		     &rows, e) < 0 ||
	    db_next(&rows, e) <= 0)
		return -1;
	s->server.id = db_col_int(&rows, 0);
	snprintf(s->server.name, sizeof s->server.name, "%s", db_col_text(&rows, 1));
	return 0;
}

/* One server after the other: each sees what the one before has chosen. */
static int lock(struct tx *tx, struct err *e)
{
	int64_t got;
	return tx_get_int(tx, STMT_SERVER_LOCK, DB_NO_ARGS, &got, e);
}

static int enlist(struct tx *tx, const char *folder, struct err *e)
{
	if (db_begin(tx->db, e) < 0 || lock(tx, e) < 0 || check_files(tx, e) < 0)
		return -1;
	if (tx->store->is_serving && add_row(tx, folder, e) < 0)
		return -1;
	return db_commit(tx->db, e);
}

int servers_open(struct store *s, struct err *e)
{
	char folder[ID_BYTES] = "";
	machine_name(s->server.name, sizeof s->server.name);
	if (!store_is_shared(s))
		return 0;
	if (s->is_serving && (read_id(s->data_dir, FOLDER_FILE, folder, e) < 0 ||
			      (!*folder && write_id(s->data_dir, FOLDER_FILE, folder, e) < 0)))
		return -1;
	for (int i = 0;; i++) {
		int rc = enlist(&s->writer, folder, e);
		bool is_again = rc < 0 && db_must_repeat(s->writer.db) && !db_is_lost(s->writer.db);
		db_rollback(s->writer.db);
		if (!is_again || i == TRIES)
			return rc;
		err_clear(e);
		dbserver_pause(i);
	}
}

void servers_close(struct store *s)
{
	if (!s->server.id || db_is_lost(s->writer.db))
		return;
	if (db_begin(s->writer.db, NULL) == 0 &&
	    tx_exec(&s->writer, STMT_SERVER_END, DB_ARGS(db_int(s->server.id)), NULL, NULL) == 0)
		db_commit(s->writer.db, NULL);
	db_rollback(s->writer.db);
}

int servers_list(struct tx *tx, struct arena *a, struct server_row **out, size_t *n, struct err *e)
{
	int64_t count = 0;
	*n = 0;
	*out = NULL;
	if (!store_is_shared(tx->store))
		return 0;
	if (tx_get_int(tx, STMT_SERVER_COUNT, DB_NO_ARGS, &count, e) < 0)
		return -1;
	*out = arena_array(a, (size_t)count + 1, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "servers");
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_SERVER_LIST, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc = 0;
	while (*n < (size_t)count && (rc = db_next(&rows, e)) > 0) {
		struct server_row *r = &(*out)[(*n)++];
		*r = (struct server_row){ .id = db_col_int(&rows, 0),
					  .name = db_col_str(&rows, 1, a),
					  .version = db_col_str(&rows, 2, a),
					  .started_ms = db_col_int(&rows, 3),
					  .beat_ms = db_col_int(&rows, 4),
					  .is_alive = db_col_int(&rows, 5) != 0 };
		if (!r->name || !r->version)
			return err_set(e, ERR_NOMEM, "servers");
	}
	return rc < 0 ? -1 : 0;
}

int holder_find(struct tx *tx, int64_t least_ms, struct arena *a, struct holder *out, struct err *e)
{
	CLEAN_ROWS struct db_rows rows = { .db = tx->db };
	*out = (struct holder){ .user = "" };
	if (!store_is_shared(tx->store))
		return 0;
	if (tx_query(tx, STMT_VACUUM_HELD, DB_ARGS(db_int(least_ms)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc <= 0)
		return rc;
	*out = (struct holder){ .is_there = true,
				.pid = db_col_int(&rows, 0),
				.user = db_col_str(&rows, 1, a),
				.application = db_col_str(&rows, 2, a),
				.state = db_col_str(&rows, 3, a),
				.age_ms = db_col_int(&rows, 4) };
	return out->user && out->application && out->state ? 0 : err_set(e, ERR_NOMEM, "status");
}

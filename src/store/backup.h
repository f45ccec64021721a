/* A backup is a folder: the tables as text, the same from every database, and the files.
 *
 *   manifest.json    written last: what is in it, how many rows, their digests. Without it the folder is no backup
 *   TABLE.jsonl      a row a line (store/tables_priv.h), as of one moment
 *   blobs/ logs/     hard links where the file system can, else copies
 *   tls/             the CA, if there is one: whoever has joined knows the servers by it, also those of a restore
 *
 * A backup can be restored into an empty installation on either database; so a move is a backup and its restore.
 * Any thread; not from a task's run(). They take long. */
#ifndef SLIPWAY_STORE_BACKUP_H
#define SLIPWAY_STORE_BACKUP_H

#include <stdint.h>

struct err;
struct store;

/* Where an installation is. */
struct store_place {
	const char *data_dir;
	const char *files_dir; /* holds blobs/ and logs/; NULL: data_dir */
	const char *db_url;    /* NULL: SQLite in data_dir */
};

struct backup_report {
	int64_t jobs, rows, blobs, logs;
};

/* Of the store as it is while others go on reading and writing: on a connection of its own that only reads, which sees
 * one moment. `to` must not exist or be an empty folder. Every blob that a row of that moment names is in it: blobs are
 * taken before the tables and again after them, and one that came meanwhile is too young to be removed. */
int store_backup(struct store *s, const char *to, struct backup_report *out, struct err *e);

/* Into a place that holds no installation; ERR_CONFLICT otherwise.
 * Files that are there already and are the same stay. Each table is read back and compared with the manifest, each blob
 * is hashed, before the one commit that makes it an installation. What is left of one that was cut short is started over by
 * the next; until then no server starts on it.
 *
 * All workers' sessions end by it: whoever holds an attempt from before, or from a time that the backup does not know,
 * gets ERR_STALE for whatever it wants to write, and ends that attempt. What was leased is released. */
int store_restore(const char *from, const struct store_place *to, struct backup_report *out, struct err *e);

/* Takes over a whole installation that no server uses (ERR_BUSY). The first stays as it is. Both may have one folder of files if
 * the databases differ; then the files stay where they are. */
int store_move(const struct store_place *from, const struct store_place *to, struct backup_report *out,
	       struct err *e);

#endif

/* Between making a backup and restoring it. */
#ifndef SLIPWAY_STORE_BACKUP_PRIV_H
#define SLIPWAY_STORE_BACKUP_PRIV_H

#include <stdbool.h>

#include "store/backup.h"
#include "store/store_priv.h"
#include "store/tables_priv.h"

#define BACKUP_MANIFEST "manifest.json"
enum { BACKUP_FORMAT = 1, BACKUP_NAME_BYTES = 64, BACKUP_TABLES_MAX = 32 };

/* "job.jsonl" */
void backup_table_name(size_t at, char out[BACKUP_NAME_BYTES]);
/* Make it if it is not there, and open it. */
int backup_folder(int dir_fd, const char *name, struct err *e);
/* A file of one folder into the other, under the same name: 1, or 0 if there is no such file. What is there already stays.
 * A link is another name for the same file; of what still grows it must be a copy. */
int backup_take(int from_fd, int to_fd, const char *name, bool is_link_fine, struct err *e);
/* The CA by which workers know the servers of the installation (http/tls.h), if it has one: files of tls/ in both folders. */
int backup_take_ca(int from_fd, int to_fd, struct err *e);
/* All blobs of a folder that the other one lacks. `is_checked`: and every one is hashed there, be it new or not; one of
 * another content is ERR_CORRUPT. *count: how many were taken, and with `is_checked`, how many there are. */
int backup_take_blobs(int from_fd, int to_fd, bool is_checked, int64_t *count, struct err *e);

/* store_restore(). `is_locked`: the data folder is that of a store of this process. */
int restore_into(const char *from, const struct store_place *to, bool is_locked, struct backup_report *out,
		 struct err *e);

/* Of a restore that has not ended: the name of a file in the data folder. */
#define RESTORE_MARK "restoring"

#endif

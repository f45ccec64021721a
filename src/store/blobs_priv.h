/* What the files about blobs share: blobs.c has the folder, blob_uploads.c what is on its way into it. */
#ifndef SLIPWAY_STORE_BLOBS_PRIV_H
#define SLIPWAY_STORE_BLOBS_PRIV_H

struct blobs;
struct err;
struct store;

/* Between a blob that gets its name and one that is removed: of threads, and of servers that share the folder. */
void blobs_lock_names(struct blobs *b);
void blobs_unlock_names(struct blobs *b);
/* At start: away with uploads that a crash cut short, but for those that may yet be resumed; their folder is made. */
int blobs_remove_parts(struct store *s, struct err *e);

#endif

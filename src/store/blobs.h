/* Blobs: files named by the sha256 of their content, in files_dir/blobs/. Written to a temporary name,
 * verified, fsynced, renamed, and only then may a row name them. Any thread; no transaction. */
#ifndef SLIPWAY_STORE_BLOBS_H
#define SLIPWAY_STORE_BLOBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blob_upload;
struct err;
struct store;
struct tx;

/* An upload in parts. `sha256` NULL: not known before. Commit refuses content that is not what was
 * announced, and gives the address. Abort (or commit) frees. A blob that is there already is fine. */
int blob_upload_begin(struct store *s, const char *sha256, int64_t limit_bytes, struct blob_upload **out,
		      struct err *e);
int blob_upload_add(struct blob_upload *u, const void *bytes, size_t n, struct err *e);
int blob_upload_commit(struct blob_upload *u, char sha256[65], int64_t *size_bytes, struct err *e);
void blob_upload_abort(struct blob_upload *u);

/* One that may come in several pieces, each on another connection: what is here of it when an upload is aborted stays, for a
 * day, under `key` (64 hexadecimal digits, to be guessed by nobody else). It goes on at `offset`, or is begun anew at 0;
 * ERR_CONFLICT: not so much of it is here. Whoever resumes it takes it over: an older upload with the key can add no more
 * (ERR_CONFLICT). Commit checks all of it; ERR_CONFLICT: what was here is damaged and gone, to be begun anew. */
int blob_upload_resume(struct store *s, const char *key, const char *sha256, int64_t offset,
		       int64_t limit_bytes, struct blob_upload **out, struct err *e);
/* How much of it is here; whole: as a blob. */
int blob_upload_size(struct store *s, const char *key, const char *sha256, int64_t *size_bytes,
		     bool *is_whole, struct err *e);

int blob_put(struct store *s, const void *bytes, size_t n, char sha256[65], struct err *e);
bool blob_exists(struct store *s, const char *sha256, int64_t *size_bytes);
/* A descriptor to read from, or -1. */
int blob_open(struct store *s, const char *sha256, int64_t *size_bytes, struct err *e);
/* files_dir/blobs: what a worker on this machine may read directly. */
const char *blob_dir(const struct store *s);
/* Remove blobs that no row names and that are older than `grace_ms`; in a write task. */
int blobs_gc(struct tx *tx, int64_t grace_ms, int *removed, int64_t *bytes, struct err *e);

#endif

/* Descriptors and files. Everything opened here is close-on-exec. Any thread. */
#ifndef SLIPWAY_BASE_FD_H
#define SLIPWAY_BASE_FD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;

/* All `n` bytes, through EINTR and short counts. 0 or -1. */
int fd_write_all(int fd, const void *bytes, size_t n, struct err *e);
/* Up to `n` bytes until end of file; *got says how many. */
int fd_read_full(int fd, void *bytes, size_t n, size_t *got, struct err *e);
/* The whole of a file, refused (ERR_TOO_LARGE) over `limit` bytes. `dirfd` may be AT_FDCWD. */
int fd_read_file(int dirfd, const char *path, size_t limit, struct buf *out, struct err *e);
/* Replace a file as one step: temporary name beside it, fsync, rename, fsync of the folder. */
int fd_replace_file(int dirfd, const char *path, const void *bytes, size_t n, mode_t mode, struct err *e);
/* Open beneath `dirfd` without following any link and without leaving it (openat2). -1 on failure. */
int fd_open_beneath(int dirfd, const char *path, int flags, struct err *e);
/* mkdir -p; what exists already is fine if it is a folder. */
int fd_mkdirs(const char *path, mode_t mode, struct err *e);
/* Remove a tree beneath `dirfd`: never follows a link, never leaves it, depth-safe. What isn't there is fine. */
int fd_remove_tree(int dirfd, const char *name, struct err *e);
int fd_set_nonblocking(int fd, struct err *e);

#endif

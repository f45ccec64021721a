#include "store/logs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zstd.h>

#include "base/clean.h"
#include "base/fd.h"
#include "model/logfile.h"
#include "store/log_priv.h"

struct log_reader {
	int fd;
	int64_t offset;
	/* Compressed: */
	ZSTD_DStream *zstd;
	unsigned char *in;
	ZSTD_inBuffer pending;
};

const char *logs_dir(const struct store *s)
{
	return s->logs.dir;
}

pthread_mutex_t *log_stripe(struct logs *l, int64_t job)
{
	return &l->stripes[(uint64_t)job % ARRAY_LEN(l->stripes)];
}

char *log_sealed_name(int64_t job, int attempt, char out[LOG_SEALED_NAME_BYTES])
{
	char plain[LOG_FILE_NAME_BYTES];
	snprintf(out, LOG_SEALED_NAME_BYTES, "%s.zst", log_file_name(job, attempt, plain));
	return out;
}

/* The size of what is in it, from the frame's header; -1 = no such file, or not one of ours. */
static int64_t sealed_size(int fd)
{
	unsigned char head[18]; /* ZSTD_FRAMEHEADERSIZE_MAX */
	ssize_t n = pread(fd, head, sizeof head, 0);
	unsigned long long size = n > 0 ? ZSTD_getFrameContentSize(head, (size_t)n) : ZSTD_CONTENTSIZE_ERROR;
	return size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN ? -1 : (int64_t)size;
}

static int64_t find_sealed(struct logs *l, int64_t job, int attempt)
{
	char name[LOG_SEALED_NAME_BYTES];
	CLEAN_FD int fd = openat(l->dir_fd, log_sealed_name(job, attempt, name),
				 O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -1 : sealed_size(fd);
}

int64_t log_size(struct store *s, int64_t job, int attempt)
{
	char name[LOG_FILE_NAME_BYTES];
	struct stat st;
	if (fstatat(s->logs.dir_fd, log_file_name(job, attempt, name), &st, AT_SYMLINK_NOFOLLOW) == 0)
		return st.st_size;
	int64_t size = find_sealed(&s->logs, job, attempt);
	return size < 0 ? 0 : size;
}

static int append_locked(struct logs *l, int64_t job, int attempt, int64_t offset, const char *bytes,
			 size_t n, int64_t *size, struct err *e)
{
	char name[LOG_FILE_NAME_BYTES];
	struct stat st;
	int64_t end = offset + (int64_t)n;
	log_file_name(job, attempt, name);
	CLEAN_FD int fd = openat(l->dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 && errno == ENOENT) {
		*size = find_sealed(l, job, attempt);
		if (*size >= end)
			return 0;
		if (*size >= 0)
			return err_set(e, ERR_CONFLICT, "the log of job %lld, attempt %d is closed",
				       (long long)job, attempt);
		*size = 0;
		if (offset > 0)
			return err_set(e, ERR_CONFLICT, "log of job %lld: there is a gap before %lld",
				       (long long)job, (long long)offset);
		fd = openat(l->dir_fd, name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "log of job %lld", (long long)job);
	*size = st.st_size;
	if (offset > *size)
		return err_set(e, ERR_CONFLICT, "log of job %lld: there is a gap from %lld to %lld",
			       (long long)job, (long long)*size, (long long)offset);
	if (end <= *size)
		return 0;
	size_t known = (size_t)(*size - offset);
	if (lseek(fd, *size, SEEK_SET) < 0)
		return err_sys(e, "log of job %lld", (long long)job);
	if (fd_write_all(fd, bytes + known, n - known, e) < 0)
		return err_wrap(e, "log of job %lld", (long long)job);
	*size = end;
	return 0;
}

int log_append(struct store *s, int64_t job, int attempt, int64_t offset, const void *bytes, size_t n,
	       int64_t *size, struct err *e)
{
	if (offset < 0 || offset > INT64_MAX - (int64_t)n)
		return err_set(e, ERR_INVALID, "log offset out of range");
	pthread_mutex_t *lock = log_stripe(&s->logs, job);
	pthread_mutex_lock(lock);
	int rc = append_locked(&s->logs, job, attempt, offset, bytes, n, size, e);
	pthread_mutex_unlock(lock);
	return rc;
}

/* A plain log that vanishes while we look has been sealed: its other name was there before. */
static int open_either(struct logs *l, int64_t job, int attempt, bool *is_sealed)
{
	char plain[LOG_FILE_NAME_BYTES], sealed[LOG_SEALED_NAME_BYTES];
	int fd = openat(l->dir_fd, log_file_name(job, attempt, plain), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	*is_sealed = fd < 0;
	if (fd < 0 && errno == ENOENT)
		fd = openat(l->dir_fd, log_sealed_name(job, attempt, sealed),
			    O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd;
}

static int skip(struct log_reader *r, int64_t offset, struct err *e)
{
	char trash[16384];
	while (r->offset < offset) {
		int64_t left = offset - r->offset;
		int64_t n = log_reader_read(r, trash,
					    left < (int64_t)sizeof trash ? (size_t)left : sizeof trash, e);
		if (n <= 0)
			return (int)n;
	}
	return 0;
}

int log_reader_open(struct store *s, int64_t job, int attempt, int64_t offset, struct log_reader **out,
		    struct err *e)
{
	bool is_sealed;
	*out = NULL;
	CLEAN_FD int fd = open_either(&s->logs, job, attempt, &is_sealed);
	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "job %lld, attempt %d has no log file", (long long)job,
			       attempt);
	if (fd < 0)
		return err_sys(e, "log of job %lld", (long long)job);
	struct log_reader *r = calloc(1, sizeof *r);
	if (!r)
		return err_set(e, ERR_NOMEM, "log");
	r->fd = take_fd(&fd);
	r->offset = is_sealed ? 0 : offset;
	if (is_sealed) {
		r->in = malloc(ZSTD_DStreamInSize());
		r->zstd = ZSTD_createDStream();
		if (!r->in || !r->zstd) {
			log_reader_close(r);
			return err_set(e, ERR_NOMEM, "log");
		}
		r->pending.src = r->in;
		if (skip(r, offset, e) < 0) {
			log_reader_close(r);
			return -1;
		}
	}
	*out = r;
	return 0;
}

static int64_t read_sealed(struct log_reader *r, void *bytes, size_t n, struct err *e)
{
	ZSTD_outBuffer out = { bytes, n, 0 };
	while (out.pos == 0 && n) {
		if (r->pending.pos == r->pending.size) {
			ssize_t got = read(r->fd, r->in, ZSTD_DStreamInSize());
			if (got < 0)
				return err_sys(e, "read log");
			if (got == 0)
				break;
			r->pending.size = (size_t)got;
			r->pending.pos = 0;
		}
		size_t rc = ZSTD_decompressStream(r->zstd, &out, &r->pending);
		if (ZSTD_isError(rc))
			return err_set(e, ERR_CORRUPT, "a compressed log is damaged: %s",
				       ZSTD_getErrorName(rc));
	}
	return (int64_t)out.pos;
}

int64_t log_reader_read(struct log_reader *r, void *bytes, size_t n, struct err *e)
{
	int64_t got;
	if (r->zstd)
		got = read_sealed(r, bytes, n, e);
	else if ((got = pread(r->fd, bytes, n, r->offset)) < 0)
		err_sys(e, "read log");
	if (got > 0)
		r->offset += got;
	return got;
}

void log_reader_close(struct log_reader *r)
{
	if (!r)
		return;
	close(r->fd);
	ZSTD_freeDStream(r->zstd);
	free(r->in);
	free(r);
}

/* Sealing: a log that will not grow any more is compressed, by a thread of its own. At every moment one of
 * its two names leads to the whole of it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <zstd.h>

#include "base/clean.h"
#include "base/fd.h"
#include "base/random.h"
#include "store/log_priv.h"

#define TEMPORARY_NAME ".sealing"
enum { LEVEL = 3 };

static void clean_cstream(ZSTD_CStream **z)
{
	ZSTD_freeCStream(*z);
}

static int compress(int from, int to, int64_t size, struct err *e)
{
	CLEAN(clean_cstream) ZSTD_CStream *z = ZSTD_createCStream();
	CLEAN_FREE char *in = malloc(ZSTD_CStreamInSize()), *out = malloc(ZSTD_CStreamOutSize());
	if (!z || !in || !out)
		return err_set(e, ERR_NOMEM, "compress a log");
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setPledgedSrcSize(z, (unsigned long long)size);
	for (int64_t at = 0;;) {
		int64_t want = size - at < (int64_t)ZSTD_CStreamInSize() ? size - at
									 : (int64_t)ZSTD_CStreamInSize();
		size_t n;
		if (fd_read_full(from, in, (size_t)want, &n, e) < 0)
			return -1;
		at += (int64_t)n;
		bool is_last = at == size;
		if ((int64_t)n < want)
			return err_set(e, ERR_SYSTEM, "a log became shorter");
		ZSTD_inBuffer src = { in, n, 0 };
		size_t left;
		do {
			ZSTD_outBuffer dst = { out, ZSTD_CStreamOutSize(), 0 };
			left = ZSTD_compressStream2(z, &dst, &src, is_last ? ZSTD_e_end : ZSTD_e_continue);
			if (ZSTD_isError(left))
				return err_set(e, ERR_SYSTEM, "compress a log: %s", ZSTD_getErrorName(left));
			if (fd_write_all(to, out, dst.pos, e) < 0)
				return -1;
		} while (is_last ? left > 0 : src.pos < src.size);
		if (is_last)
			return 0;
	}
}

static int swap_names(struct logs *l, const char *plain, const char *sealed, int plain_fd, int64_t size,
		      struct err *e)
{
	struct stat st;
	/* Somebody wrote after all: leave it as it is. */
	if (fstat(plain_fd, &st) < 0 || st.st_size != size)
		return err_set(e, ERR_CONFLICT, "a log that ended has grown");
	if (renameat(l->dir_fd, l->temporary, l->dir_fd, sealed) < 0 || fsync(l->dir_fd) < 0 ||
	    (unlinkat(l->dir_fd, plain, 0) < 0 && errno != ENOENT))
		return err_sys(e, "seal a log");
	return 0;
}

static int seal(struct logs *l, const struct seal_job *j, struct err *e)
{
	char plain[LOG_FILE_NAME_BYTES], sealed[LOG_SEALED_NAME_BYTES];
	struct stat st;
	log_file_name(j->job, j->attempt, plain);
	log_sealed_name(j->job, j->attempt, sealed);
	/* To write, since a network's file system locks for writing only what is open for it. */
	CLEAN_FD int from = openat(l->dir_fd, plain, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (from < 0 && errno == ENOENT)
		return 0;
	if (from < 0)
		return err_sys(e, "seal a log");
	/* Another server does it. */
	if (flock(from, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? 0 : err_sys(e, "seal a log");
	if (fstat(from, &st) < 0)
		return err_sys(e, "seal a log");
	/* Or has done it. */
	if (st.st_nlink == 0)
		return 0;
	CLEAN_FD int to = openat(l->dir_fd, l->temporary,
				 O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (to < 0)
		return err_sys(e, "seal a log");
	if (compress(from, to, st.st_size, e) < 0)
		return -1;
	if (fsync(to) < 0)
		return err_sys(e, "sync a log");
	pthread_mutex_t *lock = log_stripe(l, j->job);
	pthread_mutex_lock(lock);
	int rc = swap_names(l, plain, sealed, from, st.st_size, e);
	pthread_mutex_unlock(lock);
	return rc;
}

static bool take_job(struct logs *l, struct seal_job *out)
{
	pthread_mutex_lock(&l->lock);
	while (!l->todo_len && !l->is_stopping)
		pthread_cond_wait(&l->wake, &l->lock);
	/* What is left when the store closes is found when it is opened again. */
	bool has_one = !l->is_stopping;
	if (has_one)
		*out = l->todo[--l->todo_len];
	pthread_mutex_unlock(&l->lock);
	return has_one;
}

/* A log that could not be sealed stays as it is: readable, and found again at the next opening. */
static void *seal_main(void *arg)
{
	struct logs *l = arg;
	struct seal_job j;
	while (take_job(l, &j))
		if (seal(l, &j, NULL) < 0)
			unlinkat(l->dir_fd, l->temporary, 0);
	return NULL;
}

static int add_job(struct logs *l, int64_t job, int attempt)
{
	int rc = 0;
	pthread_mutex_lock(&l->lock);
	if (l->todo_len == l->todo_cap) {
		size_t cap = l->todo_cap ? l->todo_cap * 2 : 64;
		struct seal_job *more = reallocarray(l->todo, cap, sizeof *more);
		rc = more ? 0 : -1;
		l->todo = more ? more : l->todo;
		l->todo_cap = more ? cap : l->todo_cap;
	}
	if (rc == 0) {
		l->todo[l->todo_len++] = (struct seal_job){ job, attempt };
		pthread_cond_signal(&l->wake);
	}
	pthread_mutex_unlock(&l->lock);
	return rc;
}

void log_seal(struct store *s, int64_t job, int attempt)
{
	add_job(&s->logs, job, attempt);
}

/* "JOB.ATTEMPT" and nothing behind it. */
static bool parse_name(const char *name, int64_t *job, int *attempt)
{
	char *end, again[LOG_FILE_NAME_BYTES];
	errno = 0;
	*job = strtoll(name, &end, 10);
	if (errno || end == name || *end != '.')
		return false;
	long n = strtol(end + 1, &end, 10);
	*attempt = (int)n;
	return !errno && n > 0 && n == *attempt && strcmp(log_file_name(*job, *attempt, again), name) == 0;
}

int logs_find_unsealed(struct tx *tx, struct err *e)
{
	struct store *s = tx->store;
	struct logs *l = &s->logs;
	int copy = openat(l->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	CLEAN_DIR DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	if (!dir)
		return err_sys(e, "read %s", l->dir);
	struct dirent *entry;
	while ((entry = readdir(dir))) {
		int64_t job, outcome = OUTCOME_RUNNING;
		int attempt;
		if (!parse_name(entry->d_name, &job, &attempt))
			continue;
		if (tx_get_int(tx, STMT_ATTEMPT_OUTCOME, DB_ARGS(db_int(job), db_int(attempt)), &outcome, e) <
		    0)
			return -1;
		if (outcome != OUTCOME_RUNNING)
			add_job(l, job, attempt);
	}
	return 0;
}

int logs_open(struct store *s, struct err *e)
{
	struct logs *l = &s->logs;
	for (size_t i = 0; i < ARRAY_LEN(l->stripes); i++)
		pthread_mutex_init(&l->stripes[i], NULL);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, NULL);
	if (asprintf(&l->dir, "%s/logs", s->files_dir) < 0) {
		l->dir = NULL;
		return err_set(e, ERR_NOMEM, "open logs");
	}
	if (mkdir(l->dir, 0750) < 0 && errno != EEXIST)
		return err_sys(e, "make %s", l->dir);
	l->dir_fd = open(l->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (l->dir_fd < 0)
		return err_sys(e, "open %s", l->dir);
	/* Who shares the folder seals under a name of its own. */
	char token[RANDOM_HEX_BYTES(8)] = "";
	if (store_is_shared(s) && random_hex(token, 8, e) < 0)
		return -1;
	snprintf(l->temporary, sizeof l->temporary, "%s%s", TEMPORARY_NAME, token);
	unlinkat(l->dir_fd, l->temporary, 0);
	if (db_begin(s->writer.db, e) < 0)
		return -1;
	int found = logs_find_unsealed(&s->writer, e);
	db_rollback(s->writer.db);
	if (found < 0)
		return -1;
	int rc = pthread_create(&l->thread, NULL, seal_main, l);
	if (rc)
		return err_set(e, ERR_SYSTEM, "start a thread of the store: error %d", rc);
	l->is_running = true;
	return 0;
}

void logs_close(struct store *s)
{
	struct logs *l = &s->logs;
	if (l->is_running) {
		pthread_mutex_lock(&l->lock);
		l->is_stopping = true;
		pthread_cond_signal(&l->wake);
		pthread_mutex_unlock(&l->lock);
		pthread_join(l->thread, NULL);
	}
	if (l->dir_fd >= 0)
		close(l->dir_fd);
	free(l->todo);
	free(l->dir);
}

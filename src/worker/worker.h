/* The worker: leases specs from a server, runs them, reports.
 *
 * It knows no kinds and no database. One thread, one loop over four descriptors: the server (http/client.h), the
 * attempts (run/run.h), signals, and the control descriptor by which `serve` says that it goes.
 *
 * What it keeps to:
 *   - An attempt it holds is renewed by beats. When no renewal came through for a lease's time less a margin, its
 *     attempts are dead: run_keep_until() sees to it even if this process is stopped.
 *   - After a call whose fate is not known it names all it holds, so that the server takes back what it does not.
 *   - When its credential is not taken any more, or another process has come under its name, it ends what it runs and
 *     stops, in words: it doesn't fight for its place.
 *   - A result is sent again until the server has answered it, and only after the log and the artifacts are there.
 *
 * Read next: worker_priv.h. */
#ifndef SLIPWAY_WORKER_WORKER_H
#define SLIPWAY_WORKER_WORKER_H

#include <stdint.h>

struct err;

enum { WORKER_SLOTS_MAX = 1024 };

struct worker_options {
	/* As in http/client.h; of several any will do, and one that is gone is left for the next. NULL: those it has joined,
	 * or if it has not joined any, server_else. */
	const char *server, *server_else;
	/* NULL: the one it has joined as, or if it has not, name_else. */
	const char *name, *name_else;
	const char *join; /* a token to join with (worker/identity.h); NULL = none */
	const char
		*tls_ca; /* believe servers with given certificates by this file; NULL: the machine's store */
	int64_t rotate_ms;    /* the age at which its secret is replaced; 0 = a day */
	const char *work_dir; /* made if absent; one worker's alone */
	const char *const *tags;
	unsigned tags_len;
	const char *const *demands; /* tags a job must ask for, or it is not taken */
	unsigned demands_len;
	const char *const *zones; /* trust zones it is in; none: the default one */
	unsigned zones_len;
	int slots;		/* attempts at a time, 1 … WORKER_SLOTS_MAX */
	unsigned isolations;	/* bits (1 << enum isolation): offer these if they work; 0 = all that work */
	int64_t cache_bytes;	/* blobs and unpacked images kept for later; < 0: a quarter of the disk */
	int64_t min_free_bytes; /* with less room on its disk it takes no work; < 0: 2 %, at most 512 MiB */
	int control_fd;		/* its end of file asks the worker to stop; -1 = none */
};

/* What a worker keeps free on a disk of this size if nobody says how much. */
int64_t worker_min_free_bytes(int64_t disk_bytes);
/* Runs until it is asked to stop (SIGTERM, SIGINT, the control descriptor) and has given back what it held: 0.
 * -1: it cannot go on. To be called while the process has one thread. */
int worker_serve(const struct worker_options *o, struct err *e);

#endif

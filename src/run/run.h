/* Running attempts on one machine: spec in → outcome, log, artifacts out.
 *
 * A `struct run` is one worker's hands: its work folder, its spawner processes (src/sandbox), its attempts. It is
 * event-driven and never blocks on a job: the owner polls run_fd() and calls run_dispatch(), which calls back. All
 * from one thread. Each attempt is a small step machine: prepare → steps → collect → clean. When an attempt is
 * over nothing of it is left: processes, mounts, cgroups, namespaces, files.
 *
 * The log of an attempt is kept in memory while it is short; once it is longer than OUTCOME_LOG_INLINE_MAX, or
 * `log_delay_ms` old, it goes to the file log_dir/log_file_name(job, attempt) and on_log tells how far it has got.
 * Such a log is not repeated in the outcome. The limit on a log's size is kept here, with a mark where it was cut.
 *
 * Limits: over its memory or its processes the kernel refuses or kills, which is the reason if the job fails then; processor time
 * of all its processes ends it (`timeout`). A chroot in memory is bounded by the kernel; one on disk is looked at every second or so
 * and ends its job (`disk`). A log is cut at its limit, and the job ended (`output`) once as much again and 64 MiB were dropped; over its
 * rate the job waits for its output to be taken. What is collected is counted before it is taken (`output`).
 *
 * Death of the owner: the spawners notice it (end of their socket) and kill and sweep everything. run_open() on the
 * same folder waits until they have.
 *
 * Read next: model/spec.h; run/driver_priv.h for native, chroot (and later vm). */
#ifndef SLIPWAY_RUN_RUN_H
#define SLIPWAY_RUN_RUN_H

#include <stdbool.h>
#include <stdint.h>

struct err;
struct outcome;
struct run;
struct spec;

enum run_stop {
	RUN_STOP_CANCEL,  /* somebody asked: outcome cancelled */
	RUN_STOP_RELEASE, /* given back, counts for nobody: outcome released */
	RUN_STOP_STALE,	  /* the lease is lost: killed at once (no grace), nothing is reported */
};

struct run_events {
	/* The log has this many bytes in its file now (not called for logs that stay in memory). */
	void (*on_log)(void *ctx, int64_t job, int attempt, int64_t size_bytes);
	/* All processes are gone; what it produced is being gathered. Only if there is something to gather. */
	void (*on_collecting)(void *ctx, int64_t job, int attempt);
	/* It is over, and everything of it is gone from this machine but `artifact_fds`, one for each of
	 * o->artifacts, readable from the start; the callee owns and closes them. `o` is borrowed. */
	void (*on_finished)(void *ctx, const struct outcome *o, const int *artifact_fds);
};

/* What keeps this machine from being as clean as an idle one has to be. */
struct run_unclean {
	char reason[300]; /* for people */
	/* The attempt whose processes do not die; job 0: it is not an attempt. */
	int64_t job;
	int attempt;
};

struct run_options {
	const char *work_dir; /* made if absent; this worker's alone */
	const char *log_dir;  /* where logs go; NULL: work_dir/logs */
	/* Folder of blobs named by their sha256: inputs and images of a spec are there before run_start(). */
	const char *blob_dir;
	int64_t log_delay_ms; /* 0 = 100 */
	bool is_disk_only;    /* be as where memory cannot hold a scratch; for tests */
	int64_t stuck_ms;     /* killed and still not dead after this time is stuck; 0 = 30 s */
	int ready_ms; /* how long a sandbox is kept ready: 0 = a minute, -1 = none is (sandbox/spawner.h) */
	int images_kept; /* unpacked, though nobody uses them; 0 = 16 */
	struct run_events events;
	void *ctx;
};

/* `*isolations`: bits (1 << enum isolation) that work here; `why_not` (may be NULL) tells in words what keeps
 * chroots from working, "" if nothing does. */
int run_open(struct run **out, const struct run_options *o, struct err *e);
unsigned run_isolations(const struct run *r);
const char *run_why_not(const struct run *r);
/* Is the limit of this name (model/limits.h) one that this machine keeps? */
bool run_keeps(const struct run *r, const char *limit);
/* true: of an attempt that is over something could not be removed, or killed; nothing more is to be started. An attempt
 * whose processes live is not told to have finished. */
/* Some attempt is not over, or has not been told to be. */
bool run_is_busy(const struct run *r);
bool run_is_unclean(const struct run *r, struct run_unclean *out);
/* Kills what still runs, without callbacks, and waits until it is gone. NULL is fine. */
void run_close(struct run *r);

/* Poll this for POLLIN, with a timeout of at most run_timeout_ms() (-1 = none), then dispatch. */
int run_fd(const struct run *r);
int run_timeout_ms(const struct run *r);
int run_dispatch(struct run *r, struct err *e);

/* Copies what it needs. A failure to start is not an error but an outcome (on_finished comes from run_dispatch). */
int run_start(struct run *r, const struct spec *s, struct err *e);
/* TERM, the spec's grace, then KILL of the whole tree. Unknown attempts are ignored. */
void run_stop(struct run *r, int64_t job, int attempt, enum run_stop how);
/* Unpacked images are kept after use, of those nobody uses the newest `images_kept` at most, and count as used until they
 * are given up here. Hold: true if it is unpacked; it then stays until it is released. */
bool run_image_hold(struct run *r, const char *sha256);
void run_image_release(struct run *r, const char *sha256);
/* Of all that are unpacked. One whose size is not known (it was unpacked by an older version) counts nothing. */
int64_t run_images_bytes(const struct run *r);
/* Of those nobody uses, the one that was not used for longest: when that was (clock_boot_ms, 0 = not since the start).
 * False: there is none. Drop gives its bytes, 1 at least; 0: there was none. */
bool run_image_oldest(const struct run *r, int64_t *used_ms);
int64_t run_image_drop_oldest(struct run *r);
/* The watchdog: unless called again before, the spawners kill everything at `boot_ms` (clock_boot_ms), even if
 * this process is stopped. 0 = no deadline. */
void run_keep_until(struct run *r, int64_t boot_ms);

#endif

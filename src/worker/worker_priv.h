/* Inside the worker. A file each for: the loop (worker.c), who we are to the server (session.c), what we hold (held.c),
 * the lease calls (lease.c), beats (beat.c), what the server is told of us (status.c), blobs (fetch.c) and where they are
 * kept (cache.c), room on the disk (disk.c), logs and artifacts (deliver.c).
 *
 * Each of them has a `…_turn` that is called after every event: it starts what is due and wants to be called again at
 * the time it gives to worker_wake_at(). Nothing else keeps timers. Times are clock_boot_ms(). */
#ifndef SLIPWAY_WORKER_WORKER_PRIV_H
#define SLIPWAY_WORKER_WORKER_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "http/client.h"
#include "model/spec.h"
#include "worker/identity.h"
#include "worker/worker.h"

struct json_t;
struct json_writer;
struct run;
struct worker_loop;

/* ---- held: the attempts this worker has a lease for --------------------------------------------------------- */

enum held_stage {
	HELD_QUEUED,	 /* waits for a slot, or for blobs */
	HELD_RUNNING,	 /* in src/run */
	HELD_DELIVERING, /* it is over; log or artifacts are on their way to the server */
	HELD_DONE,	 /* the result waits to be sent */
	HELD_SENT,	 /* the result is in a call under way */
	HELD_STAGES,
};

struct held {
	struct worker_loop *worker;
	struct held *prev, *next; /* in the list of its stage, oldest first */
	enum held_stage stage;
	struct arena arena; /* of spec and outcome */
	struct spec spec;
	int64_t since_ms;   /* in this stage */
	int64_t started_ns; /* clock_boot_ns() of run_start() */
	bool is_collecting;

	/* Blobs it waits for, and what of it must stay in the cache (fetch.c). */
	unsigned blobs_missing;
	bool is_pinned, has_image;

	/* Its log (deliver.c): how much is in the file, and how much of it the server knows of. */
	int64_t log_size, log_told;
	bool is_log_busy;
	int log_fd;

	/* After its end. Artifacts before `stored` are at the server. */
	struct outcome outcome;
	int *fds;
	size_t fds_len, stored;
	struct client_job *put;
	int64_t put_at;	    /* where the next part of the artifact under way begins */
	bool is_put_unsure; /* how much of it has arrived is to be asked first */
	int tries;
	int64_t retry_ms;

	struct buf result; /* the encoded outcome */
};

struct held_list {
	struct held *first, *last;
	unsigned count;
};

/* Takes an arena with a decoded spec. NULL: out of memory (the arena is released). */
struct held *held_add(struct worker_loop *w, struct arena *a, const struct spec *s);
struct held *held_find(struct worker_loop *w, int64_t job, int attempt);
void held_move(struct held *h, enum held_stage stage);
/* To the front of HELD_DONE: what was sent first is sent first again. */
void held_unsend(struct held *h);
void held_free(struct held *h);
/* How many of all stages. */
unsigned held_count(const struct worker_loop *w);
/* Close the artifacts' descriptors and what else only a delivery needs. */
void held_close_files(struct held *h);
/* The attempt ends without having run to its end: the result of that is queued. */
void held_end(struct held *h, enum attempt_outcome outcome, enum job_reason reason, const char *detail);
/* Queue h->outcome as its result. */
void held_report(struct held *h);
/* [[job,attempt],…] of all, or of those `which` says. */
void held_write(const struct worker_loop *w, bool (*which)(const struct held *), struct json_writer *jw);
/* Somebody asked to cancel it; one that is not held or is over is left alone. */
void held_cancel(struct worker_loop *w, int64_t job, int attempt);
/* End it and give it back. */
void held_release(struct worker_loop *w, int64_t job, int attempt);
/* The lease is gone: kill and forget. */
void held_drop(struct held *h);
/* The same by our own decision, which the server is to be told. */
void held_give_up(struct held *h);
/* Not to be held at all: the server hears that this worker cannot run it. */
void held_refuse(struct worker_loop *w, int64_t job, int attempt, const char *why);
/* Start what is queued as far as slots are free. */
void held_start_queued(struct worker_loop *w);
/* Callbacks of struct run_events. */
void held_on_log(void *ctx, int64_t job, int attempt, int64_t size_bytes);
void held_on_collecting(void *ctx, int64_t job, int attempt);
void held_on_finished(void *ctx, const struct outcome *o, const int *artifact_fds);
/* A [{"job","attempt"}] or [[job,attempt]] of an answer, one by one. */
typedef void held_each(struct worker_loop *w, int64_t job, int attempt);
void held_walk(struct worker_loop *w, const struct json_t *array, held_each *fn);

/* ---- cache: blobs of this worker, and its images ------------------------------------------------------------- */

struct cache_blob {
	struct cache_blob *prev, *next;
	char sha256[HASH_HEX_BYTES];
	int64_t size_bytes; /* 0: it is not here */
	int64_t used_ms;    /* 0: not since the start */
	unsigned users;	    /* held attempts that need it */
	bool is_checked;    /* its bytes were those of its name when the file was as `seen` */
	struct stat seen;
};

struct cache {
	struct map blobs;
	struct cache_blob *first, *last; /* longest unused first */
	int64_t bytes, bound_bytes;
};

/* ---- the loop ----------------------------------------------------------------------------------------------- */

struct lease_call {
	struct worker_loop *worker;
	struct client_job *job; /* NULL: none under way */
	int64_t sent_ms;
	int free;
	bool has_holding, has_unclean;
};

struct worker_loop {
	const struct worker_options *options; /* server and name are there */
	struct identity *identity;
	struct client *client;
	struct run *run; /* NULL until the server has said where things are */
	int signal_fd;
	int64_t wake_ms; /* the next turn, 0 = none */

	/* session.c */
	char session[33];
	char confirmed[33]; /* the newest session that the server has answered to; "" */
	char boot_id[40];
	bool is_registered, is_registering;
	int64_t register_ms; /* not before this */
	int64_t register_sent_ms;
	bool is_local; /* blob_dir and log_dir are the server's own */
	char *blob_dir, *log_dir;
	int64_t lease_ms, beat_ms;
	int64_t keep_until_ms; /* how long what was renewed is good, less a margin; 0 = nothing renewed yet */
	int64_t renewed_ms;    /* when the newest beat that was answered had been sent */
	int64_t kept_until_ms; /* what src/run was told last: by then our attempts are dead */

	/* rotate.c */
	bool is_rotating;
	int64_t rotate_ms; /* not before this; 0 = not planned yet */
	int64_t secret_ms; /* since when the secret is this one */

	/* When the server does not answer. */
	unsigned failures;
	bool is_contact_lost;	    /* said so already … */
	enum err_code contact_code; /* … with this reason */
	int64_t refused_ms;	    /* since when servers refuse our credential; 0 = they do not */
	int64_t next_ms;	    /* when another server was turned to */

	struct held_list held[HELD_STAGES];
	/* What was given up since the server last heard what is held; without beats meanwhile, which would deny them. */
	struct attempt_pair {
		int64_t job;
		int attempt;
	} * given_up;
	size_t given_up_len, given_up_cap;

	/* lease.c: one call that waits for work, one that carries results. */
	struct lease_call waiting, report;
	int64_t lease_after_ms; /* no lease call before this */
	int64_t answered_ms;	/* when the last answer came */
	bool is_uncertain;	/* the fate of a call is not known */
	bool is_unclean_told;	/* the server knows that this worker must not have more */
	int64_t mean_run_us;	/* of recent attempts */

	/* beat.c */
	bool is_beating;
	int64_t beat_due_ms, beat_sent_ms;

	/* fetch.c, cache.c */
	struct fetch *fetches;
	struct cache cache;

	/* disk.c */
	struct {
		int64_t free_bytes, total_bytes, reserve_bytes; /* reserve 0: not looked at */
		int64_t looked_ms;
		bool is_low;
	} disk;

	/* status.c */
	int64_t status_ms;  /* when the server was told last */
	bool is_status_due; /* something in it that others wait for has changed */

	/* deliver.c */
	struct log_call *log_calls;
	int64_t log_chunk_bytes; /* in one call; a line that breaks gets less at a time */

	/* Stopping. */
	bool is_stopping, is_leaving, is_gone;
	int64_t stop_until_ms;
	struct err fatal; /* set: the loop ends with it */
};

/* Call the turns again at this time at the latest. */
void worker_wake_at(struct worker_loop *w, int64_t boot_ms);
/* A wait after the n-th failure in a row, with jitter, in ms. */
int64_t worker_backoff_ms(unsigned failures);
/* The server did not answer the call sent at `sent_ms`, or did: said once each. Of several servers the next one is
 * turned to, unless that was done since the call was sent. */
void worker_lost_contact(struct worker_loop *w, int64_t sent_ms, const struct err *e);
void worker_has_contact(struct worker_loop *w);
/* The loop ends with this error. */
void worker_fail(struct worker_loop *w, const struct err *e);
/* Post JSON to the feed; `what` names the call in errors. -1 is logged. */
int worker_post(struct worker_loop *w, const char *path, struct buf *json, int64_t timeout_ms,
		client_done *done, void *ctx, struct client_job **job);

void session_turn(struct worker_loop *w);
/* A beat, sent at `sent_ms`, was answered: all we hold is renewed. */
void session_renewed(struct worker_loop *w, int64_t sent_ms);
/* A lease call was answered, before its specs are taken. They are good from `since_ms` on; what is here already is not renewed
 * by it. */
void session_granted(struct worker_loop *w, int64_t since_ms, bool has_specs);
/* The server knows this session no more: kill everything, forget everything, register anew. */
void session_lost(struct worker_loop *w, const struct err *why);
/* Kill everything when the lease's time is over; true if it is. */
bool session_check_deadline(struct worker_loop *w);
/* Is this error the end of the session (true), or only of the call? */
bool session_is_over(const struct err *e);

/* Replace the secret: when it is due; as soon as it can be. */
void rotate_turn(struct worker_loop *w);
void rotate_now(struct worker_loop *w);
/* Is it our credential that was refused? Then another one is tried, or the loop ends. */
bool worker_is_refused(struct worker_loop *w, int64_t sent_ms, const struct err *e);

void lease_turn(struct worker_loop *w);
void lease_cancel_all(struct worker_loop *w);
/* An attempt ran so long. */
void lease_note_run(struct worker_loop *w, int64_t us);

void beat_turn(struct worker_loop *w);

/* Add "status":{…} to the object that is being written, if it is time to. */
void status_write(struct worker_loop *w, struct json_writer *jw);

/* The folder of blobs is known: read what is in it. */
int cache_open(struct worker_loop *w, struct err *e);
void cache_release(struct worker_loop *w);
/* Where a blob is, or, with a suffix, a file beside it. To be freed. */
char *cache_path(const struct worker_loop *w, const char *sha256, const char *suffix);
enum cache_has { CACHE_ABSENT, CACHE_UNCHECKED, CACHE_CHECKED };
enum cache_has cache_look(struct worker_loop *w, const char *sha256);
/* A pinned one stays, or is to stay once it is here. -1: out of memory. */
int cache_pin(struct worker_loop *w, const char *sha256);
void cache_unpin(struct worker_loop *w, const char *sha256);
/* It is here under its name, and its bytes are right. / They are not. */
void cache_stored(struct worker_loop *w, const char *sha256);
void cache_remove(struct worker_loop *w, const char *sha256);
/* Down to the bound, and by `more_bytes` at least, as far as that is possible. */
void cache_trim(struct worker_loop *w, int64_t more_bytes);
int64_t cache_bytes(const struct worker_loop *w);

/* Sets the bounds that depend on the size of the disk. */
void disk_open(struct worker_loop *w);
void disk_turn(struct worker_loop *w);

/* Start fetching what a spec needs; h->blobs_missing says how many are not there yet. */
void fetch_begin(struct held *h);
void fetch_turn(struct worker_loop *w);
void fetch_release(struct worker_loop *w);
/* `h` waits for nothing any more. */
void fetch_forget(struct held *h);
/* `h` needs nothing any more. */
void fetch_unpin(struct held *h);

/* The attempt is over (h->outcome is set): deliver what is to be delivered, then report. */
void deliver_begin(struct held *h);
void deliver_turn(struct worker_loop *w);
/* After the client has gone. */
void deliver_release(struct worker_loop *w);
/* The log has grown. */
void deliver_log(struct held *h);

#endif

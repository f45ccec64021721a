/* The server's inside: what its files share.
 *
 * Threads: HTTP threads, the store's writer and reader (run() and done() of tasks, hub_watch()), the tick, the
 * offload thread, and on a shared database the one of peers.c. server->lock guards sessions, what they hold, parked leases and subscriptions (hub.c). With it held
 * only these are called: http_answer* / http_continue / http_wake / http_hold / http_drop, store_write / store_read, peers_tell_*.
 * Files: hub.c (who waits for what), lease.c and the other feed_*.c, tick.c, offload.c, route.c, routes*.c. */
#ifndef SLIPWAY_SERVER_SERVER_PRIV_H
#define SLIPWAY_SERVER_SERVER_PRIV_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "kind/build_type.h"
#include "model/lane.h"
#include "server/access.h"
#include "server/route.h"
#include "server/server.h"
#include "store/store.h"

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

enum {
	LEASE_MS_DEFAULT = 20000,
	LEASE_GRACE_MS = 2000,
	LEASE_JOBS_MAX = 1024, /* in one call */
	PARK_MS_MAX = 60000,
	PARK_GRAIN_MS = 1000,
	LISTEN_MAX = 8, /* sockets and addresses */
};

struct ear_job;
struct lease_call;

/* A session of a worker as this server knows it; what it holds is a list. */
struct session {
	char *worker, *hex;
	int64_t worker_id;
	struct lease_call *call; /* the newest lease call, if it may park or is parked */
	struct held *held;
	int cancels;	   /* held attempts whose cancel it was not told yet */
	int64_t heard_ms;  /* boot clock */
	int64_t stored_ms; /* when a beat last went to the store */
	char *status;	   /* feed_status.h; NULL: it has said nothing */
	int64_t status_stored_ms;
	bool is_silent; /* said to be offline, until it is heard of */
};

struct held {
	int64_t job;
	int attempt;
	enum job_kind kind;
	bool is_cancel_asked, is_cancel_told;
	bool is_named;	/* a beat has named it */
	bool is_queued; /* by the last beat it had not begun */
	struct session *session;
	struct held *next, **link;
};

/* Somebody wants to hear of a job's changes. Called with the lock held, on the writer's thread or on that of peers.c; what
 * changed may be told twice. */
struct sub {
	int64_t job;
	int64_t seen; /* how many events it had when a look last told of it; guarded by the lock */
	void (*fn)(struct sub *s, const struct store_change *c);
	struct sub *next, **link;
};

/* Something parked that waits no longer than this. Called once, by the tick, with the lock held. */
struct alarm {
	int64_t at_ms; /* boot clock */
	void (*fn)(struct alarm *a);
	struct alarm *next, **link;
};

/* Known lanes; changed only on the writer's thread, with the lock held. */
struct lane_cache {
	struct arena arena;
	struct lane *lanes;
	size_t len;
	bool is_fresh;
};

struct tick {
	pthread_t thread;
	bool is_running, has_thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	/* boot clock, 0 = nothing to do; guarded by its lock */
	int64_t due_ms, expire_ms, park_ms, seal_ms;
	bool is_stopping;
};

/* leases.c; the tick's, but for was_out. */
struct leases {
	_Atomic bool was_out; /* since the last look the store refused a beat, or could not be reached */
	bool is_excused;      /* to be said by the next look that works */
	int64_t failing_ms;   /* boot clock: since when looks fail; 0 = they do not */
};

struct ear;
/* peers.c */
struct peers {
	pthread_t thread;
	bool has_thread;
	_Atomic bool is_stopping, has_others;
	int wake_fd, stop_fd;
	pthread_mutex_t lock; /* a leaf */
	/* guarded: */
	struct buf out;	  /* entries not told yet */
	bool is_all;	  /* they are too many to name */
	int64_t log_told; /* the newest log among them */
	/* the thread's: */
	struct ear *ear;
	int64_t look_ms, said_ms, silent_ms; /* boot clock: the next look, the last message, … */
	bool is_deaf;
	_Atomic int64_t
		heard_ms; /* boot clock: the last look that saw all; 0 = there are none. Anybody reads it */
};

struct offload_item;
struct offload {
	pthread_t thread;
	bool has_thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct offload_item *head, **tail;
	bool is_stopping;
};

struct server {
	char *data_dir;
	int64_t lease_ms, holder_ms;
	int http_threads;
	struct store *store;
	struct http_server *http[LISTEN_MAX];
	size_t http_len;
	struct tls_server *tls; /* borrowed; NULL: nobody comes over the network */
	char *public_url;	/* where that is; "" */
	struct credentials credentials;
	struct build_types *types;
	uid_t uid;
	int64_t started_wall_ms, started_boot_ms;
	struct tick tick;
	struct leases leases;
	struct offload offload, archive; /* what takes long; what takes very long: backups */
	struct peers peers;
	struct lane_cache lanes;
	struct idmap fitting; /* lanes that somebody takes, and when that was seen; the writer's */

	pthread_mutex_t lock;
	/* guarded: */
	struct map sessions;			  /* by the worker's name */
	struct idmap held;			  /* by job */
	struct idmap subs;			  /* first sub, by job */
	struct lease_call *parked, **parked_tail; /* longest parked first */
	struct alarm *alarms;
	bool is_draining;
	pid_t own_pid;
	bool is_own_fresh; /* the own worker has not registered since this server started */
};

/* server.c */
int64_t server_beat_ms(const struct server *s);

/* hub.c; `hub_` functions marked (locked) need the lock held. */
void hub_init(struct server *s);
void hub_release(struct server *s);
void hub_watch(void *ctx, const struct store_change *changes, size_t n);
/* (locked) A change of one job: for the session that holds it; for who subscribed. */
void hub_note_held(struct server *s, const struct store_change *c);
void hub_tell_subs(struct server *s, const struct store_change *c);
void hub_sub_add(struct server *s, struct sub *sub);	  /* takes the lock */
void hub_sub_remove(struct server *s, struct sub *sub);	  /* takes the lock; once or more */
void hub_alarm_add(struct server *s, struct alarm *a);	  /* takes the lock */
void hub_alarm_remove(struct server *s, struct alarm *a); /* takes the lock; once or more */
/* (locked) NULL: not known here. */
struct session *hub_session_find(struct server *s, const char *worker, const char *hex);
/* (locked) Replaces an older session of the worker; its parked call is answered. NULL: out of memory. */
struct session *hub_session_set(struct server *s, const char *worker, const char *hex, int64_t worker_id);
void hub_session_remove(struct server *s, const char *worker);			  /* (locked) */
int hub_held_add(struct server *s, struct session *session, const struct job *j); /* (locked) */
bool hub_holds(struct server *s, const char *worker, const char *hex, int64_t job,
	       int attempt); /* takes the lock */
/* What a beat said; each takes the lock. */
struct attempt_id;
void hub_note_beat(struct server *s, const struct attempt_id *named, size_t n,
		   const struct attempt_id *queued, size_t queued_len);
/* Is it known that a beat of this session has named it? Attempts have one session. */
bool hub_was_named(struct server *s, int64_t job, int attempt);
/* An attempt_view's: `ctx` is the server. */
bool hub_is_queued(void *ctx, int64_t job, int attempt);
void hub_park(struct server *s, struct lease_call *c);	 /* (locked) */
void hub_unpark(struct server *s, struct lease_call *c); /* (locked) */
/* Every parked call and alarm that is due, or all: it waits no longer. Gives when the next is due, 0 = none. */
int64_t hub_expire(struct server *s, int64_t now_boot_ms, bool is_all);
void hub_wake_worker(struct server *s, const char *worker);
/* What other servers did, as they told it or as it was seen (peers.c). Each takes the lock. Anybody in the database can say
 * what he likes: what was told only makes somebody here look. True: among it is the cancel of what is held here. */
bool hub_hear(struct server *s, const struct store_change *changes, size_t n);
void hub_wake_lane(struct server *s, int64_t lane, int64_t jobs);
void hub_wake_all(struct server *s);
void hub_cancel(struct server *s, int64_t job, int attempt);
void hub_see(struct server *s, const struct ear_job *jobs, size_t n);
/* The jobs that somebody waits for or follows; to be freed. NULL: none. */
int64_t *hub_watched(struct server *s, size_t *n);
bool hub_may_be_cancelled(struct server *s);
/* Workers not heard of for a lease's time are said to be offline, to those who cannot know it from this memory. */
void hub_silence(struct server *s);
/* What a session holds, by the store's word. */
void hub_held_set(struct server *s, const char *worker, const char *hex, const struct job *jobs, size_t n);
bool hub_is_online(struct server *s, const struct worker *w);
/* Its last sign of life, wall clock. */
int64_t hub_heard_ms(struct server *s, const struct worker *w);

/* leases.c */
/* At the start: workers could not renew while there was no server. */
int leases_begin(struct server *s, struct err *e);
/* What has ended is lost. `planned_ms`: when this was to be done (boot clock). *next_ms: when the next one ends, of the
 * store's clock, 0 = there is none. -1: the store refused. */
int leases_look(struct server *s, int64_t planned_ms, int64_t *next_ms);
/* This server could not take what a worker had to say. Any thread. */
void leases_note_out(struct server *s);

/* tick.c */
int tick_start(struct server *s, struct err *e);
void tick_stop(struct server *s);
/* Look again at this boot time (0 = now), or earlier if that was planned. Any thread, any lock. */
void tick_due_at(struct server *s, int64_t boot_ms);
void tick_expire_at(struct server *s, int64_t boot_ms);
void tick_park_at(struct server *s, int64_t boot_ms);

/* offload.c: work that would hold up an HTTP thread. */
int offload_start(struct server *s, struct err *e);
void offload_stop(struct server *s);
/* Run fn(a) there; the request is held until it has run. */
void offload_ask(struct ask *a, void (*fn)(struct ask *a));
/* The same for what would keep others' requests waiting too long there. */
void offload_archive(struct ask *a, void (*fn)(struct ask *a));

#endif

/* The spawner: a small process with one thread that starts processes for its owner and ends them.
 *
 * A worker has up to two: one on the host for native jobs, and one inside a user namespace that is made once and
 * held (sandbox/userns.h), which is root in there and nowhere else, for chroots. It is forked by spawner_open()
 * before the owner starts any thread. They speak by messages over a socket; the owner polls spawner_fd().
 *
 * What it promises:
 *   - an ENDED event comes after every process of that start is dead and reaped, not only the first; but pid 1 of its
 *     sandbox, which is the spawner's own code, and the root's mounts may still be on their way out;
 *   - at the deadline of spawner_keep_until() it kills everything, even while the owner is stopped;
 *   - when the owner dies (end of the socket) it kills and removes everything and exits. It holds the descriptors
 *     it was given (`held_fds`, the lock of the work folder) until then.
 *
 * The held spawner makes the root and the sandbox of a slot's next attempt ahead once two in a row were alike: while the
 * second runs, or right after it. It is used once, if the request for the root is the same in everything; else it is thrown
 * away, as it is when an image is dropped and after ready_ms.
 *
 * A start happens in a slot: a small number, one start at a time in each. Messages are handled in order, so a
 * request may rely on those before it without waiting for their answers.
 *
 * Owner's side: one thread. Read next: sandbox/keeper_priv.h for the spawner's own side, sandbox/child.h. */
#ifndef SLIPWAY_SANDBOX_SPAWNER_H
#define SLIPWAY_SANDBOX_SPAWNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup;
struct err;
struct spawner;

enum {
	SPAWNER_SLOTS_MAX = 256,
	SPAWNER_FDS_MAX = 8,
	SPAWNER_GROUPS_MAX = 4, /* a start may enter: v2, and v1 of three controllers */
	SPAWNER_TASK_ARG_MAX = 32 * 1024,
	SPAWNER_PLAN_MAX = 4 << 20, /* bytes of argv and environment */
	SPAWNER_BUILD_UID = 1000,   /* the ordinary user inside sandboxes */
	SPAWNER_READY_MS = 60000,   /* how long a sandbox is kept ready unless told otherwise */
};

/* Long work for an attempt (unpacking, copying, collecting) that must not hold up the loop: forked from the
 * spawner, so that it has its rights, runs with the descriptors of the request and answers over the first of them.
 * Its exit status is of no interest; the owner sees the end of the socket. In the held namespace `root_fd` is the
 * root folder of the slot's sandbox, or -1. */
typedef void spawner_task_fn(int sock, const void *arg, size_t len, const int *fds, int fds_len, int root_fd);

struct spawner_options {
	bool is_held; /* in a user namespace of its own, for sandboxes */
	const char
		*work_dir; /* trash/ in it is swept; is_held: chroot/ in it is given to the namespace's ids */
	spawner_task_fn *const *tasks; /* numbered from 0 */
	int tasks_len;
	const int *held_fds;
	int held_fds_len;
	/* What the spawner does when its owner has died and all is killed; NULL = nothing. */
	void (*on_orphaned)(void *ctx);
	void *ctx;
	bool is_disk_only; /* be as where memory cannot hold a scratch; for tests */
	int ready_ms; /* is_held: how long a sandbox waits ready; 0 = SPAWNER_READY_MS, -1 = none is made */
};

enum spawner_net { SPAWNER_NET_HOST, SPAWNER_NET_NONE };

/* One process to start. Strings are copied. */
struct spawner_start {
	uint32_t id; /* comes back in the event */
	int slot;
	const char *const *argv; /* NULL-terminated */
	const char *const *envp; /* NULL-terminated, complete: PATH in it is where argv[0] is looked for */
	int out_fd;		 /* borrowed */
	int cgroup_fd;		 /* v2 group to be born in instead of the slot's; -1 */
	int procs_fds[SPAWNER_GROUPS_MAX]; /* groups to enter; -1 */
	int64_t files;			   /* RLIMIT_NOFILE; 0 = as it was for the owner */
	int64_t cpu_s, file_bytes;	   /* 0 = none */
	/* The held spawner alone: */
	bool is_root;
	enum spawner_net net;
	const char *hostname;
};

/* An overlay's upper layer needs attributes in user.*, which tmpfs has since Linux 6.6 only: without them a folder of the
 * image cannot be removed and made again. The hello says if memory is no choice (is_disk_only). */
enum spawner_scratch { SPAWNER_SCRATCH_MEMORY, SPAWNER_SCRATCH_DISK };

/* The root file system of a sandbox, made before its first start and kept for all its steps. */
struct spawner_root {
	uint32_t id;
	int slot;
	const char *image; /* name of a folder in the namespace's images/ */
	enum spawner_scratch scratch;
	int64_t memory_bytes;	 /* size limit of a scratch in memory */
	int64_t inodes;		 /* and how many files and folders it may hold; 0 = one for each KiB */
	const char *hosts;	 /* text for /etc/hosts; NULL: what the image has */
	const char *resolv_conf; /* the same */
};

enum spawner_event_kind {
	SPAWNER_HELLO, /* the held spawner is ready: `text` lists its images, one a line, oldest first */
	SPAWNER_ENDED, /* of a start */
	SPAWNER_ROOT_FAILED, /* of spawner_root_open(): sys and text say why; starts in the slot fail too */
};

struct spawner_event {
	enum spawner_event_kind kind;
	uint32_t id;
	int slot;
	bool is_started; /* false: it never ran; `sys` and `text` say why */
	bool is_by_watchdog;
	bool is_disk_full; /* a sandbox's scratch in memory had no room left when it failed */
	bool has_result;   /* a sandbox's command left /job/result.json */
	bool is_disk_only; /* hello: SPAWNER_SCRATCH_MEMORY does not work here */
	int status;	   /* as wait4() gives it, if is_started; 126 or 127 << 8 after a failed exec */
	int64_t cpu_user_us, cpu_sys_us, memory_peak_bytes;
	int sys;
	const char *text; /* never NULL; until the next call */
};

int spawner_open(struct spawner **out, const struct spawner_options *o, struct err *e);
/* Kill all, wait until the spawner has cleaned up and gone. NULL is fine. */
void spawner_close(struct spawner *s);
int spawner_fd(const struct spawner *s);
/* The spawner's process, for those who close descriptors or count processes. */
int spawner_pid(const struct spawner *s);
/* 1: an event was stored; 0: none now; -1: the spawner is gone. */
int spawner_next(struct spawner *s, struct spawner_event *ev, struct err *e);

/* The slot's work folder for native starts and its v2 group (borrowed; -1 = as it was). Before its first start. */
int spawner_slot(struct spawner *s, int slot, int cwd_fd, int cgroup_fd, struct err *e);
int spawner_start(struct spawner *s, const struct spawner_start *p, struct err *e);
/* A signal to all processes of this start, if it has not ended. */
int spawner_kill(struct spawner *s, uint32_t id, int slot, int sig, struct err *e);
/* boot milliseconds; 0 = no deadline. */
int spawner_keep_until(struct spawner *s, int64_t boot_ms, struct err *e);
/* *sock is the owner's end: SOCK_SEQPACKET, not blocking. `fds` are borrowed. slot -1 = none. */
int spawner_task(struct spawner *s, int task, int slot, const void *arg, size_t len, const int *fds,
		 int fds_len, int *sock, struct err *e);

/* The same without descriptors, over what was written in the slot's root: `root_fd` of the task is the upper layer. */
int spawner_measure(struct spawner *s, int task, int slot, int *sock, struct err *e);

int spawner_root_open(struct spawner *s, const struct spawner_root *r, struct err *e);
int spawner_root_close(struct spawner *s, int slot, struct err *e);
/* Throw an unpacked image away; not one in use. */
int spawner_image_drop(struct spawner *s, const char *image, struct err *e);
/* The trash of the held namespace, or the folder given to it for a native spawner, has something in it. */
int spawner_sweep(struct spawner *s, struct err *e);

#endif

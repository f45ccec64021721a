/* The spawner's own side: a loop over its socket, its children and its deadline.
 *
 * One thread, no locks. Slots and processes hold all that a start needs, and are used again, because page faults cost more
 * than system calls. What a child shares with us (struct child_exec, child_init) lives in its keeper_proc, which is used
 * for nothing else until the child was reaped.
 *
 * A start in the held namespace takes two steps: proc_make() clones a sandbox with its command waiting in it, proc_wake()
 * makes it this start. Between them may lie nothing or a whole job: keeper_ready.c makes a root and its sandbox ahead. */
#ifndef SLIPWAY_SANDBOX_KEEPER_PRIV_H
#define SLIPWAY_SANDBOX_KEEPER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "sandbox/child.h"
#include "sandbox/filter_priv.h"
#include "sandbox/spawner.h"
#include "sandbox/wire_priv.h"

enum { KEEPER_STACK_BYTES = 32 * 1024, KEEPER_OPS_MAX = 24, KEEPER_PATH_BYTES = 64, KEEPER_HOST_BYTES = 65 };

enum keeper_state {
	SLOT_IDLE,
	SLOT_RUNNING,  /* its first process lives */
	SLOT_DRAINING, /* that one has ended; what it left is being killed */
};

/* A root and where it is in the held namespace. */
struct keeper_root {
	bool is_open, is_memory;
	int fd;				 /* the mounted root, O_PATH; -1 */
	char scratch[KEEPER_PATH_BYTES]; /* "": none */
};

/* A first process, and the sandbox if it is pid 1 of one. */
struct keeper_proc {
	struct keeper_proc *next; /* in the keeper's lists */
	pid_t pid;
	int pidfd;
	int sock;	    /* our end of its wake_fd; -1 */
	bool is_made_ahead; /* for a start that nobody had asked for yet */
	uint32_t flags;	    /* WIRE_ROOT_USER, WIRE_NET_NONE */
	char hostname[KEEPER_HOST_BYTES];
	char *stacks; /* two: init's and the command's */
	struct child_exec exec;
	struct child_init init;
	struct child_op ops[KEEPER_OPS_MAX];
	char merged[KEEPER_PATH_BYTES], dev[KEEPER_PATH_BYTES], pts[KEEPER_PATH_BYTES],
		shm[KEEPER_PATH_BYTES], proc[KEEPER_PATH_BYTES]; /* what the ops point to */
};

/* What the slot's last attempt had, and what is ready for the next should that be alike. */
struct keeper_ready {
	char *key; /* the body of the last request for a root */
	size_t key_len;
	bool is_alike;	/* the last two were */
	bool is_wanted; /* to be made when there is time */
	bool is_start_known;
	uint32_t flags; /* of that attempt's first start */
	char hostname[KEEPER_HOST_BYTES];
	struct keeper_root root;
	struct keeper_proc *proc; /* only with the root; NULL */
	int64_t drop_at_ms;	  /* boot time; if the root is open */
};

struct keeper_slot {
	enum keeper_state state;
	int number;
	uint32_t id;
	bool is_reaper; /* proc is a child_init without namespaces */
	bool is_by_watchdog;
	bool is_signalled;
	int out_fd;		       /* the pipe of what runs */
	int procs[SPAWNER_GROUPS_MAX]; /* groups for it to enter; -1 */
	int cwd_fd;
	int group_fd, events_fd;	 /* the pooled v2 group */
	int own_group_fd, own_events_fd; /* an attempt's group with limits, in its place */
	bool is_watching_events;
	bool is_group_spent; /* cgroup.kill was used on the pooled group */
	int generation;	     /* of it */
	int status;
	int64_t cpu_user_us, cpu_sys_us, maxrss_kb;
	struct wire_start fixed; /* of the start */
	uint32_t flags;
	char hostname[KEEPER_HOST_BYTES];
	char *const *argv, *const *envp;
	char *room; /* strings and pointers of the start */
	size_t room_size;
	char *paths; /* where argv[0] is looked for */
	size_t paths_size;
	struct keeper_proc *proc; /* runs, or waits in `root` to; NULL */
	struct keeper_root root;
	struct err root_failed;	  /* why it could not be made; starts in the slot fail with it */
	struct keeper_root spent; /* to be taken down when there is time */
	struct keeper_ready ready;
};

struct keeper_event {
	struct keeper_event *next;
	struct wire_head head;
	struct wire_event body;
	char text[];
};

struct keeper {
	const struct spawner_options *options;
	bool is_held;
	bool is_memory_able, is_disk_able; /* can be the upper layer of a root */
	int sock, epoll, timer;
	int trash_fd;	/* folder to sweep; -1 */
	int sweeper_fd; /* a byte wakes it; -1 until there is one */
	pid_t sweeper;
	int64_t serial;			 /* of names in the trash and of scratch folders */
	uint64_t files_soft, files_hard; /* what RLIMIT_NOFILE was */
	struct keeper_slot *slots[SPAWNER_SLOTS_MAX];
	int slots_end;		     /* after the last that was used */
	struct keeper_proc *leaving; /* not wanted any more and not reaped yet */
	struct keeper_proc *spare;   /* reaped */
	pid_t tasks[SPAWNER_SLOTS_MAX * 2];
	int tasks_len;
	struct keeper_event *unsent, **unsent_end;
	bool is_owner_gone;
	bool is_blocked;	  /* waiting for room in the socket */
	char *wire;		  /* WIRE_BYTES_MAX */
	struct filter filters[2]; /* of build steps, of root steps */
};

/* What an epoll event is about: its kind and the slot's number. */
enum keeper_source { SOURCE_SOCK = 1, SOURCE_TIMER, SOURCE_CHILD, SOURCE_GROUP, SOURCE_TOLD };

/* keeper.c */
void keeper_run(struct keeper *k) __attribute__((noreturn));
int keeper_watch(struct keeper *k, int fd, uint32_t events, enum keeper_source source, int slot);
bool keeper_is_busy(const struct keeper *k);
void keeper_report(struct keeper *k, enum spawner_event_kind kind, struct keeper_slot *s,
		   struct wire_event *ev, const char *text);
/* NULL with errno if the number is bad or memory is out. */
struct keeper_slot *keeper_slot_get(struct keeper *k, int number);

/* keeper_start.c */
void keeper_start(struct keeper *k, struct wire_message *m);
/* The slot's first process was reaped with this status. */
void keeper_first_ended(struct keeper *k, struct keeper_slot *s, int status, const struct rusage *ru);
/* All processes of the slot's start are dead but for pid 1, which has told so. */
void keeper_told(struct keeper *k, struct keeper_slot *s);

/* keeper_proc.c: 0, or an errno. */
/* A process for the slot, natively or in a sandbox in `root`; that one waits for proc_wake(). */
int proc_make(struct keeper *k, struct keeper_slot *s, const struct keeper_root *root, uint32_t flags,
	      const char *hostname, struct keeper_proc **out);
/* Make a waiting one the slot's start. */
int proc_wake(struct keeper_proc *p, const struct keeper_slot *s);
/* Kill what may be left of it and let it go; it is forgotten when it was reaped. *p becomes NULL. */
void proc_leave(struct keeper *k, struct keeper_proc **p);
/* It was reaped. */
void proc_put_back(struct keeper *k, struct keeper_proc *p);
/* true: one that was leaving has gone. */
bool proc_has_left(struct keeper *k, pid_t pid);

/* keeper_ready.c: what is made ahead and taken down later. */
/* A root is asked for: true if it was ready and is the slot's now, with the process in it. */
bool ready_take(struct keeper *k, struct keeper_slot *s, const char *key, size_t len);
/* The first start in the slot's root is known now, or that root was closed: make the next. */
void ready_want(struct keeper *k, struct keeper_slot *s);
void ready_drop(struct keeper *k, struct keeper_slot *s);
/* This process was reaped: true if it was one that waited in the slot. */
bool ready_on_death(struct keeper *k, struct keeper_slot *s, pid_t pid);
/* Do the most urgent piece of work that there is, `is_quiet` also what nobody waits for. */
void ready_work(struct keeper *k, bool is_quiet);
/* How long to wait for events before the next piece: 0 = not at all, -1 = there is none. */
int ready_wait_ms(const struct keeper *k);

/* keeper_tree.c: what belongs to a start, and its end. */
void tree_signal(struct keeper *k, struct keeper_slot *s, int sig);
/* true: nobody is left. Otherwise kills them and watches for the end. */
bool tree_is_gone(struct keeper *k, struct keeper_slot *s);

/* After the end: see to it that the pooled group can be used again. */
void tree_renew_group(struct keeper_slot *s);

/* keeper_task.c */
void keeper_task(struct keeper *k, struct wire_message *m);
void keeper_sweep(struct keeper *k);
/* Forget a reaped child; true if it was a task or the sweeper. */
bool keeper_task_ended(struct keeper *k, pid_t pid);
/* Kill the tasks, let the sweeper finish, wait for both. */
void keeper_tasks_end(struct keeper *k);

/* keeper_root.c: file systems in the held namespace. */
/* The current folder is the one given to the namespace. */
int keeper_root_setup(struct keeper *k, struct err *e);
void keeper_root_open(struct keeper *k, struct wire_message *m);
void keeper_root_close(struct keeper *k, struct keeper_slot *s);
/* `key`: the body of a request. */
int root_make(struct keeper *k, struct keeper_root *r, const char *key, size_t len, struct err *e);
/* Also of one that was half made, or not at all. */
void root_take_down(struct keeper *k, struct keeper_root *r);
void keeper_image_drop(struct keeper *k, const struct wire_message *m);
/* The hello of a held spawner lists what images there are. */
void keeper_hello(struct keeper *k);
/* Fill p->ops for a sandbox in this root; gives their number. */
size_t root_ops(struct keeper_proc *p, const struct keeper_root *r);

#endif

/* The spawner's own side: a loop over its socket, its children and its deadline.
 *
 * One thread, no locks. Slots hold all that a start needs, and are used again, because page faults cost more than
 * system calls. What a child shares with us (struct child_exec, child_init) lives in its slot and is not touched
 * between the clone and the child's end. */
#ifndef SLIPWAY_SANDBOX_KEEPER_PRIV_H
#define SLIPWAY_SANDBOX_KEEPER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "sandbox/child.h"
#include "sandbox/spawner.h"
#include "sandbox/wire_priv.h"

enum { KEEPER_STACK_BYTES = 32 * 1024, KEEPER_OPS_MAX = 12, KEEPER_PATH_BYTES = 64 };

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
	char merged[KEEPER_PATH_BYTES], dev[KEEPER_PATH_BYTES], pts[KEEPER_PATH_BYTES],
		shm[KEEPER_PATH_BYTES], proc[KEEPER_PATH_BYTES];
	char hostname[65];
	struct err failed; /* why it could not be made; starts in the slot fail with it */
};

struct keeper_slot {
	enum keeper_state state;
	int number;
	uint32_t id;
	bool is_reaper; /* pid is a child_init without namespaces */
	bool is_by_watchdog;
	pid_t pid;
	int pidfd;
	int out_fd; /* the pipe of what runs */
	int cwd_fd;
	int group_fd, events_fd;	 /* the pooled v2 group */
	int own_group_fd, own_events_fd; /* an attempt's group with limits, in its place */
	bool is_watching_events;
	bool is_group_spent; /* cgroup.kill was used on the pooled group */
	int generation;	     /* of it */
	int status;
	int64_t cpu_user_us, cpu_sys_us, maxrss_kb;
	char *room; /* strings and pointers of the start */
	size_t room_size;
	char *paths; /* where argv[0] is looked for */
	size_t paths_size;
	char *stacks; /* two: init's and the command's */
	struct child_exec exec;
	struct child_init init;
	struct child_op ops[KEEPER_OPS_MAX];
	struct keeper_root root;
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
	pid_t tasks[SPAWNER_SLOTS_MAX * 2];
	int tasks_len;
	struct keeper_event *unsent, **unsent_end;
	bool is_owner_gone;
	bool is_blocked;	      /* waiting for room in the socket */
	char *wire;		      /* WIRE_BYTES_MAX */
	struct sock_fprog filters[2]; /* of build steps, of root steps */
};

/* What an epoll event is about: its kind and the slot's number. */
enum keeper_source { SOURCE_SOCK = 1, SOURCE_TIMER, SOURCE_CHILD, SOURCE_GROUP };

/* keeper.c */
void keeper_run(struct keeper *k) __attribute__((noreturn));
int keeper_watch(struct keeper *k, int fd, uint32_t events, enum keeper_source source, int slot);
void keeper_report(struct keeper *k, enum spawner_event_kind kind, struct keeper_slot *s,
		   struct wire_event *ev, const char *text);
/* NULL with errno if the number is bad or memory is out. */
struct keeper_slot *keeper_slot_get(struct keeper *k, int number);

/* keeper_start.c */
void keeper_start(struct keeper *k, struct wire_message *m);
/* The first process of the slot was reaped with this status. */
void keeper_first_ended(struct keeper *k, struct keeper_slot *s, int status, const struct rusage *ru);

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
void keeper_image_drop(struct keeper *k, const struct wire_message *m);
/* The hello of a held spawner lists what images there are. */
void keeper_hello(struct keeper *k);
/* Fill s->ops for a start; gives their number. */
size_t keeper_root_ops(struct keeper_slot *s, bool is_net_own);

#endif

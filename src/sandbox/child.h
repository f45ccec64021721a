/* What runs between clone and exec.
 *
 * Everything here runs in a child that shares the spawner's memory: no libc function, no errno, no lock, no
 * instrumentation (the folder's meson.build compiles child.c without sanitizers). The structs are filled by the spawner
 * before the clone and stay untouched until the child has ended. A failure is left in them as data: what failed, and
 * errno. Nobody waits for the exec (no CLONE_VFORK): the stack is one that is used for nothing else meanwhile, a failure
 * is told at the end like any other, and the exec of one start and the clone of the next take place at the same time.
 *
 * child_exec: becomes the command. In a sandbox it gives up all that it may not have and then waits at its socket
 * (wake_fd), holding no other descriptor of the spawner's. The message that wakes it carries the descriptors of the start;
 * whatever else differs from one start to the next is read after it. The end of the socket means that nobody wants it.
 * child_init: pid 1 of a sandbox (or, where there is no cgroup, the reaper of a native job). Runs the list of
 * operations that set the sandbox up, starts the command, reaps until it has ended, kills and reaps what is left. Pid 1
 * then writes a byte to the other end of that socket, and only then exits and so takes the namespaces down: whoever reads
 * the byte knows that nobody is left and need not wait for that. */
#ifndef SLIPWAY_SANDBOX_CHILD_H
#define SLIPWAY_SANDBOX_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

struct filter;

enum { CHILD_LIMITS_MAX = 6, CHILD_PROCS_MAX = 4 };

struct child_limit {
	int resource;
	uint64_t value;
};

struct child_exec {
	const char *const *paths; /* tried in turn, as execvp() does; NULL-terminated */
	char *const *argv;
	char *const *envp;
	int wake_fd;	 /* -1: goes on at once */
	int out_fd;	 /* stdout and stderr; comes with the message if there is a wake_fd */
	int cwd_fd;	 /* -1: use cwd */
	const char *cwd; /* inside a sandbox */
	int procs
		[CHILD_PROCS_MAX]; /* cgroup.procs files to enter; -1 = none; those there are come with the message too */
	struct child_limit limits[CHILD_LIMITS_MAX];
	int limits_len;
	bool is_dying_with_parent; /* PR_SET_PDEATHSIG: for a child of the spawner itself */
	bool is_confined;	   /* the rest is for commands in a sandbox */
	uint32_t uid, gid;
	uint64_t caps_dropped;	     /* taken out of the bounding set */
	const struct filter *filter; /* NULL = none */
	/* Results: sys and what are valid if no exec took place. */
	volatile bool is_awake; /* it got its message */
	int sys;
	const char *what;
};

enum child_op_code {
	CHILD_OP_MOUNT,	   /* a → b, type, flags, data */
	CHILD_OP_MASK,	   /* a → b, if there is such a b */
	CHILD_OP_READONLY, /* b stays as it is, if there is such a b */
	CHILD_OP_PIVOT,	   /* make b the root and let the old one go */
	CHILD_OP_HOSTNAME, /* a */
	CHILD_OP_LOOPBACK, /* bring lo up */
};

struct child_op {
	enum child_op_code code;
	const char *a, *b, *type;
	unsigned long flags;
	const char *data;
	const char *what; /* for the error: "mount /proc" */
};

struct child_init {
	const struct child_op *ops;
	size_t ops_len;
	struct child_exec *exec;
	void *stack; /* for the command until its exec */
	size_t stack_size;
	bool is_reaper; /* no pid namespace: kill what is left by hand */
	/* Set by the spawner before it kills the reaper's children, for one that is not there yet. */
	volatile bool is_killed;
	/* Results. */
	int status;	    /* of the command, as wait4 gives it */
	struct rusage used; /* of the command and of what it left behind */
	int sys;	    /* setting up failed */
	const char *what;
};

int child_exec(void *exec);
int child_init(void *init);

#endif

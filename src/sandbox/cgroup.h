/* Control groups, as far as this machine has them.
 *
 * Four kinds of machine are told apart: v2 alone, v1 with a v2 mount beside it (hybrid), v1 alone, none. Two uses:
 *
 *   killing   one group in the v2 tree for each slot, kept and used again: making one for each job would cost more
 *             than starting the job. Needs cgroup.kill (Linux 5.14). Without it trees are killed by reaping.
 *   limits    memory and number of processes, only for an attempt that asks: a group of its own, in v2 if its
 *             controllers can be had there, else in v1.
 *   shares    each group has as much of the processors as any other, so that thousands of processes of one attempt do not
 *             keep its neighbours, or those who are to kill them, from running. In v1 for an attempt that asks.
 *
 * All groups of one work folder lie in groups named after it, so that cgroup_sweep() finds what a killed worker
 * left. The worker makes them; spawners get descriptors. One thread. */
#ifndef SLIPWAY_SANDBOX_CGROUP_H
#define SLIPWAY_SANDBOX_CGROUP_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct err;

enum cgroup_mode { CGROUP_NONE, CGROUP_V1, CGROUP_HYBRID, CGROUP_V2 };

struct cgroup {
	enum cgroup_mode mode;
	/* Folders that hold our groups; "" = not there. */
	char v2[PATH_MAX];
	char memory[PATH_MAX];	       /* v1 */
	char pids[PATH_MAX];	       /* v1 */
	char cpu[PATH_MAX];	       /* v1 */
	bool is_killing;	       /* v2 groups with cgroup.kill can be made */
	bool is_memory, is_pids;       /* such a limit can be kept here */
	bool is_cpu;		       /* processor time can be counted: v2, with or without a controller */
	bool is_v2_memory, is_v2_pids; /* … by v2 */
	bool is_v2_cpu;		       /* v2 shares out the processors */
	int64_t serial;
};

enum { CGROUP_V1_MAX = 3 };

struct cgroup_wish {
	int64_t memory_bytes, pids; /* 0 = no limit */
	bool is_cpu;		    /* processor time is to be counted */
	bool is_share; /* the processors are to be shared with others as one, however many it is */
};

/* A group with limits for one attempt. */
struct cgroup_limits {
	bool is_used;
	int64_t serial;
	int dir_fd;		  /* v2 group to be born in; -1 */
	int v2_procs;		  /* its cgroup.procs, for those who may not be born in it; -1 */
	int procs[CGROUP_V1_MAX]; /* v1 cgroup.procs to be written to: memory, pids, cpu; -1 */
};
#define CGROUP_LIMITS_INIT                                            \
	{                                                             \
		.dir_fd = -1, .v2_procs = -1, .procs = { -1, -1, -1 } \
	}

/* Find out what there is and make the folders for `tag` (unique to a work folder). Never fails: what does not
 * work is left out. */
void cgroup_open(struct cgroup *c, const char *tag);
/* The same, from what /proc/mounts and /proc/self/cgroup say. */
void cgroup_open_from(struct cgroup *c, const char *tag, const char *mounts, const char *own);
/* The reusable v2 group of a slot. Gives a folder descriptor, or -1 where there is none. */
int cgroup_slot(struct cgroup *c, int slot);
/* A group with these limits. What cannot be kept is left out: see is_memory, is_pids, is_cpu. */
int cgroup_limits_open(struct cgroup *c, const struct cgroup_wish *w, struct cgroup_limits *out,
		       struct err *e);
/* Was a process killed, or a fork refused, because of them? Read before closing. */
void cgroup_limits_read(const struct cgroup *c, const struct cgroup_limits *l, bool *is_memory_hit,
			bool *is_pids_hit, int64_t *memory_peak);
/* Processor time that all who were in it have used, in microseconds; -1 if it is not counted. */
int64_t cgroup_limits_cpu_us(const struct cgroup *c, const struct cgroup_limits *l);
/* Kill what is in it and remove it. */
void cgroup_limits_close(struct cgroup *c, struct cgroup_limits *l);
/* Kill all processes in all our groups and remove the groups, with the folders. Waits, a few seconds at most. */
void cgroup_sweep(struct cgroup *c);
const char *cgroup_mode_name(enum cgroup_mode m);

#endif

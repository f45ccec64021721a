/* Inside of src/run: what a run and an attempt are made of. One thread; see run/run.h for the outside.
 *
 *   run.c       the loop: events of spawners, pipes and tasks, deadlines
 *   attempt.c   one attempt's way through prepare → steps → collect → clean
 *   native.c, chroot.c   what differs between the drivers (driver_priv.h)
 *   pump.c      the log      folder.c  a native slot's folder
 *   inputs.c, collect.c, image.c, measure.c   work done by tasks beside the loop */
#ifndef SLIPWAY_RUN_RUN_PRIV_H
#define SLIPWAY_RUN_RUN_PRIV_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/spec.h"
#include "run/run.h"
#include "sandbox/cgroup.h"
#include "sandbox/spawner.h"

enum {
	RUN_SLOTS_MAX = SPAWNER_SLOTS_MAX,
	RUN_ROOM_BYTES = 256 * 1024,
};

enum run_task { TASK_INPUTS, TASK_COLLECT, TASK_UNPACK, TASK_MEASURE, TASKS };

/* What an epoll event is about. */
enum run_source { SOURCE_NATIVE = 1, SOURCE_CHROOT, SOURCE_PIPE, SOURCE_TASK, SOURCE_IMAGE };

enum phase {
	PHASE_IMAGE,   /* waits for its image to be unpacked */
	PHASE_INPUTS,  /* a task copies its inputs */
	PHASE_STEP,    /* a step runs */
	PHASE_MEASURE, /* it has ended; what it wrote on disk is looked at a last time */
	PHASE_COLLECT, /* a task gathers what it produced */
	PHASE_DONE,    /* to be reported by the next dispatch */
};

/* Why an attempt is being ended from outside of itself. The first one counts. */
enum halt {
	HALT_NONE,
	HALT_CANCEL,
	HALT_RELEASE,
	HALT_STALE,
	HALT_TIMEOUT,
	HALT_STEP_TIMEOUT,
	HALT_SILENCE,
	HALT_CPU,
	HALT_LOG,
	HALT_DISK
};

struct pump {
	int fd;	     /* read end of the step's pipe; -1 */
	int file_fd; /* -1 while it is in memory */
	struct buf memory;
	int64_t limit_bytes, size_bytes; /* without and with the mark */
	int64_t first_ms;		 /* when the first byte that is still in memory came; 0 */
	bool is_truncated, is_wide, is_broken;
	int64_t told_bytes; /* by on_log */
	int64_t dropped_bytes;
	int64_t rate_bytes;		 /* that are taken in a second; 0 = any number */
	int64_t second_ms, second_bytes; /* this second: since when, and how many */
	bool is_paused;			 /* until it is over */
};

/* The reusable folder of a native slot. */
struct folder {
	int fd, out_fd; /* -1: not made */
	uint64_t out_inode;
	/* Nobody has touched them since they were seen clean, as long as these are their times of change. */
	struct timespec changed, out_changed;
	bool is_settled; /* those are old enough to tell a change apart */
	char *path;	 /* absolute */
	bool is_grouped; /* the spawner has the slot's group and renews it: stays so when the folder is dropped */
};

struct image {
	struct image *next;
	char sha256[65];
	bool is_ready;
	int task; /* unpacking it: the task's socket; -1 */
	int users;
	int64_t used_serial, used_ms;
	int64_t size_bytes;
	struct err failed; /* code != ERR_NONE: could not be unpacked */
};

struct driver;

struct run_attempt {
	struct run *run;
	const struct driver *driver;
	struct arena arena;
	struct spec spec; /* our copy */
	int slot;
	uint32_t id;
	enum phase phase;
	enum halt halt;
	size_t step;	/* running, or next */
	bool is_failed; /* a step failed, or what was before it */
	bool is_root_open;
	bool is_killed; /* KILL was sent */
	bool is_stuck;	/* long ago, and it is still not dead */
	int64_t killed_ms;
	bool has_result; /* a sandbox told so */
	struct image *image;
	int task; /* socket of its task; -1 */
	bool is_task_done;
	size_t inputs_sent;
	int64_t started_ms, step_started_ms, output_ms;
	int64_t kill_at_ms;  /* when grace is over; 0 */
	int64_t cpu_look_ms; /* when its processor time is to be looked at */
	bool is_measured;    /* what it writes is */
	int64_t disk_look_ms,
		measured_ms; /* the same of its disk; INT64_MAX = not; when that was begun last */
	struct pump pump;
	struct cgroup_limits limits;
	/* The outcome as it grows. */
	struct outcome outcome;
	struct artifact *artifacts;
	int *artifact_fds;
	size_t artifacts_cap;
};

struct run {
	struct run_options options;
	struct arena arena;
	int lock_fd, work_fd, log_fd, blob_fd;
	int epoll;
	char *work_path; /* absolute */
	struct spawner *native, *chroot;
	bool is_chroot_ready;
	bool is_disk_only;  /* each scratch is on disk, whatever the spec says */
	int stuck;	    /* attempts that are */
	struct err unclean; /* why a folder could not be put away */
	char why_not[256];
	struct cgroup cgroup;
	struct run_attempt *slots[RUN_SLOTS_MAX];
	struct folder folders[RUN_SLOTS_MAX];
	struct image *images;
	uint32_t next_id;
	int64_t serial;
	const char *home, *path;
	char *room;	      /* RUN_ROOM_BYTES, for reading pipes and tasks */
	bool is_done_waiting; /* some attempt is PHASE_DONE */
};

int run_watch(struct run *r, int fd, enum run_source source, int slot, struct err *e);
void run_unwatch(struct run *r, int fd);

/* attempt.c */
struct run_attempt *attempt_new(struct run *r, const struct spec *s, int slot, struct err *e);
void attempt_free(struct run_attempt *a);
void attempt_begin(struct run_attempt *a);
void attempt_on_ended(struct run_attempt *a, const struct spawner_event *ev);
void attempt_on_image(struct run_attempt *a);
void attempt_on_task(struct run_attempt *a);
/* The root it was to run in could not be made. */
void attempt_on_root_failed(struct run_attempt *a, const char *why);
/* End it: TERM, grace, KILL; HALT_STALE kills at once. */
void attempt_halt(struct run_attempt *a, enum halt why);
/* Its chroot on disk has grown over its limits. */
void attempt_over_disk(struct run_attempt *a);
/* Act on deadlines that have passed. */
void attempt_on_time(struct run_attempt *a, int64_t now_ms);
/* The next one; INT64_MAX = none. */
int64_t attempt_deadline_ms(const struct run_attempt *a);
/* Fail before or after the steps: the outcome's reason and detail, unless there is one already. */
void attempt_fail(struct run_attempt *a, enum job_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void attempt_add_artifact(struct run_attempt *a, const char *name, const char *sha256, int64_t size_bytes,
			  int fd);

/* pump.c */
void pump_init(struct pump *p, const struct spec *s);
void pump_release(struct pump *p);
/* Take what the pipe has. false: it has ended. */
bool pump_read(struct run_attempt *a, bool is_last);
/* Take up again what the rate of a log has paused. */
void pump_on_time(struct run_attempt *a, int64_t now_ms);
/* As much again as the log holds, and no little, was dropped. */
bool pump_is_flood(const struct pump *p);
/* A line of our own in the log. */
void pump_note(struct run_attempt *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void pump_to_file(struct run_attempt *a);
void pump_tell(struct run_attempt *a);

/* folder.c */
int folder_ready(struct run *r, int slot, struct err *e);
/* Is it as it was made? Asked after an attempt, when all its processes are dead. */
bool folder_is_clean(struct folder *f);
/* Throw it away; the next folder_ready() makes it anew. */
void folder_drop(struct run *r, int slot);
void folder_release(struct folder *f);

/* The tasks (run in a child of a spawner) and their owner's side. */
spawner_task_fn inputs_task, collect_task, image_task, measure_task;
void inputs_begin(struct run_attempt *a);
void inputs_on_task(struct run_attempt *a);
void collect_begin(struct run_attempt *a, bool is_wanting_files, bool has_result);
void collect_on_task(struct run_attempt *a);
/* A step runs, and its scratch is on disk where nothing bounds it: how large it has become is looked at now and then. */
void measure_plan(struct run_attempt *a, int64_t now_ms);
void measure_begin(struct run_attempt *a);
void measure_on_task(struct run_attempt *a);
/* The step has ended: what is under way is of no interest. */
void measure_end(struct run_attempt *a);

/* image.c */
void image_add_known(struct run *r, const char *list);
/* The image, being unpacked or ready; its users are counted. NULL on failure. */
struct image *image_take(struct run *r, const char *sha256, struct err *e);
void image_give_back(struct run *r, struct image *i);
void image_on_task(struct run *r, struct image *i);
struct image *image_find_task(struct run *r, int task_fd);
void image_free_all(struct run *r);

#endif

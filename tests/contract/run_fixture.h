/* A runner in a folder of its own, and short words for the tests of it. The same tests run against every driver: a chroot's
 * image is packed from this machine's own shell and a few small programs. */
#ifndef SLIPWAY_TESTS_RUN_FIXTURE_H
#define SLIPWAY_TESTS_RUN_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "inventory.h"
#include "model/spec.h"
#include "run/run.h"

enum { RX_OUTCOMES_MAX = 512, RX_ARTIFACTS_MAX = 32 };

struct rx_artifact {
	char name[256], sha256[65];
	struct buf bytes;
};

/* The last outcome, copied. */
struct rx {
	char dir[64], work[80], blobs[80], logs[80];
	char image[65];
	enum isolation isolation;
	bool is_disk_only; /* kept by rx_init */
	int ready_ms;	   /* the same */
	int64_t stuck_ms;  /* the same */
	struct run *run;
	struct err err;
	int finished, succeeded, collecting;
	int64_t log_told;
	struct outcome o;
	char step[64], detail[1024];
	struct buf log; /* inline or from its file */
	bool is_log_inline;
	char *result;
	struct rx_artifact artifacts[RX_ARTIFACTS_MAX];
	size_t artifacts_len;
	/* What rx_spec() gives out. */
	struct spec_step step_room;
	const char *argv_room[4];
};

/* Makes folders and image, opens. false: this driver cannot run here (loudly said). */
bool rx_init(struct rx *fx, enum isolation isolation);
void rx_open(struct rx *fx);
/* Closes, checks that nothing is left, removes the folder. */
void rx_release(struct rx *fx);

/* rx_release() as the teardown of a group, for one that was opened. */
int rx_close(void **state);
/* Whether chroots can run here; said loudly if not. */
bool rx_can_chroot(void);

/* A spec of one step, `sh -c script`, with a number of its own. It lives in fx until the next. */
struct spec rx_spec(struct rx *fx, const char *script);
/* Start it and dispatch until it has finished. */
void rx_run(struct rx *fx, const struct spec *s);
void rx_sh(struct rx *fx, const char *script);
void rx_start(struct rx *fx, const struct spec *s);
/* Dispatch until `count` attempts in all have finished. */
void rx_wait(struct rx *fx, int count);
/* Dispatch until the log of what runs has at least so many bytes on disk. */
void rx_wait_log(struct rx *fx, int64_t bytes);
/* Once: wait for an event or a deadline, dispatch. */
void rx_turn(struct rx *fx);
void rx_add_blob(struct rx *fx, const void *bytes, size_t n, char sha256[65]);

void rx_assert_outcome(struct rx *fx, enum attempt_outcome outcome, enum job_reason reason);
void rx_assert_log(struct rx *fx, const char *text);

/* How many processes of this machine have SLIPWAY_JOB=job in their environment. */
int rx_count_processes(int64_t job);
/* The first of them that is called `name`; 0: there is none. */
pid_t rx_find_process(int64_t job, const char *name);
/* Files and folders beneath a folder, deep. */
int rx_count_files(const char *path);
/* Control groups of this runner's folder. */
int rx_count_groups(const struct rx *fx);
int64_t rx_next_job(void);
void rx_take_inventory(const struct rx *fx, struct inventory *v);
/* Nothing is ready for an attempt to come (if the fixture has a short ready_ms). */
void rx_wait_nothing_ready(const struct rx *fx);
void rx_assert_inventory(const struct rx *fx, const struct inventory *before, bool is_reaping);

/* Pack an image: list of names beneath / to take from this machine, NULL-terminated, or NULL for the usual. */
void rx_pack_image(struct rx *fx, const char *const *links, char sha256[65]);

#endif

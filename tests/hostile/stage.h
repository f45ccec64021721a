/* Where the hostile programs play: a server with a worker of two slots, as root or as an ordinary user; a target whose image holds
 * the programs; a build type that runs them as the build's user; and on the host what they look for: a file, shared memory, a
 * queue, a socket without a file, a service on the loopback. */
#ifndef SLIPWAY_HOSTILE_STAGE_H
#define SLIPWAY_HOSTILE_STAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "rig.h"

struct client;

enum stage_worker { WORKER_ROOT, WORKER_USER };

struct stage {
	struct rig rig;
	struct client *client;
	enum stage_worker worker;
	char secret[96], bait[64];
	int listening, abstract, shm;
	bool is_memory, is_pids; /* such limits are kept here */
};

/* Why it cannot be set here; NULL: it can. */
const char *stage_why_not(void);
void stage_open(struct stage *s, enum stage_worker worker);
/* In between: the server ends, and how many things went wrong with that; dies; and comes up again, with what it had. */
int stage_stop(struct stage *s);
void stage_kill(struct stage *s);
void stage_start(struct stage *s);
/* Stops the server; how many things are left that were not there before it, each told. */
int stage_close(struct stage *s);

/* Submit a body; its number. */
int64_t stage_submit(struct stage *s, json_t *body);
/* A body for a program of the image. `is_build`: as the build's user, else as root of the sandbox. Owned by the caller. */
json_t *stage_body(const char *program, bool is_build);
/* Wait until it has ended; the job. Owned by the caller. */
json_t *stage_wait(struct stage *s, int64_t id);
/* Wait until its log has this word; false: it has ended without it. */
bool stage_wait_log(struct stage *s, int64_t id, const char *word);
void stage_log(struct stage *s, int64_t id, struct buf *out);
/* Where the worker keeps what it runs. */
void stage_work_dir(const struct stage *s, char out[120]);

#endif

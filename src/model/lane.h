/* Lanes: classes of waiting work with the same requirements, and which of them a worker may take.
 *
 * A lane is (kind, isolation, architecture, tags, trust zone). Matching is a pure function of a lane and a worker, the same
 * for dispatch and for `why`. Any thread. */
#ifndef SLIPWAY_MODEL_LANE_H
#define SLIPWAY_MODEL_LANE_H

#include <stdbool.h>

#include "model/job.h"

struct lane {
	int64_t id;
	enum job_kind kind;
	enum isolation isolation;
	const char *arch; /* "" = any */
	const char *tags; /* sorted, joined by ","; "" = none */
	const char *zone; /* the trust zone of its jobs' owners; "" = the default one */
};

enum worker_state {
	WORKER_ACTIVE = 1,
	WORKER_DRAINING = 2, /* finishes what it has, gets nothing new */
	WORKER_DISABLED = 3,
};
/* Does a stored status say that the disk is too full? */
bool worker_status_is_low(const char *status);
const char *worker_state_name(enum worker_state s);
int worker_state_parse(const char *name); /* -1: no such name */

struct worker {
	int64_t id;
	const char *name, *machine, *boot_id, *session, *version;
	const char *arch;    /* what it runs natively and in chroots */
	unsigned isolations; /* bit (1 << enum isolation) */
	const char *tags;    /* sorted, joined by "," */
	const char *demands; /* as tags: it takes nothing that asks for less than these */
	const char
		*zones; /* joined by ","; "" = the default one only, which is called "default" among others */
	int slots;
	enum worker_state state;
	int failures;
	const char
		*quarantine; /* why it gets no work whatever its state says; "" = it is not in quarantine */
	int64_t quarantined_ms; /* since when */
	int64_t beat_ms;	/* last sign of life */
	bool is_online;
	int64_t server; /* where it is registered or came to last; 0 where there is one server only */
	const char *server_name;
	bool is_server_alive; /* that one was heard of lately */
	int running;	      /* jobs it holds */
	const char *status;   /* of its machine, as the server stores it; "" = it has said nothing */
	bool is_disk_low;     /* it takes nothing until there is room */
};

enum lane_misfit {
	LANE_FITS,
	LANE_STATE,
	LANE_OFFLINE,
	LANE_QUARANTINED,
	LANE_DISK,
	LANE_ISOLATION,
	LANE_ARCH,
	LANE_TAGS,
	LANE_DEMANDS,
	LANE_ZONE
};
/* The first thing that keeps the worker from the lane, or LANE_FITS. */
enum lane_misfit lane_match(const struct lane *l, const struct worker *w);
/* For a person: "has no isolation chroot". */
const char *lane_misfit_text(enum lane_misfit m);

#endif

/* What `slipway doctor` looks at: one row a check. Each looks at this machine as the user who calls it, changes nothing that
 * outlasts it, and says what it found in words, with the command that would make it better. One thread, and no other
 * thread in the process: some try things in a forked child. */
#ifndef SLIPWAY_CLI_DOCTOR_CHECKS_H
#define SLIPWAY_CLI_DOCTOR_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "sandbox/cgroup.h"

enum doctor_state { DOCTOR_OK, DOCTOR_LIMITED, DOCTOR_MISSING };

struct doctor_finding {
	enum doctor_state state;
	char text[320];
	char fix[200]; /* a command; "" = there is none */
};

/* What the checks need to know, and what several of them look at. */
struct doctor {
	const char *work_dir;	/* where a worker would have its folder; need not exist */
	const char *server;	/* NULL: none was named */
	int64_t min_free_bytes; /* < 0: as a worker takes it */
	unsigned isolations;	/* bits (1 << enum isolation) that must work; 0 = any will do */
	struct cgroup cgroup;
};

struct doctor_check {
	const char *name;
	void (*run)(struct doctor *d, struct doctor_finding *f);
	/* Without it no work can be done here. */
	bool (*is_needed)(const struct doctor *d);
};

/* A NULL name ends it. */
extern const struct doctor_check doctor_checks[];

const char *doctor_state_name(enum doctor_state s);

#endif

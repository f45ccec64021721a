/* What a job may use at most, as one table: names, units and words from which bodies, options, errors and pages come. What each limit
 * does when it is reached is in run/run.h. Pure; any thread. */
#ifndef SLIPWAY_MODEL_LIMITS_H
#define SLIPWAY_MODEL_LIMITS_H

#include <stddef.h>
#include <stdint.h>

struct job_limits;

enum limit_unit {
	LIMIT_NUMBER,
	LIMIT_BYTES,
	LIMIT_TIME, /* milliseconds here, seconds in JSON */
};

struct limit_row {
	const char *name;
	size_t offset; /* of its int64_t in struct job_limits */
	enum limit_unit unit;
	/* Some machines cannot keep it. A worker that can offers this tag by itself; a job that insists asks for it. NULL: all can. */
	const char *tag;
};

enum { LIMITS = 11 };

extern const struct limit_row limit_rows[LIMITS];

/* The row of that name; NULL: there is none. */
const struct limit_row *limit_find(const char *name, size_t len);
int64_t limit_get(const struct job_limits *l, const struct limit_row *row);
void limit_set(struct job_limits *l, const struct limit_row *row, int64_t value);

#endif

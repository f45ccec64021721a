/* The hostile programs: which there are, what they do where nothing holds them, and on the stage, beside a neighbour that runs all
 * the while. */
#ifndef SLIPWAY_HOSTILE_HOSTILE_H
#define SLIPWAY_HOSTILE_HOSTILE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct stage;

enum verdict { VERDICT_NONE, VERDICT_HELD, VERDICT_BROKEN, VERDICT_KNOWN, VERDICT_UNTRIED };
enum { STEP_BUILD, STEP_ROOT, STEPS };

struct outcome_of {
	enum verdict verdict;
	bool is_left; /* something of it was left behind */
	char text[300];
};

/* A row of the table: probe.h has the fields of `about`. */
struct hostile {
	char name[64];
	json_t *about;
	struct outcome_of results[2][STEPS]; /* by worker */
};

/* All there are, by class and name. Ends the test if one cannot tell of itself. */
struct hostile *hostile_list(size_t *len);
void hostile_free(struct hostile *list, size_t len);
bool hostile_is(const struct hostile *h, const char *flag);
/* Is it tried in this step? */
bool hostile_is_for(const struct hostile *h, int step);

/* Run where nothing holds it: does it say BROKEN there? `text` is what it said last. */
bool hostile_gets_through(const struct hostile *h, char *text, size_t size);

/* The neighbour, which must be there before the first trial. */
void neighbour_start(struct stage *s);
/* Tell it to end; true: everything of it is as it was. */
bool neighbour_end(struct stage *s);
void hostile_try(struct stage *s, struct hostile *h, int step);

#endif

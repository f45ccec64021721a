#include "model/state.h"

#include <stddef.h>
#include <string.h>

#include "base/clean.h"

#define TO(s) (1u << (s))

struct state_row {
	const char *name;
	const char *meaning;
	unsigned goes_to;
};

/* What a suspended job may become is what it would be without the suspension. `retry` is what leads out of
 * failed and cancelled; nothing leads out of succeeded. */
static const struct state_row states[STATE_LAST + 1] = {
	[0] = { NULL, NULL,
		TO(STATE_BLOCKED) | TO(STATE_SCHEDULED) | TO(STATE_WAITING) | TO(STATE_SUSPENDED) },
	[STATE_BLOCKED] = { "blocked", "waits for the jobs it needs",
			    TO(STATE_WAITING) | TO(STATE_SCHEDULED) | TO(STATE_FAILED) | TO(STATE_SUSPENDED) |
				    TO(STATE_CANCELLED) },
	[STATE_SCHEDULED] = { "scheduled", "starts at its time",
			      TO(STATE_WAITING) | TO(STATE_SUSPENDED) | TO(STATE_CANCELLED) },
	[STATE_WAITING] = { "waiting", "may start as soon as a worker fits",
			    TO(STATE_RUNNING) | TO(STATE_SUSPENDED) | TO(STATE_CANCELLED) },
	[STATE_RUNNING] = { "running", "an attempt holds the lease",
			    TO(STATE_COLLECTING) | TO(STATE_SUCCEEDED) | TO(STATE_FAILED) |
				    TO(STATE_DEPWAIT) | TO(STATE_CANCELLED) | TO(STATE_SUSPENDED) |
				    TO(STATE_SCHEDULED) | TO(STATE_WAITING) },
	[STATE_COLLECTING] = { "collecting", "its processes are gone, its output is being stored",
			       TO(STATE_SUCCEEDED) | TO(STATE_FAILED) | TO(STATE_CANCELLED) |
				       TO(STATE_DEPWAIT) | TO(STATE_SCHEDULED) | TO(STATE_WAITING) },
	[STATE_DEPWAIT] = { "depwait", "a build dependency does not exist yet",
			    TO(STATE_WAITING) | TO(STATE_CANCELLED) | TO(STATE_FAILED) },
	[STATE_SUSPENDED] = { "suspended", "held until it is resumed",
			      TO(STATE_BLOCKED) | TO(STATE_SCHEDULED) | TO(STATE_WAITING) | TO(STATE_FAILED) |
				      TO(STATE_CANCELLED) },
	[STATE_SUCCEEDED] = { "succeeded", "done", 0 },
	[STATE_FAILED] = { "failed", "ended without success", TO(STATE_WAITING) | TO(STATE_BLOCKED) },
	[STATE_CANCELLED] = { "cancelled", "ended because somebody asked for it",
			      TO(STATE_WAITING) | TO(STATE_BLOCKED) },
};

static const struct {
	const char *name;
	const char *meaning;
} reasons[REASON_LAST + 1] = {
	[REASON_NONE] = { "", "" },
	[REASON_EXIT] = { "exit", "a process ended with an error status" },
	[REASON_SIGNAL] = { "signal", "a process was ended by a signal" },
	[REASON_TIMEOUT] = { "timeout", "it ran longer than it may" },
	[REASON_SILENCE] = { "silence", "it wrote nothing for longer than it may" },
	[REASON_MEMORY] = { "memory", "it used more memory than it may" },
	[REASON_DISK] = { "disk", "it wrote more than it may" },
	[REASON_PIDS] = { "pids", "it started more processes than it may" },
	[REASON_OUTPUT] = { "output", "its output is larger than it may be, or malformed" },
	[REASON_TARGET] = { "target", "its target is missing or broken" },
	[REASON_INPUT] = { "input", "an input is missing or malformed" },
	[REASON_COLLECT] = { "collect", "what it was to produce is not there" },
	[REASON_LOST] = { "lost", "its workers vanished too often" },
	[REASON_NEEDS] = { "needs", "a job it needs did not succeed" },
	[REASON_DEPWAIT] = { "depwait", "a build dependency does not exist" },
	[REASON_POLICY] = { "policy", "a rule or a person said so" },
	[REASON_SUPERSEDED] = { "superseded", "a newer one took its place" },
	[REASON_INTERNAL] = { "internal", "the system failed, not the job" },
};

static const struct state_row *row_of(enum job_state s)
{
	return (unsigned)s < ARRAY_LEN(states) ? &states[s] : NULL;
}

const char *state_name(enum job_state s)
{
	return row_of(s) ? row_of(s)->name : NULL;
}

const char *state_meaning(enum job_state s)
{
	return row_of(s) ? row_of(s)->meaning : NULL;
}

enum job_state state_parse(const char *name)
{
	for (int s = STATE_FIRST; s <= STATE_LAST; s++)
		if (strcmp(states[s].name, name) == 0)
			return (enum job_state)s;
	return (enum job_state)0;
}

bool state_is_final(enum job_state s)
{
	return s == STATE_SUCCEEDED || s == STATE_FAILED || s == STATE_CANCELLED;
}

bool state_is_leased(enum job_state s)
{
	return s == STATE_RUNNING || s == STATE_COLLECTING;
}

bool state_may_go(enum job_state from, enum job_state to)
{
	return row_of(from) && row_of(to) && to && (row_of(from)->goes_to & TO(to));
}

unsigned state_successors(enum job_state from)
{
	return row_of(from) ? row_of(from)->goes_to : 0;
}

const char *reason_name(enum job_reason r)
{
	return (unsigned)r < ARRAY_LEN(reasons) ? reasons[r].name : NULL;
}

const char *reason_meaning(enum job_reason r)
{
	return (unsigned)r < ARRAY_LEN(reasons) ? reasons[r].meaning : NULL;
}

enum job_reason reason_parse(const char *name)
{
	for (int r = 1; r <= REASON_LAST; r++)
		if (strcmp(reasons[r].name, name) == 0)
			return (enum job_reason)r;
	return REASON_NONE;
}

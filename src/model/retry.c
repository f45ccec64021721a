#include "model/retry.h"

static struct verdict verdict_of(const struct job *j, enum job_state s, enum job_reason r)
{
	return (struct verdict){ .state = s, .reason = r, .failures = j->failures, .losses = j->losses };
}

static int64_t delay_of(const struct job *j)
{
	int64_t delay_ms = j->retry_delay_ms;
	for (int i = 0; i < j->failures && delay_ms > 0 && delay_ms < RETRY_DELAY_MAX_MS; i++)
		delay_ms *= 2;
	return delay_ms < RETRY_DELAY_MAX_MS ? delay_ms : RETRY_DELAY_MAX_MS;
}

static struct verdict after_failure(const struct job *j, enum job_reason r, int64_t now_ms)
{
	int64_t delay_ms = delay_of(j);
	struct verdict v = verdict_of(j, STATE_FAILED, r);
	v.failures++;
	if (v.failures >= j->max_attempts)
		return v;
	v.state = delay_ms > 0 ? STATE_SCHEDULED : STATE_WAITING;
	v.run_at_ms = delay_ms > 0 ? now_ms + delay_ms : 0;
	return v;
}

static struct verdict after_loss(const struct job *j)
{
	struct verdict v = verdict_of(j, STATE_WAITING, REASON_LOST);
	v.losses++;
	return v;
}

struct verdict retry_decide(const struct job *j, enum attempt_outcome o, enum job_reason r, int64_t now_ms)
{
	if (o == OUTCOME_SUCCEEDED)
		return verdict_of(j, STATE_SUCCEEDED, REASON_NONE);
	if (j->is_cancel_asked || o == OUTCOME_CANCELLED)
		return verdict_of(j, STATE_CANCELLED, o == OUTCOME_CANCELLED ? r : REASON_NONE);
	switch (o) {
	case OUTCOME_FAILED:
		return after_failure(j, r, now_ms);
	case OUTCOME_LOST:
		return after_loss(j);
	case OUTCOME_DEPWAIT:
		return verdict_of(j, STATE_DEPWAIT, REASON_DEPWAIT);
	case OUTCOME_RELEASED:
	case OUTCOME_RUNNING: /* nothing has ended; give it back rather than lose it */
		return verdict_of(j, STATE_WAITING, REASON_NONE);
	case OUTCOME_SUCCEEDED:
	case OUTCOME_CANCELLED:
		break;
	}
	return verdict_of(j, STATE_FAILED, REASON_INTERNAL);
}

#include "model/blame.h"

static void take_worker_out(struct blame *b, bool is_larger)
{
	b->is_worker_out = true;
	b->is_worker_suspect = !is_larger;
	/* What a worker that is to blame did to a job is not held against that. */
	if (is_larger)
		b->job--;
}

struct blame blame_judge(const struct blame_case *c)
{
	struct blame b = { .worker = c->worker + !c->is_counted, .job = c->job + 1 };
	bool is_larger = b.worker > b.job, is_equal = b.worker == b.job;
	if (b.worker >= BLAME_MAX && (is_larger || (is_equal && c->others > 0 && b.job == BLAME_MAX))) {
		take_worker_out(&b, is_larger);
		return b;
	}
	b.is_job_out = b.job >= BLAME_MAX;
	b.is_clearing = b.is_job_out && b.job > b.worker;
	return b;
}

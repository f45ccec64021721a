/* run: submit, follow, exit like it. */
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/submission.h"

int cmd_run(struct cli *c, struct err *e)
{
	struct submission s CLEAN(submission_release);
	int64_t id;
	submission_begin(&s, c->api);
	submission_add_argv(&s, &c->args);
	if (submission_add_options(&s, &c->args, e) < 0 || submission_send(&s, &id, e) < 0)
		return -1;
	struct follow f = { .api = c->api,
			    .job = id,
			    .attempt = 1,
			    .out_fd = STDOUT_FILENO,
			    .is_raw = args_has(&c->args, "raw"),
			    .is_cancelling = true };
	return follow_job(&f, e);
}

/* Kind command: one program, native or in a chroot of a target. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "kind/kind_priv.h"

static int check_command(struct job_new *news, const struct kind_context *c, struct arena *a, struct err *e)
{
	if (news->isolation == ISOLATION_NONE && news->target[0])
		return err_set(e, ERR_INVALID, "target: needs isolation chroot or vm");
	if (news->isolation == ISOLATION_NONE)
		return 0;
	if (!news->target[0])
		return err_set(e, ERR_INVALID, "isolation: %s needs a target",
			       isolation_name(news->isolation));
	if (!c->target_arch || !c->target_arch[0])
		return err_set(e, ERR_NOT_FOUND, "target %s does not exist", news->target);
	if (news->arch[0] && strcmp(news->arch, c->target_arch) != 0)
		return err_set(e, ERR_INVALID, "arch: target %s is for %s", news->target, c->target_arch);
	news->arch = arena_strdup(a, c->target_arch);
	return news->arch ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int plan_command(const struct kind_context *c, struct arena *a, struct spec *out, struct err *e)
{
	plan_begin(c, out);
	if (!c->payload->argv)
		return err_set(e, ERR_INVALID, "argv: missing");
	struct spec_step *step = arena_alloc(a, sizeof *step);
	if (!step)
		return err_set(e, ERR_NOMEM, "out of memory");
	bool is_native = c->job->isolation == ISOLATION_NONE;
	*step = (struct spec_step){
		.name = "",
		.argv = c->payload->argv,
		/* Root of a throw-away root: it may install what it likes in there, and is
				     * nobody outside. */
		.user = USER_ROOT,
		.network = is_native ? NETWORK_FULL : NETWORK_NONE,
		.reason = REASON_EXIT
	};
	out->steps = step;
	out->steps_len = 1;
	return is_native ? 0 : plan_chroot(c, out, e);
}

const struct kind kind_command = {
	.id = KIND_COMMAND,
	.summary = "run a program",
	.check = check_command,
	.plan = plan_command,
};

/* build: a job for each source, the numbers on stdout. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/source.h"
#include "cli/submission.h"

static int submit_build(struct cli *c, const char *source, int64_t *id, struct err *e)
{
	struct submission s CLEAN(submission_release);
	CLEAN_BUF struct buf name = BUF_INIT;
	submission_begin(&s, c->api);
	if (source_add(&s, source, &name, e) < 0)
		return -1;
	jw_kstr(&s.json, "kind", "build");
	jw_key(&s.json, "build");
	jw_begin_object(&s.json);
	jw_kstr(&s.json, "type", args_text(&c->args, "type", "deb"));
	jw_kstr(&s.json, "source", name.data);
	jw_end_object(&s.json);
	if (submission_add_options(&s, &c->args, e) < 0 || submission_send(&s, id, e) < 0)
		return err_wrap(e, "build %s", source);
	printf("%lld\n", (long long)*id);
	return 0;
}

int cmd_build(struct cli *c, struct err *e)
{
	if (!args_has(&c->args, "target"))
		return err_set(e, ERR_USAGE,
			       "build: --target is missing; slipway target list shows what there is");
	size_t n = c->args.words_len;
	CLEAN_FREE int64_t *ids = calloc(n, sizeof *ids);
	if (!ids)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		if (submit_build(c, c->args.words[i], &ids[i], e) < 0)
			return -1;
	return follow_if_asked(c, ids, n, e);
}

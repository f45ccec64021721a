/* recipe: a job that makes a source package; the builds come after it, in its chain. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/follow.h"
#include "cli/submission.h"
#include "text/json.h"
#include "text/recipe.h"

static int submit_recipe(struct cli *c, const char *path, int64_t *id, struct err *e)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	if (fd_read_file(AT_FDCWD, path, RECIPE_MAX_BYTES, &text, e) < 0)
		return err_wrap(e, "read %s", path);
	if (strlen(text.data) != text.len)
		return err_set(e, ERR_INVALID, "%s is no recipe: it has NUL bytes", path);
	struct submission s CLEAN(submission_release);
	submission_begin(&s, c->api);
	jw_kstr(&s.json, "kind", "recipe");
	jw_kstr(&s.json, "name", args_text(&c->args, "name", path_base(path)));
	if (args_has(&c->args, "priority"))
		jw_kint(&s.json, "priority", args_int(&c->args, "priority", 0));
	if (args_has(&c->args, "timeout")) {
		jw_key(&s.json, "timeout");
		jw_seconds(&s.json, args_duration(&c->args, "timeout", 0));
	}
	jw_key(&s.json, "recipe");
	jw_begin_object(&s.json);
	jw_kstr(&s.json, "text", text.data);
	submission_add_names(&s, &c->args, "target", "targets");
	jw_kstr(&s.json, "type", args_text(&c->args, "type", "deb"));
	jw_end_object(&s.json);
	if (submission_send(&s, id, e) < 0)
		return err_wrap(e, "recipe %s", path);
	printf("%lld\n", (long long)*id);
	return 0;
}

/* The builds that the recipe job has started: the members of its chain that came after it. */
static int find_builds(struct cli *c, int64_t recipe, int64_t **ids, size_t *n, struct err *e)
{
	char path[64];
	snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)recipe);
	CLEAN_JSON json_t *job = api_get(c->api, path, NULL, e);
	if (!job)
		return -1;
	size_t most = field_count(job, "chain_jobs");
	*ids = calloc(most + 1, sizeof **ids);
	if (!*ids)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < most; i++) {
		const json_t *member = field_at(job, "chain_jobs", i);
		if (strcmp(field_text(member, "kind"), "build") == 0 && field_int(member, "id") > recipe)
			(*ids)[(*n)++] = field_int(member, "id");
	}
	return 0;
}

int cmd_recipe(struct cli *c, struct err *e)
{
	if (!args_has(&c->args, "target"))
		return err_set(e, ERR_USAGE,
			       "recipe: --target is missing; slipway target list shows what there is");
	int64_t recipe;
	if (submit_recipe(c, c->args.words[0], &recipe, e) < 0)
		return -1;
	int status = follow_if_asked(c, &recipe, 1, e);
	if (status != 0 || !args_has(&c->args, "follow"))
		return status;
	CLEAN_FREE int64_t *builds = NULL;
	size_t n = 0;
	if (find_builds(c, recipe, &builds, &n, e) < 0)
		return -1;
	return follow_if_asked(c, builds, n, e);
}

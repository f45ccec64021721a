/* Kind recipe: make a source package from branches, then a build of it for each target. */
#include "text/recipe.h"

#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/path.h"
#include "kind/build_type.h"
#include "kind/kind_priv.h"
#include "model/name.h"
#include "text/json.h"
#include "text/utf8.h"

enum { TARGETS_MAX = 50 };

/* The recipe's own object in the payload: {"targets":[…],"type":"deb"}; the text is kept elsewhere. */
struct recipe_detail {
	const char *const *targets;
	size_t targets_len;
	const char *type;
};

static int targets_decode(const json_t *in, struct arena *a, struct recipe_detail *out, struct err *e)
{
	const json_t *list;
	if (json_get_array(in, "targets", &list, e) < 0)
		return -1;
	size_t n = json_array_size(list);
	if (n == 0 || n > TARGETS_MAX)
		return err_set(e, ERR_INVALID, "targets: must name 1 to %d targets", TARGETS_MAX);
	const char **targets = arena_array(a, n + 1, sizeof *targets);
	if (!targets)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *name = json_string_value(json_array_get(list, i));
		if (!name || !name_is_target(name))
			return err_set(e, ERR_INVALID, "targets: number %zu: must be the name of a target",
				       i + 1);
		for (size_t k = 0; k < i; k++)
			if (strcmp(targets[k], name) == 0)
				return err_set(e, ERR_INVALID, "targets: %s is there twice", name);
		targets[i] = arena_strdup(a, name);
		if (!targets[i])
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	out->targets = targets;
	out->targets_len = n;
	return 0;
}

static int detail_decode(const struct payload *p, struct arena *a, struct recipe_detail *out, struct err *e)
{
	static const char *const fields[] = { "targets", "type", NULL };
	const char *type;
	if (!p->detail)
		return err_set(e, ERR_INVALID, "recipe: missing");
	CLEAN_JSON json_t *in = json_parse("recipe", p->detail, strlen(p->detail), e);
	if (!in)
		return -1;
	if (json_check_fields(in, fields, e) < 0 || targets_decode(in, a, out, e) < 0 ||
	    json_get_str(in, "type", "deb", &type, e) < 0)
		return err_wrap(e, "recipe");
	out->type = arena_strdup(a, type);
	return out->type ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

/* The last part of the base branch's address names the job. A wrong recipe is still a job: it fails, and says where. */
static const char *recipe_name(const char *text, struct arena *a)
{
	struct recipe r;
	if (recipe_parse(text, strlen(text), a, &r, NULL) < 0)
		return "recipe";
	const char *url = r.branches[0].url;
	size_t n = strlen(url);
	while (n > 1 && url[n - 1] == '/')
		n--;
	size_t from = n;
	while (from > 0 && url[from - 1] != '/' && url[from - 1] != ':')
		from--;
	if (n - from > 4 && memcmp(url + n - 4, ".git", 4) == 0)
		n -= 4;
	return n > from ? arena_strndup(a, url + from, utf8_cut(url + from, n - from, JOB_NAME_MAX))
			: "recipe";
}

static int check_recipe(struct job_new *news, const struct kind_context *c, struct arena *a, struct err *e)
{
	struct payload p;
	struct recipe_detail d;
	if (payload_decode(news->payload, a, &p, e) < 0 || check_no_argv(&p, KIND_RECIPE, e) < 0 ||
	    detail_decode(&p, a, &d, e) < 0)
		return -1;
	if (strlen(news->recipe_text) > RECIPE_MAX_BYTES)
		return err_set(e, ERR_TOO_LARGE, "recipe: text: longer than %d bytes", RECIPE_MAX_BYTES);
	if (news->isolation != ISOLATION_NONE || news->target[0])
		return err_set(e, ERR_INVALID,
			       "isolation, target: a recipe runs natively; its targets are in \"recipe\"");
	const struct build_type *t = build_types_find(c->types, d.type);
	if (!t || t->is_internal)
		return err_set(e, ERR_INVALID, "recipe: type: there is no build type %.60s", d.type);
	if (!news->name[0])
		news->name = recipe_name(news->recipe_text, a);
	return news->name ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int recipe_targets(const struct job_new *news, struct arena *a, const char *const **out, struct err *e)
{
	struct payload p;
	struct recipe_detail d;
	if (payload_decode(news->payload, a, &p, e) < 0 || detail_decode(&p, a, &d, e) < 0)
		return -1;
	*out = d.targets;
	return 0;
}

static int plan_recipe(const struct kind_context *c, struct arena *a, struct spec *out, struct err *e)
{
	struct recipe r;
	plan_begin(c, out);
	if (recipe_parse(c->recipe_text, strlen(c->recipe_text), a, &r, e) < 0) {
		/* Too large is the recipe's fault as well. */
		if (e && e->code == ERR_TOO_LARGE)
			e->code = ERR_INVALID;
		return -1;
	}
	const struct env_var env[] = { { "SLIPWAY_RECIPE", c->recipe_text } };
	return plan_type(c, "recipe", env, ARRAY_LEN(env), a, out, e);
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n > m && strcmp(text + n - m, end) == 0;
}

static const struct artifact *find_dsc(const struct outcome *o)
{
	const struct artifact *dsc = NULL;
	for (size_t i = 0; i < o->artifacts_len; i++)
		if (ends_with(o->artifacts[i].name, ".dsc") && path_is_safe_name(o->artifacts[i].name)) {
			if (dsc)
				return NULL;
			dsc = &o->artifacts[i];
		}
	return dsc;
}

static int make_payload(const struct outcome *o, const char *source, const char *type, struct arena *a,
			const char **out)
{
	CLEAN_JSON json_t *detail = json_pack("{s:s,s:s}", "source", source, "type", type);
	CLEAN_FREE char *text = detail ? json_dumps(detail, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	struct job_input *inputs = arena_array(a, o->artifacts_len, sizeof *inputs);
	if (!text || !inputs)
		return -1;
	for (size_t i = 0; i < o->artifacts_len; i++) {
		inputs[i] = (struct job_input){ .name = o->artifacts[i].name,
						.size_bytes = o->artifacts[i].size_bytes,
						.mode = 0644 };
		memcpy(inputs[i].sha256, o->artifacts[i].sha256, sizeof inputs[i].sha256);
	}
	struct payload p = { .inputs = inputs, .inputs_len = o->artifacts_len, .detail = text };
	*out = payload_encode(&p, a);
	return *out ? 0 : -1;
}

/* "2.10-3" of "hello_2.10-3.dsc"; "" if it is named otherwise. */
static const char *version_of(const char *dsc, struct arena *a)
{
	const char *under = strchr(dsc, '_');
	size_t n = under ? strlen(under + 1) : 0;
	return n > 4 ? arena_strndup(a, under + 1, n - 4) : "";
}

static int add_births(const struct kind_context *c, const struct outcome *o, const struct artifact *dsc,
		      struct arena *a, struct kind_effects *out, struct err *e)
{
	struct recipe_detail d;
	const char *payload;
	if (detail_decode(c->payload, a, &d, e) < 0)
		return -1;
	struct job_new *births = arena_array(a, d.targets_len, sizeof *births);
	const char *name = arena_strndup(a, dsc->name, strlen(dsc->name) - strlen(".dsc"));
	const char *version = version_of(dsc->name, a);
	if (!births || !name || !version || make_payload(o, name, d.type, a, &payload) < 0)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < d.targets_len; i++)
		births[i] = (struct job_new){
			.kind = KIND_BUILD,
			.name = name,
			.owner = c->job->owner,
			.priority = c->job->priority,
			.max_attempts = 1,
			.isolation = ISOLATION_CHROOT,
			.arch = "",
			.tags = "",
			.target = d.targets[i],
			.dedupe = "",
			.chain = c->job->chain,
			.payload = payload,
			.build = { .type = d.type, .source = name, .version = version },
		};
	out->births = births;
	out->births_len = d.targets_len;
	return 0;
}

static int settle_recipe(const struct kind_context *c, const struct outcome *o, struct arena *a,
			 struct kind_effects *out, struct err *e)
{
	struct step_result r;
	settle_begin(o, out);
	step_result_read(o->result, a, &r);
	if (o->outcome == OUTCOME_FAILED && r.message)
		out->detail = r.message;
	if (o->outcome != OUTCOME_SUCCEEDED)
		return 0;
	const struct artifact *dsc = find_dsc(o);
	if (!dsc) {
		settle_fail(out, REASON_COLLECT, "the recipe has not made exactly one source package");
		return 0;
	}
	return add_births(c, o, dsc, a, out, e);
}

const struct kind kind_recipe = {
	.id = KIND_RECIPE,
	.summary = "make a source package from branches and build it",
	.check = check_recipe,
	.plan = plan_recipe,
	.settle = settle_recipe,
	.targets = recipe_targets,
};

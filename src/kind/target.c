/* Kind target: make the root image of a target, or bring it up to date. */
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "kind/kind_priv.h"
#include "model/name.h"
#include "text/json.h"

static int get_word(const json_t *in, const char *key, const char *dflt, struct arena *a, const char **out,
		    struct err *e)
{
	const char *text;
	if (json_get_str(in, key, dflt, &text, e) < 0)
		return -1;
	if (text[0] && !name_is_target(text))
		return err_set(e, ERR_INVALID, "%s: must be lower-case letters, digits, '.', '+' and '-'",
			       key);
	*out = arena_strdup(a, text);
	return *out ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

/* Words in one text, as mmdebstrap takes them: "main contrib". */
static int get_components(const json_t *in, struct arena *a, const char **out, struct err *e)
{
	const char *text;
	if (json_get_str(in, "components", "", &text, e) < 0)
		return -1;
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-/ ");
	if (text[n] || n > 200 || text[0] == '-')
		return err_set(e, ERR_INVALID, "components: must be words like \"main contrib\"");
	*out = arena_strdup(a, text);
	return *out ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static int get_include(const json_t *in, struct arena *a, const char *const **out, struct err *e)
{
	enum { INCLUDE_MAX = 500 };
	const json_t *list;
	if (json_get_array(in, "include", &list, e) < 0)
		return -1;
	size_t n = json_array_size(list);
	const char **words = arena_array(a, n + 1, sizeof *words);
	if (!words)
		return err_set(e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const char *text = json_string_value(json_array_get(list, i));
		if (!text || !name_is_target(text) || i == INCLUDE_MAX)
			return err_set(e, ERR_INVALID, "include: number %zu: must be the name of a package",
				       i + 1);
		words[i] = arena_strdup(a, text);
		if (!words[i])
			return err_set(e, ERR_NOMEM, "out of memory");
	}
	*out = n ? words : NULL;
	return 0;
}

static int make_decode(const json_t *in, struct arena *a, struct target_make *out, struct err *e)
{
	static const char *const create_fields[] = { "mode", "suite", "arch", "components", "include", NULL };
	static const char *const update_fields[] = { "mode", NULL };
	const char *mode;
	*out = (struct target_make){ .suite = "", .arch = "", .components = "" };
	if (json_get_str(in, "mode", "create", &mode, e) < 0)
		return -1;
	out->is_update = strcmp(mode, "update") == 0;
	if (!out->is_update && strcmp(mode, "create") != 0)
		return err_set(e, ERR_INVALID, "mode: must be create or update");
	if (json_check_fields(in, out->is_update ? update_fields : create_fields, e) < 0)
		return -1;
	if (out->is_update)
		return 0;
	if (get_word(in, "suite", "", a, &out->suite, e) < 0 ||
	    get_word(in, "arch", arch_native(), a, &out->arch, e) < 0 ||
	    get_components(in, a, &out->components, e) < 0 || get_include(in, a, &out->include, e) < 0)
		return -1;
	return out->suite[0] ? 0 : err_set(e, ERR_INVALID, "suite: missing");
}

int target_make_decode(const char *payload, struct arena *a, struct target_make *out, struct err *e)
{
	struct payload p;
	if (payload_decode(payload, a, &p, e) < 0)
		return -1;
	if (!p.detail)
		return err_set(e, ERR_INVALID, "make: missing");
	CLEAN_JSON json_t *in = json_parse("make", p.detail, strlen(p.detail), e);
	if (!in)
		return -1;
	return make_decode(in, a, out, e) < 0 ? err_wrap(e, "make") : 0;
}

static int check_target(struct job_new *news, const struct kind_context *c, struct arena *a, struct err *e)
{
	struct payload p;
	struct target_make make;
	if (payload_decode(news->payload, a, &p, e) < 0 || check_no_argv(&p, KIND_TARGET, e) < 0 ||
	    target_make_decode(news->payload, a, &make, e) < 0)
		return -1;
	if (!news->target[0])
		return err_set(e, ERR_INVALID, "target: missing");
	if (p.inputs_len || p.collect)
		return err_set(e, ERR_INVALID, "inputs, collect: are not for jobs of kind target");
	if (make.is_update && (!c->target_arch || !c->target_arch[0]))
		return err_set(e, ERR_NOT_FOUND, "target %s does not exist", news->target);
	news->isolation = make.is_update ? ISOLATION_CHROOT : ISOLATION_NONE;
	news->arch = arena_strdup(a, make.is_update ? c->target_arch : make.arch);
	if (!news->name[0])
		news->name = news->target;
	return news->arch ? 0 : err_set(e, ERR_NOMEM, "out of memory");
}

static const char *join_words(const char *const *words, struct arena *a)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	for (size_t i = 0; words && words[i]; i++) {
		if (i)
			buf_addc(&b, ',');
		buf_adds(&b, words[i]);
	}
	return b.is_failed ? NULL : arena_strndup(a, b.data, b.len);
}

static int plan_target(const struct kind_context *c, struct arena *a, struct spec *out, struct err *e)
{
	struct target_make make;
	const char *payload = payload_encode(c->payload, a);
	plan_begin(c, out);
	if (!payload)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (target_make_decode(payload, a, &make, e) < 0)
		return -1;
	const char *include = join_words(make.include, a);
	if (!include)
		return err_set(e, ERR_NOMEM, "out of memory");
	const struct env_var env[] = {
		{ "SLIPWAY_TARGET", c->job->target },
		{ "SLIPWAY_TARGET_SUITE", make.is_update ? c->target_suite : make.suite },
		{ "SLIPWAY_TARGET_ARCH", make.is_update ? c->target_arch : make.arch },
		{ "SLIPWAY_TARGET_COMPONENTS", make.components },
		{ "SLIPWAY_TARGET_INCLUDE", include },
	};
	if (make.is_update && plan_chroot(c, out, e) < 0)
		return -1;
	return plan_type(c, make.is_update ? "target-update" : "target-create", env, ARRAY_LEN(env), a, out,
			 e);
}

static int settle_target(const struct kind_context *c, const struct outcome *o, struct arena *a,
			 struct kind_effects *out, struct err *e)
{
	struct step_result r;
	settle_begin(o, out);
	step_result_read(o->result, a, &r);
	if (o->outcome == OUTCOME_RELEASED || o->outcome == OUTCOME_LOST)
		return 0;
	for (size_t i = 0; o->outcome == OUTCOME_SUCCEEDED && i < o->artifacts_len; i++)
		if (strncmp(o->artifacts[i].name, "image.tar.", strlen("image.tar.")) == 0)
			out->image = &o->artifacts[i];
	if (o->outcome == OUTCOME_SUCCEEDED && !out->image)
		settle_fail(out, REASON_COLLECT, "no image was made");
	if (o->outcome == OUTCOME_FAILED && o->reason == REASON_EXIT)
		out->reason = REASON_TARGET;
	if (o->outcome == OUTCOME_FAILED && r.message)
		out->detail = r.message;
	out->is_target_failed = !out->image;
	return 0;
}

const struct kind kind_target = {
	.id = KIND_TARGET,
	.summary = "make or update the root image of a target",
	.check = check_target,
	.plan = plan_target,
	.settle = settle_target,
};

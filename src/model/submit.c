#include "model/submit.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/map.h"
#include "base/parse.h"
#include "base/path.h"
#include "model/name.h"
#include "model/parts_priv.h"
#include "model/retry.h"
#include "text/utf8.h"

enum {
	/* The kernel's MAX_ARG_STRLEN: longer ones could not be started. */
	WORD_MAX = 131072 - 1,
	WORDS_MAX = 10000,
	OWNER_MAX = 100,
	DEDUPE_MAX = 200,
	KEY_NAME_MAX = 200,
	TAGS_MAX = 32,
};

static const char *const fields[] = { "argv",	   "kind",    "name",	      "priority",    "needs",
				      "run_at",	   "timeout", "silence",      "env",	     "inputs",
				      "limits",	   "collect", "max_attempts", "retry_delay", "target",
				      "isolation", "arch",    "tags",	      "dedupe",	     "owner",
				      "suspended", "build",   "recipe",	      "import",	     "make",
				      "limit_key", NULL };

/* The field that is the kind's own. */
static const char *const own_fields[KIND_LAST + 1] = {
	[KIND_BUILD] = "build",
	[KIND_RECIPE] = "recipe",
	[KIND_IMPORT] = "import",
	[KIND_TARGET] = "make",
};

static int get_line(const json_t *body, const char *key, const char *dflt, size_t limit, struct arena *a,
		    const char **out, struct err *e)
{
	if (text_decode(body, key, dflt, a, out, e) < 0)
		return -1;
	if (!name_is_line(*out, limit))
		return err_set(e, ERR_INVALID, "%s: must be at most %zu bytes without control characters",
			       key, limit);
	return 0;
}

static int get_target(const json_t *body, const char *key, struct arena *a, const char **out, struct err *e)
{
	if (text_decode(body, key, "", a, out, e) < 0)
		return -1;
	if ((*out)[0] && !name_is_target(*out))
		return err_set(e, ERR_INVALID,
			       "%s: must be lower-case letters, digits, '.', '+' and '-', at most 100", key);
	return 0;
}

static int get_kind(const json_t *body, struct job_new *out, struct err *e)
{
	const char *name;
	if (json_get_str(body, "kind", "command", &name, e) < 0)
		return -1;
	out->kind = kind_parse(name);
	if (!out->kind)
		return err_set(e, ERR_INVALID, "kind: there is no kind \"%.40s\"", name);
	for (int k = 1; k <= KIND_LAST; k++)
		if (own_fields[k] && k != (int)out->kind && json_object_get(body, own_fields[k]))
			return err_set(e, ERR_INVALID, "%s: is for jobs of kind %s only", own_fields[k],
				       kind_name((enum job_kind)k));
	return 0;
}

static int get_run_at(const json_t *body, struct job_new *out, struct err *e)
{
	const char *text;
	if (json_get_str(body, "run_at", NULL, &text, e) < 0)
		return -1;
	if (text && (clock_parse(text, &out->run_at_ms) < 0 || out->run_at_ms < 0))
		return err_set(e, ERR_INVALID, "run_at: must be a time like 2026-01-02T03:04:05Z");
	return 0;
}

static int get_limit_key(const json_t *body, struct arena *a, struct job_new *out, struct err *e)
{
	static const char *const parts[] = { "name", "n", NULL };
	const json_t *in;
	int64_t n;
	if (json_get_object(body, "limit_key", &in, e) < 0)
		return -1;
	if (!in)
		return 0;
	if (json_check_fields(in, parts, e) < 0 || json_get_int(in, "n", 1, JOB_KEY_MAX, 1, &n, e) < 0 ||
	    get_line(in, "name", "", KEY_NAME_MAX, a, &out->limit_key.name, e) < 0)
		return err_wrap(e, "limit_key");
	if (!out->limit_key.name[0])
		return err_set(e, ERR_INVALID, "limit_key: name: missing");
	out->limit_key.n = (int)n;
	return 0;
}

static int get_schedule(const json_t *body, struct arena *a, struct job_new *out, struct err *e)
{
	int64_t priority, max_attempts;
	if (json_get_int(body, "priority", JOB_PRIORITY_MIN, JOB_PRIORITY_MAX, 0, &priority, e) < 0 ||
	    json_get_int(body, "max_attempts", 1, JOB_ATTEMPTS_MAX, 1, &max_attempts, e) < 0 ||
	    json_get_seconds(body, "timeout", 0, &out->timeout_ms, e) < 0 ||
	    json_get_seconds(body, "silence", 0, &out->silence_ms, e) < 0 ||
	    json_get_seconds(body, "retry_delay", 0, &out->retry_delay_ms, e) < 0 ||
	    json_get_bool(body, "suspended", false, &out->is_suspended, e) < 0 ||
	    get_run_at(body, out, e) < 0 || get_line(body, "owner", "", OWNER_MAX, a, &out->owner, e) < 0 ||
	    get_line(body, "dedupe", "", DEDUPE_MAX, a, &out->dedupe, e) < 0 ||
	    get_limit_key(body, a, out, e) < 0)
		return -1;
	if (out->retry_delay_ms > RETRY_DELAY_MAX_MS)
		return err_set(e, ERR_INVALID, "retry_delay: must be at most %d seconds",
			       RETRY_DELAY_MAX_MS / 1000);
	out->priority = (int)priority;
	out->max_attempts = (int)max_attempts;
	return 0;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int get_tags(const json_t *body, struct arena *a, struct job_new *out, struct err *e)
{
	const char *const *words;
	const char *tags[TAGS_MAX];
	size_t n = 0;
	CLEAN_BUF struct buf joined = BUF_INIT;
	if (words_decode(body, "tags", a, &words, e) < 0)
		return -1;
	for (; words && words[n]; n++) {
		if (n == TAGS_MAX)
			return err_set(e, ERR_INVALID, "tags: at most %d", TAGS_MAX);
		if (!name_is_tag(words[n]))
			return err_set(
				e, ERR_INVALID,
				"tags: number %zu: must be letters, digits, '.', '_', '+' and '-', at most 64",
				n + 1);
		tags[n] = words[n];
	}
	qsort(tags, n, sizeof *tags, compare_text);
	for (size_t i = 0; i < n; i++) {
		if (i && strcmp(tags[i], tags[i - 1]) == 0)
			continue;
		if (joined.len)
			buf_addc(&joined, ',');
		buf_adds(&joined, tags[i]);
	}
	out->tags = arena_strndup(a, joined.data, joined.len);
	return joined.is_failed || !out->tags ? err_set(e, ERR_NOMEM, "tags: out of memory") : 0;
}

static int get_requirements(const json_t *body, struct arena *a, struct job_new *out, struct err *e)
{
	const char *name;
	if (get_target(body, "target", a, &out->target, e) < 0 ||
	    get_target(body, "arch", a, &out->arch, e) < 0 ||
	    json_get_str(body, "isolation", NULL, &name, e) < 0 || get_tags(body, a, out, e) < 0)
		return -1;
	/* To name a target is to ask for a chroot of it. */
	bool is_inside = out->kind == KIND_COMMAND && out->target[0];
	int isolation = is_inside ? ISOLATION_CHROOT : ISOLATION_NONE;
	if (name)
		isolation = isolation_parse(name);
	if (isolation < 0)
		return err_set(e, ERR_INVALID, "isolation: must be none, chroot or vm");
	out->isolation = (enum isolation)isolation;
	return 0;
}

static int get_need(const json_t *item, int line, int64_t *out, struct err *e)
{
	if (json_is_integer(item) && json_integer_value(item) > 0) {
		*out = json_integer_value(item);
		return 0;
	}
	const char *text = json_string_value(item);
	int64_t n;
	if (!text || text[0] != '#')
		return err_set(e, ERR_INVALID,
			       "must be the number of a job, or \"#n\" for a line of the batch");
	if (!line)
		return err_set(e, ERR_INVALID, "\"#n\" names a line of a batch; this is not a batch");
	if (parse_int("line", text + 1, 1, JOB_BATCH_MAX, &n, e) < 0)
		return -1;
	if (n == line)
		return err_set(e, ERR_INVALID, "a job cannot need itself");
	*out = -n;
	return 0;
}

static int compare_number(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

static int get_needs(const json_t *body, int line, struct arena *a, struct job_new *out, struct err *e)
{
	const json_t *in;
	if (json_get_array(body, "needs", &in, e) < 0)
		return -1;
	size_t n = json_array_size(in);
	if (n > JOB_NEEDS_MAX)
		return err_set(e, ERR_INVALID, "needs: at most %d", JOB_NEEDS_MAX);
	int64_t *needs = arena_array(a, n, sizeof *needs);
	if (n && !needs)
		return err_set(e, ERR_NOMEM, "needs: out of memory");
	for (size_t i = 0; i < n; i++)
		if (get_need(json_array_get(in, i), line, &needs[i], e) < 0)
			return err_wrap(e, "needs: number %zu", i + 1);
	if (n)
		qsort(needs, n, sizeof *needs, compare_number);
	for (size_t i = 0; i < n; i++)
		if (!i || needs[i] != needs[i - 1])
			needs[out->needs_len++] = needs[i];
	out->needs = needs;
	return 0;
}

static int check_words(const char *key, const char *const *words, struct err *e)
{
	for (size_t i = 0; words && words[i]; i++) {
		if (i == WORDS_MAX)
			return err_set(e, ERR_INVALID, "%s: at most %d", key, WORDS_MAX);
		if (strlen(words[i]) > WORD_MAX)
			return err_set(e, ERR_INVALID, "%s: number %zu: longer than %d bytes", key, i + 1,
				       WORD_MAX);
	}
	return 0;
}

static int compare_env(const void *a, const void *b)
{
	return strcmp(((const struct env_var *)a)->name, ((const struct env_var *)b)->name);
}

/* By name, so that one body has one payload in whatever order it was written. */
static int sort_env(struct payload *p, struct arena *a, struct err *e)
{
	struct env_var *env = arena_memdup(a, p->env, p->env_len * sizeof *env);
	if (p->env_len && !env)
		return err_set(e, ERR_NOMEM, "env: out of memory");
	if (p->env_len)
		qsort(env, p->env_len, sizeof *env, compare_env);
	p->env = env;
	return 0;
}

static int check_env(const struct payload *p, struct err *e)
{
	if (p->env_len > WORDS_MAX)
		return err_set(e, ERR_INVALID, "env: at most %d", WORDS_MAX);
	for (size_t i = 0; i < p->env_len; i++) {
		const struct env_var *v = &p->env[i];
		if (!name_is_env(v->name))
			return err_set(e, ERR_INVALID,
				       "env: a name must be letters, digits and '_', not \"%.40s\"",
				       name_is_line(v->name, SIZE_MAX) ? v->name : "?");
		if (strncmp(v->name, "SLIPWAY_", strlen("SLIPWAY_")) == 0)
			return err_set(e, ERR_INVALID,
				       "env: %s: names that begin with SLIPWAY_ are Slipway's", v->name);
		if (strlen(v->name) + 1 + strlen(v->value) > WORD_MAX)
			return err_set(e, ERR_INVALID, "env: %s: longer than %d bytes", v->name, WORD_MAX);
	}
	return 0;
}

/* What a worker keeps for itself in the folder of an attempt (model/spec.h). */
static bool is_reserved(const char *name)
{
	static const char *const ours[] = { "out", ".type", "result.json" };
	size_t n = strcspn(name, "/");
	for (size_t i = 0; i < ARRAY_LEN(ours); i++)
		if (strlen(ours[i]) == n && memcmp(ours[i], name, n) == 0)
			return true;
	return false;
}

static int check_inputs(const struct payload *p, struct err *e)
{
	CLEAN_MAP struct map seen = MAP_INIT;
	if (p->inputs_len > WORDS_MAX)
		return err_set(e, ERR_INVALID, "inputs: at most %d", WORDS_MAX);
	for (size_t i = 0; i < p->inputs_len; i++) {
		const char *name = p->inputs[i].name;
		if (!path_is_safe_relative(name))
			return err_set(e, ERR_INVALID,
				       "inputs: number %zu: name: must be a relative path without \"..\"",
				       i + 1);
		if (is_reserved(name))
			return err_set(e, ERR_INVALID, "inputs: number %zu: the name \"%.60s\" is Slipway's",
				       i + 1, name);
		if (map_find(&seen, name))
			return err_set(e, ERR_INVALID, "inputs: \"%.60s\" is there twice", name);
		/* The value only says "seen". */
		if (map_set(&seen, name, &seen, e) < 0)
			return -1;
	}
	return 0;
}

static int check_collect(const struct payload *p, struct err *e)
{
	for (size_t i = 0; p->collect && p->collect[i]; i++)
		if (!path_is_safe_relative(p->collect[i]))
			return err_set(e, ERR_INVALID,
				       "collect: number %zu: must be a pattern for files under SLIPWAY_OUT",
				       i + 1);
	return 0;
}

/* The kind's own object, as text. A recipe's text has its own place in the store. */
static int get_detail(const json_t *body, struct arena *a, struct job_new *out, struct payload *p,
		      struct err *e)
{
	const char *key = own_fields[out->kind];
	const json_t *in;
	if (!key)
		return 0;
	if (json_get_object(body, key, &in, e) < 0)
		return -1;
	if (!in)
		return err_set(e, ERR_INVALID, "%s: missing", key);
	CLEAN_JSON json_t *detail = json_copy((json_t *)(uintptr_t)in);
	if (out->kind == KIND_RECIPE) {
		if (text_decode(in, "text", NULL, a, &out->recipe_text, e) < 0)
			return err_wrap(e, "recipe");
		if (!out->recipe_text)
			return err_set(e, ERR_INVALID, "recipe: text: missing");
		json_object_del(detail, "text");
	}
	if (out->kind == KIND_BUILD) {
		if (text_decode(in, "type", "", a, &out->build.type, e) < 0 ||
		    get_line(in, "source", "", JOB_NAME_MAX, a, &out->build.source, e) < 0)
			return err_wrap(e, "build");
		out->build.version = "";
	}
	CLEAN_FREE char *text = detail ? json_dumps(detail, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	p->detail = text ? arena_strdup(a, text) : NULL;
	return p->detail ? 0 : err_set(e, ERR_NOMEM, "%s: out of memory", key);
}

static int get_payload(const json_t *body, struct arena *a, struct job_new *out, struct payload *p,
		       struct err *e)
{
	if (words_decode(body, "argv", a, &p->argv, e) < 0 || check_words("argv", p->argv, e) < 0 ||
	    env_decode(body, "env", a, &p->env, &p->env_len, e) < 0 || sort_env(p, a, e) < 0 ||
	    check_env(p, e) < 0 ||
	    inputs_decode(body, "inputs", true, a, &p->inputs, &p->inputs_len, e) < 0 ||
	    check_inputs(p, e) < 0 || words_decode(body, "collect", a, &p->collect, e) < 0 ||
	    check_words("collect", p->collect, e) < 0 || check_collect(p, e) < 0 ||
	    limits_decode(body, "limits", true, &p->limits, e) < 0 || get_detail(body, a, out, p, e) < 0)
		return -1;
	if (out->kind == KIND_COMMAND && (!p->argv || !p->argv[0][0]))
		return err_set(e, ERR_INVALID, "argv: missing");
	out->payload = payload_encode(p, a);
	return out->payload ? 0 : err_set(e, ERR_NOMEM, "payload: out of memory");
}

/* Given, or from what it runs; a kind may know a better one for "". */
static int get_name(const json_t *body, const struct payload *p, struct arena *a, struct job_new *out,
		    struct err *e)
{
	if (get_line(body, "name", "", JOB_NAME_MAX, a, &out->name, e) < 0)
		return -1;
	if (out->name[0] || !p->argv)
		return 0;
	const char *base = path_base(p->argv[0]);
	char *name = arena_strndup(a, base, utf8_cut(base, strlen(base), JOB_NAME_MAX));
	for (char *c = name; c && *c; c++)
		if ((unsigned char)*c < ' ' || *c == 127)
			*c = '?';
	out->name = name;
	return name ? 0 : err_set(e, ERR_NOMEM, "name: out of memory");
}

static int decode(const json_t *body, int line, struct arena *a, struct job_new *out, struct err *e)
{
	struct payload p = { 0 };
	*out = (struct job_new){ 0 };
	if (json_check_fields(body, fields, e) < 0 || get_kind(body, out, e) < 0 ||
	    get_schedule(body, a, out, e) < 0 || get_requirements(body, a, out, e) < 0 ||
	    get_needs(body, line, a, out, e) < 0 || get_payload(body, a, out, &p, e) < 0)
		return -1;
	return get_name(body, &p, a, out, e);
}

int submit_decode(const json_t *body, int line, struct arena *a, struct job_new *out, struct err *e)
{
	if (decode(body, line, a, out, e) == 0)
		return 0;
	return line ? err_wrap(e, "line %d", line) : -1;
}

int payload_decode(const char *json, struct arena *a, struct payload *out, struct err *e)
{
	const json_t *detail;
	*out = (struct payload){ 0 };
	CLEAN_JSON json_t *in = json_parse("payload", json, strlen(json), e);
	if (!in)
		return -1;
	if (words_decode(in, "argv", a, &out->argv, e) < 0 ||
	    env_decode(in, "env", a, &out->env, &out->env_len, e) < 0 ||
	    inputs_decode(in, "inputs", false, a, &out->inputs, &out->inputs_len, e) < 0 ||
	    words_decode(in, "collect", a, &out->collect, e) < 0 ||
	    limits_decode(in, "limits", false, &out->limits, e) < 0 ||
	    json_get_object(in, "detail", &detail, e) < 0)
		return err_wrap(e, "payload");
	if (!detail)
		return 0;
	CLEAN_FREE char *text = json_dumps(detail, JSON_COMPACT | JSON_SORT_KEYS);
	out->detail = text ? arena_strdup(a, text) : NULL;
	return out->detail ? 0 : err_set(e, ERR_NOMEM, "payload: out of memory");
}

char *payload_encode(const struct payload *p, struct arena *a)
{
	CLEAN_BUF struct buf out = BUF_INIT;
	struct json_writer w;
	jw_init(&w, &out);
	jw_begin_object(&w);
	words_encode(&w, "argv", p->argv);
	env_encode(&w, "env", p->env, p->env_len);
	inputs_encode(&w, "inputs", p->inputs, p->inputs_len);
	words_encode(&w, "collect", p->collect);
	limits_encode(&w, "limits", &p->limits);
	if (p->detail) {
		jw_key(&w, "detail");
		jw_raw(&w, p->detail);
	}
	jw_end_object(&w);
	return out.is_failed ? NULL : arena_strndup(a, out.data, out.len);
}

#include "model/spec.h"

#include <limits.h>
#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/hash.h"
#include "model/parts_priv.h"
#include "text/utf8.h"

static const char *const networks[] = {
	[NETWORK_NONE] = "none",
	[NETWORK_MIRROR] = "mirror",
	[NETWORK_FULL] = "full",
};
static const char *const users[] = { [USER_BUILD] = "build", [USER_ROOT] = "root" };
static const char *const scratches[] = { [SCRATCH_MEMORY] = "memory", [SCRATCH_DISK] = "disk" };

const char *network_name(enum spec_network n)
{
	return (unsigned)n < ARRAY_LEN(networks) ? networks[n] : NULL;
}

static int find_word(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return (int)i;
	return -1;
}

int network_parse(const char *name)
{
	return find_word(networks, ARRAY_LEN(networks), name);
}

/* Defaults are not written: a spec is sent for every attempt. */
static void put_text(struct json_writer *w, const char *key, const char *text)
{
	if (text && text[0])
		jw_kstr(w, key, text);
}

static void put_seconds(struct json_writer *w, const char *key, int64_t ms)
{
	if (!ms)
		return;
	jw_key(w, key);
	jw_seconds(w, ms);
}

static void step_encode(struct json_writer *w, const struct spec_step *s)
{
	jw_begin_object(w);
	put_text(w, "name", s->name);
	words_encode(w, "argv", s->argv);
	if (s->user)
		jw_kstr(w, "user", users[s->user]);
	if (s->network)
		jw_kstr(w, "network", networks[s->network]);
	put_seconds(w, "timeout", s->timeout_ms);
	if (s->reason != REASON_NONE && s->reason != REASON_EXIT)
		jw_kstr(w, "reason", reason_name(s->reason));
	if (s->is_always)
		jw_kbool(w, "always", true);
	jw_end_object(w);
}

void spec_encode(const struct spec *s, struct buf *out)
{
	struct json_writer writer, *w = &writer;
	jw_init(w, out);
	jw_begin_object(w);
	jw_kint(w, "job", s->job);
	jw_kint(w, "attempt", s->attempt);
	put_text(w, "name", s->name);
	jw_kstr(w, "isolation", isolation_name(s->isolation));
	put_text(w, "target", s->target);
	put_text(w, "image", s->image);
	put_text(w, "hostname", s->hostname);
	if (s->scratch)
		jw_kstr(w, "scratch", scratches[s->scratch]);
	inputs_encode(w, "inputs", s->inputs, s->inputs_len);
	env_encode(w, "env", s->env, s->env_len);
	jw_key(w, "steps");
	jw_begin_array(w);
	for (size_t i = 0; i < s->steps_len; i++)
		step_encode(w, &s->steps[i]);
	jw_end_array(w);
	words_encode(w, "collect", s->collect);
	if (s->is_collecting_failed)
		jw_kbool(w, "collect_failed", true);
	limits_encode(w, "limits", &s->limits);
	put_seconds(w, "timeout", s->timeout_ms);
	put_seconds(w, "silence", s->silence_ms);
	put_seconds(w, "grace", s->grace_ms);
	jw_end_object(w);
}

/* One of a list of words, given as its place in the list. */
static int word_decode(const json_t *o, const char *key, const char *const *words, size_t n, int dflt,
		       int *out, struct err *e)
{
	const char *text;
	if (json_get_str(o, key, NULL, &text, e) < 0)
		return -1;
	*out = text ? find_word(words, n, text) : dflt;
	return *out < 0 ? err_set(e, ERR_INVALID, "%s: unknown value", key) : 0;
}

static int reason_decode(const json_t *o, enum job_reason dflt, enum job_reason *out, struct err *e)
{
	const char *text;
	if (json_get_str(o, "reason", NULL, &text, e) < 0)
		return -1;
	*out = text ? reason_parse(text) : dflt;
	if (text && text[0] && *out == REASON_NONE)
		return err_set(e, ERR_INVALID, "reason: unknown value");
	return 0;
}

/* A number that must be there, and fits an int unless `max` says more. */
static int number_decode(const json_t *o, const char *key, int64_t max, int64_t *out, struct err *e)
{
	if (json_get_int(o, key, 1, max, 0, out, e) < 0)
		return -1;
	return *out ? 0 : err_set(e, ERR_INVALID, "%s: missing", key);
}

static int step_decode(const json_t *in, struct arena *a, struct spec_step *s, struct err *e)
{
	int user, network;
	if (!json_is_object(in))
		return err_set(e, ERR_INVALID, "must be an object");
	if (text_decode(in, "name", "", a, &s->name, e) < 0 || words_decode(in, "argv", a, &s->argv, e) < 0 ||
	    word_decode(in, "user", users, ARRAY_LEN(users), USER_BUILD, &user, e) < 0 ||
	    word_decode(in, "network", networks, ARRAY_LEN(networks), NETWORK_NONE, &network, e) < 0 ||
	    json_get_seconds(in, "timeout", 0, &s->timeout_ms, e) < 0 ||
	    reason_decode(in, REASON_EXIT, &s->reason, e) < 0 ||
	    json_get_bool(in, "always", false, &s->is_always, e) < 0)
		return -1;
	if (!s->argv)
		return err_set(e, ERR_INVALID, "argv: missing");
	s->user = (enum spec_user)user;
	s->network = (enum spec_network)network;
	return 0;
}

static int steps_decode(const json_t *json, struct arena *a, struct spec *s, struct err *e)
{
	const json_t *in;
	if (json_get_array(json, "steps", &in, e) < 0)
		return -1;
	s->steps_len = json_array_size(in);
	if (!s->steps_len)
		return err_set(e, ERR_INVALID, "steps: missing");
	struct spec_step *steps = arena_array(a, s->steps_len, sizeof *steps);
	if (!steps)
		return err_set(e, ERR_NOMEM, "steps: out of memory");
	for (size_t i = 0; i < s->steps_len; i++)
		if (step_decode(json_array_get(in, i), a, &steps[i], e) < 0)
			return err_wrap(e, "steps: number %zu", i + 1);
	s->steps = steps;
	return 0;
}

static int identity_decode(const json_t *json, int64_t *job, int *attempt, struct err *e)
{
	int64_t n;
	if (!json_is_object(json))
		return err_set(e, ERR_INVALID, "must be an object");
	if (number_decode(json, "job", INT64_MAX, job, e) < 0 ||
	    number_decode(json, "attempt", INT_MAX, &n, e) < 0)
		return -1;
	*attempt = (int)n;
	return 0;
}

static int root_decode(const json_t *json, struct arena *a, struct spec *s, struct err *e)
{
	const char *isolation, *image;
	int scratch;
	if (json_get_str(json, "isolation", "", &isolation, e) < 0 ||
	    json_get_str(json, "image", "", &image, e) < 0 ||
	    text_decode(json, "target", "", a, &s->target, e) < 0 ||
	    text_decode(json, "hostname", "", a, &s->hostname, e) < 0 ||
	    word_decode(json, "scratch", scratches, ARRAY_LEN(scratches), SCRATCH_MEMORY, &scratch, e) < 0)
		return -1;
	if (isolation_parse(isolation) < 0)
		return err_set(e, ERR_INVALID, "isolation: unknown value");
	if (image[0] && !hash_is_hex(image))
		return err_set(e, ERR_INVALID, "image: must be 64 hexadecimal digits");
	s->isolation = (enum isolation)isolation_parse(isolation);
	s->scratch = (enum spec_scratch)scratch;
	memcpy(s->image, image, strlen(image) + 1);
	return 0;
}

int spec_decode(const json_t *json, struct arena *a, struct spec *s, struct err *e)
{
	*s = (struct spec){ 0 };
	if (identity_decode(json, &s->job, &s->attempt, e) < 0 ||
	    text_decode(json, "name", "", a, &s->name, e) < 0 || root_decode(json, a, s, e) < 0 ||
	    inputs_decode(json, "inputs", false, a, &s->inputs, &s->inputs_len, e) < 0 ||
	    env_decode(json, "env", a, &s->env, &s->env_len, e) < 0 || steps_decode(json, a, s, e) < 0 ||
	    words_decode(json, "collect", a, &s->collect, e) < 0 ||
	    json_get_bool(json, "collect_failed", false, &s->is_collecting_failed, e) < 0 ||
	    limits_decode(json, "limits", false, &s->limits, e) < 0 ||
	    json_get_seconds(json, "timeout", 0, &s->timeout_ms, e) < 0 ||
	    json_get_seconds(json, "silence", 0, &s->silence_ms, e) < 0 ||
	    json_get_seconds(json, "grace", 0, &s->grace_ms, e) < 0)
		return err_wrap(e, "spec");
	return 0;
}

static void usage_encode(struct json_writer *w, const struct usage *u)
{
	jw_key(w, "usage");
	jw_begin_object(w);
	jw_kint(w, "wall_ms", u->wall_ms);
	jw_kint(w, "cpu_user_us", u->cpu_user_us);
	jw_kint(w, "cpu_sys_us", u->cpu_sys_us);
	jw_kint(w, "memory_peak", u->memory_peak_bytes);
	jw_end_object(w);
}

static void artifacts_encode(struct json_writer *w, const struct artifact *artifacts, size_t n)
{
	if (!n)
		return;
	jw_key(w, "artifacts");
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		jw_begin_object(w);
		jw_kstr(w, "name", artifacts[i].name);
		jw_kstr(w, "sha256", artifacts[i].sha256);
		jw_kint(w, "size", artifacts[i].size_bytes);
		jw_end_object(w);
	}
	jw_end_array(w);
}

void outcome_encode(const struct outcome *o, struct buf *out)
{
	struct json_writer writer, *w = &writer;
	jw_init(w, out);
	jw_begin_object(w);
	jw_kint(w, "job", o->job);
	jw_kint(w, "attempt", o->attempt);
	jw_kstr(w, "outcome", outcome_name(o->outcome));
	put_text(w, "reason", reason_name(o->reason));
	put_text(w, "step", o->step);
	put_text(w, "detail", o->detail);
	if (o->exit_code >= 0)
		jw_kint(w, "exit_code", o->exit_code);
	if (o->signal)
		jw_kint(w, "signal", o->signal);
	usage_encode(w, &o->usage);
	if (o->log_bytes)
		jw_kint(w, "log_bytes", o->log_bytes);
	if (o->is_log_truncated)
		jw_kbool(w, "log_truncated", true);
	if (o->log) {
		jw_key(w, "log");
		jw_base64(w, o->log, o->log_len);
	}
	put_text(w, "result", o->result);
	artifacts_encode(w, o->artifacts, o->artifacts_len);
	jw_end_object(w);
}

static int usage_decode(const json_t *json, struct usage *u, struct err *e)
{
	const json_t *in;
	*u = (struct usage){ 0 };
	if (json_get_object(json, "usage", &in, e) < 0)
		return -1;
	if (!in)
		return 0;
	if (json_get_int(in, "wall_ms", 0, INT64_MAX, 0, &u->wall_ms, e) < 0 ||
	    json_get_int(in, "cpu_user_us", 0, INT64_MAX, 0, &u->cpu_user_us, e) < 0 ||
	    json_get_int(in, "cpu_sys_us", 0, INT64_MAX, 0, &u->cpu_sys_us, e) < 0 ||
	    json_get_int(in, "memory_peak", 0, INT64_MAX, 0, &u->memory_peak_bytes, e) < 0)
		return err_wrap(e, "usage");
	return 0;
}

static int log_decode(const json_t *json, struct arena *a, struct outcome *o, struct err *e)
{
	const char *text;
	if (json_get_str(json, "log", NULL, &text, e) < 0)
		return -1;
	if (!text)
		return 0;
	if (strlen(text) > (OUTCOME_LOG_INLINE_MAX + 2) / 3 * 4)
		return err_set(e, ERR_TOO_LARGE, "log: longer than %d bytes", OUTCOME_LOG_INLINE_MAX);
	CLEAN_FREE void *bytes = base64_decode(text, &o->log_len);
	if (!bytes)
		return err_set(e, ERR_INVALID, "log: not base64");
	o->log = arena_memdup(a, bytes, o->log_len + 1);
	return o->log ? 0 : err_set(e, ERR_NOMEM, "log: out of memory");
}

static int artifacts_decode(const json_t *json, struct arena *a, struct outcome *o, struct err *e)
{
	const struct job_input *files;
	/* The same three fields as an input. */
	if (inputs_decode(json, "artifacts", false, a, &files, &o->artifacts_len, e) < 0)
		return -1;
	struct artifact *artifacts = arena_array(a, o->artifacts_len, sizeof *artifacts);
	if (o->artifacts_len && !artifacts)
		return err_set(e, ERR_NOMEM, "artifacts: out of memory");
	for (size_t i = 0; i < o->artifacts_len; i++) {
		artifacts[i] = (struct artifact){ .job = o->job,
						  .attempt = o->attempt,
						  .name = files[i].name,
						  .size_bytes = files[i].size_bytes };
		memcpy(artifacts[i].sha256, files[i].sha256, sizeof artifacts[i].sha256);
	}
	o->artifacts = artifacts;
	return 0;
}

static int ending_decode(const json_t *json, struct arena *a, struct outcome *o, struct err *e)
{
	const char *outcome;
	int64_t exit_code, sig;
	if (json_get_str(json, "outcome", "", &outcome, e) < 0 ||
	    reason_decode(json, REASON_NONE, &o->reason, e) < 0 ||
	    text_decode(json, "step", "", a, &o->step, e) < 0 ||
	    text_decode(json, "detail", "", a, &o->detail, e) < 0 ||
	    json_get_int(json, "exit_code", 0, INT_MAX, -1, &exit_code, e) < 0 ||
	    json_get_int(json, "signal", 0, 128, 0, &sig, e) < 0)
		return -1;
	int which = outcome_parse(outcome);
	if (which != OUTCOME_SUCCEEDED && which != OUTCOME_FAILED && which != OUTCOME_CANCELLED &&
	    which != OUTCOME_RELEASED)
		return err_set(e, ERR_INVALID, "outcome: must be succeeded, failed, cancelled or released");
	size_t n = strlen(o->detail);
	if (n > OUTCOME_DETAIL_MAX)
		o->detail = arena_strndup(a, o->detail, utf8_cut(o->detail, n, OUTCOME_DETAIL_MAX));
	if (!o->detail)
		return err_set(e, ERR_NOMEM, "detail: out of memory");
	o->outcome = (enum attempt_outcome)which;
	o->exit_code = (int)exit_code;
	o->signal = (int)sig;
	return 0;
}

int outcome_decode(const json_t *json, struct arena *a, struct outcome *o, struct err *e)
{
	*o = (struct outcome){ .exit_code = -1 };
	if (identity_decode(json, &o->job, &o->attempt, e) < 0 || ending_decode(json, a, o, e) < 0 ||
	    usage_decode(json, &o->usage, e) < 0 ||
	    json_get_int(json, "log_bytes", 0, INT64_MAX, 0, &o->log_bytes, e) < 0 ||
	    json_get_bool(json, "log_truncated", false, &o->is_log_truncated, e) < 0 ||
	    log_decode(json, a, o, e) < 0 || text_decode(json, "result", NULL, a, &o->result, e) < 0 ||
	    artifacts_decode(json, a, o, e) < 0)
		return err_wrap(e, "outcome");
	if (o->result && strlen(o->result) > OUTCOME_RESULT_MAX)
		return err_set(e, ERR_TOO_LARGE, "outcome: result: longer than %d bytes", OUTCOME_RESULT_MAX);
	return 0;
}

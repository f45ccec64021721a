#include "model/parts_priv.h"

#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/hash.h"
#include "model/limits.h"

/* The largest number that every reader of JSON takes exactly. */
#define JSON_INT_MAX ((INT64_C(1) << 53) - 1)

void limits_encode(struct json_writer *w, const char *key, const struct job_limits *l)
{
	bool is_open = false;
	for (size_t i = 0; i < LIMITS; i++) {
		int64_t v = limit_get(l, &limit_rows[i]);
		if (!v)
			continue;
		if (!is_open) {
			jw_key(w, key);
			jw_begin_object(w);
			is_open = true;
		}
		jw_key(w, limit_rows[i].name);
		if (limit_rows[i].unit == LIMIT_TIME)
			jw_seconds(w, v);
		else
			jw_int(w, v);
	}
	if (is_open)
		jw_end_object(w);
}

static int limits_check_names(const json_t *o, struct err *e)
{
	const char *names[LIMITS + 1] = { NULL };
	for (size_t i = 0; i < LIMITS; i++)
		names[i] = limit_rows[i].name;
	return json_check_fields(o, names, e);
}

int limits_decode(const json_t *o, const char *key, bool is_strict, struct job_limits *l, struct err *e)
{
	const json_t *in;
	*l = (struct job_limits){ 0 };
	if (json_get_object(o, key, &in, e) < 0)
		return -1;
	if (!in)
		return 0;
	if (is_strict && limits_check_names(in, e) < 0)
		return err_wrap(e, "%s", key);
	for (size_t i = 0; i < LIMITS; i++) {
		int64_t v;
		int rc = limit_rows[i].unit == LIMIT_TIME
				 ? json_get_seconds(in, limit_rows[i].name, 0, &v, e)
				 : json_get_int(in, limit_rows[i].name, 0, JSON_INT_MAX, 0, &v, e);
		if (rc < 0)
			return err_wrap(e, "%s", key);
		limit_set(l, &limit_rows[i], v);
	}
	return 0;
}

void inputs_encode(struct json_writer *w, const char *key, const struct job_input *inputs, size_t n)
{
	if (!n)
		return;
	jw_key(w, key);
	jw_begin_array(w);
	for (size_t i = 0; i < n; i++) {
		jw_begin_object(w);
		jw_kstr(w, "name", inputs[i].name);
		jw_kstr(w, "sha256", inputs[i].sha256);
		jw_kint(w, "size", inputs[i].size_bytes);
		if (inputs[i].mode & 0111)
			jw_kstr(w, "mode", "0755");
		jw_end_object(w);
	}
	jw_end_array(w);
}

static int input_decode(const json_t *in, bool is_strict, struct arena *a, struct job_input *out,
			struct err *e)
{
	static const char *const fields[] = { "name", "sha256", "size", "mode", NULL };
	const char *sha256, *mode;
	if (!json_is_object(in))
		return err_set(e, ERR_INVALID, "must be an object");
	if (is_strict && json_check_fields(in, fields, e) < 0)
		return -1;
	if (text_decode(in, "name", NULL, a, &out->name, e) < 0 ||
	    json_get_str(in, "sha256", "", &sha256, e) < 0 ||
	    json_get_int(in, "size", 0, JSON_INT_MAX, -1, &out->size_bytes, e) < 0 ||
	    json_get_str(in, "mode", "0644", &mode, e) < 0)
		return -1;
	if (!out->name)
		return err_set(e, ERR_INVALID, "name: missing");
	if (!hash_is_hex(sha256))
		return err_set(e, ERR_INVALID, "sha256: must be 64 lower-case hexadecimal digits");
	if (out->size_bytes < 0)
		return err_set(e, ERR_INVALID, "size: missing");
	if (strcmp(mode, "0644") != 0 && strcmp(mode, "0755") != 0)
		return err_set(e, ERR_INVALID, "mode: must be \"0644\" or \"0755\"");
	memcpy(out->sha256, sha256, sizeof out->sha256);
	out->mode = mode[2] == '5' ? 0755 : 0644;
	return 0;
}

int inputs_decode(const json_t *o, const char *key, bool is_strict, struct arena *a,
		  const struct job_input **inputs, size_t *n, struct err *e)
{
	const json_t *in;
	*inputs = NULL;
	*n = 0;
	if (json_get_array(o, key, &in, e) < 0)
		return -1;
	if (!json_array_size(in))
		return 0;
	struct job_input *out = arena_array(a, json_array_size(in), sizeof *out);
	if (!out)
		return err_set(e, ERR_NOMEM, "%s: out of memory", key);
	for (size_t i = 0; i < json_array_size(in); i++)
		if (input_decode(json_array_get(in, i), is_strict, a, &out[i], e) < 0)
			return err_wrap(e, "%s: number %zu", key, i + 1);
	*inputs = out;
	*n = json_array_size(in);
	return 0;
}

void env_encode(struct json_writer *w, const char *key, const struct env_var *env, size_t n)
{
	if (!n)
		return;
	jw_key(w, key);
	jw_begin_object(w);
	for (size_t i = 0; i < n; i++)
		jw_kstr(w, env[i].name, env[i].value);
	jw_end_object(w);
}

int env_decode(const json_t *o, const char *key, struct arena *a, const struct env_var **env, size_t *n,
	       struct err *e)
{
	const json_t *in, *value;
	*env = NULL;
	*n = 0;
	if (json_get_object(o, key, &in, e) < 0)
		return -1;
	if (!json_object_size(in))
		return 0;
	struct env_var *out = arena_array(a, json_object_size(in), sizeof *out);
	if (!out)
		return err_set(e, ERR_NOMEM, "%s: out of memory", key);
	const char *name;
	json_object_foreach ((json_t *)(uintptr_t)in, name, value) {
		if (!json_is_string(value))
			return err_set(e, ERR_INVALID, "%s: %.60s: must be a string", key, name);
		out[*n].name = arena_strdup(a, name);
		out[*n].value = arena_strdup(a, json_string_value(value));
		if (!out[*n].name || !out[*n].value)
			return err_set(e, ERR_NOMEM, "%s: out of memory", key);
		++*n;
	}
	*env = out;
	return 0;
}

void words_encode(struct json_writer *w, const char *key, const char *const *words)
{
	if (!words || !words[0])
		return;
	jw_key(w, key);
	jw_begin_array(w);
	for (; *words; words++)
		jw_str(w, *words);
	jw_end_array(w);
}

int words_decode(const json_t *o, const char *key, struct arena *a, const char *const **words, struct err *e)
{
	const json_t *in;
	*words = NULL;
	if (json_get_array(o, key, &in, e) < 0)
		return -1;
	size_t n = json_array_size(in);
	if (!n)
		return 0;
	const char **out = arena_array(a, n + 1, sizeof *out);
	if (!out)
		return err_set(e, ERR_NOMEM, "%s: out of memory", key);
	for (size_t i = 0; i < n; i++) {
		const json_t *word = json_array_get(in, i);
		if (!json_is_string(word))
			return err_set(e, ERR_INVALID, "%s: number %zu: must be a string", key, i + 1);
		out[i] = arena_strdup(a, json_string_value(word));
		if (!out[i])
			return err_set(e, ERR_NOMEM, "%s: out of memory", key);
	}
	*words = out;
	return 0;
}

int text_decode(const json_t *o, const char *key, const char *dflt, struct arena *a, const char **out,
		struct err *e)
{
	const char *text;
	if (json_get_str(o, key, NULL, &text, e) < 0)
		return -1;
	*out = text ? arena_strdup(a, text) : dflt;
	return text && !*out ? err_set(e, ERR_NOMEM, "%s: out of memory", key) : 0;
}

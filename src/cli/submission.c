#include "cli/submission.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/parse.h"
#include "base/path.h"
#include "cli/api.h"
#include "cli/args.h"
#include "cli/fields.h"
#include "model/job.h"
#include "model/limits.h"

void submission_begin(struct submission *s, struct api *api)
{
	*s = (struct submission){ .api = api, .body = BUF_INIT };
	jw_init(&s->json, &s->body);
	jw_begin_object(&s->json);
}

void submission_release(struct submission *s)
{
	for (size_t i = 0; i < s->inputs_len; i++)
		free(s->inputs[i].name);
	free(s->inputs);
	buf_release(&s->body);
	*s = (struct submission){ .body = BUF_INIT };
}

/* ---- inputs */

static struct input *add_input(struct submission *s, const char *name, struct err *e)
{
	if (!path_is_safe_relative(name)) {
		err_set(e, ERR_USAGE,
			"an input may not be named \"%s\": it must be a relative path without ..", name);
		return NULL;
	}
	for (size_t i = 0; i < s->inputs_len; i++)
		if (strcmp(s->inputs[i].name, name) == 0) {
			err_set(e, ERR_USAGE, "two inputs are named %s", name);
			return NULL;
		}
	if (s->inputs_len == s->inputs_cap) {
		size_t cap = s->inputs_cap ? s->inputs_cap * 2 : 8;
		struct input *more = realloc(s->inputs, cap * sizeof *more);
		if (!more) {
			err_set(e, ERR_NOMEM, "out of memory");
			return NULL;
		}
		s->inputs = more;
		s->inputs_cap = cap;
	}
	struct input *in = &s->inputs[s->inputs_len];
	*in = (struct input){ .name = strdup(name) };
	if (!in->name) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	s->inputs_len++;
	return in;
}

int submission_add_fd(struct submission *s, int fd, const char *path, const char *name, bool is_executable,
		      struct err *e)
{
	struct input *in = add_input(s, name, e);
	if (!in)
		return -1;
	in->is_executable = is_executable;
	return api_upload(s->api, fd, path, in->sha256, &in->size_bytes, e);
}

int submission_add_file(struct submission *s, const char *path, const char *name, struct err *e)
{
	CLEAN_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "%s is not a file", path);
	return submission_add_fd(s, fd, path, name, st.st_mode & S_IXUSR, e);
}

/* "FILE" or "FILE:NAME"; a file whose own name has a colon wins. */
static int add_input_option(struct submission *s, const char *text, struct err *e)
{
	const char *colon = strrchr(text, ':');
	struct stat st;
	if (!colon || !colon[1] || stat(text, &st) == 0)
		return submission_add_file(s, text, path_base(text), e);
	CLEAN_FREE char *path = strndup(text, (size_t)(colon - text));
	if (!path)
		return err_set(e, ERR_NOMEM, "out of memory");
	return submission_add_file(s, path, colon + 1, e);
}

static void write_inputs(struct submission *s)
{
	struct json_writer *w = &s->json;
	if (s->inputs_len == 0)
		return;
	jw_key(w, "inputs");
	jw_begin_array(w);
	for (size_t i = 0; i < s->inputs_len; i++) {
		const struct input *in = &s->inputs[i];
		jw_begin_object(w);
		jw_kstr(w, "name", in->name);
		jw_kstr(w, "sha256", in->sha256);
		jw_kint(w, "size", in->size_bytes);
		jw_kstr(w, "mode", in->is_executable ? "0755" : "0644");
		jw_end_object(w);
	}
	jw_end_array(w);
}

/* ---- times */

/* "14:30": today, or tomorrow if that is over. */
static int parse_clock_time(const char *text, int64_t now_ms, int64_t *wall_ms)
{
	if (strlen(text) != 5 || text[2] != ':')
		return -1;
	char hour[3] = { text[0], text[1] };
	int64_t h, m;
	if (parse_int("hour", hour, 0, 23, &h, NULL) < 0 ||
	    parse_int("minute", text + 3, 0, 59, &m, NULL) < 0)
		return -1;
	time_t now = (time_t)(now_ms / 1000);
	struct tm tm;
	if (!localtime_r(&now, &tm))
		return -1;
	tm.tm_hour = (int)h;
	tm.tm_min = (int)m;
	tm.tm_sec = 0;
	tm.tm_isdst = -1;
	time_t then = mktime(&tm);
	if (then <= now) {
		tm.tm_mday++;
		tm.tm_isdst = -1;
		then = mktime(&tm);
	}
	*wall_ms = (int64_t)then * 1000;
	return 0;
}

int submission_parse_time(const char *text, int64_t now_ms, int64_t *wall_ms, struct err *e)
{
	int64_t delay_ms;
	if (clock_parse(text, wall_ms) == 0 || parse_clock_time(text, now_ms, wall_ms) == 0)
		return 0;
	if (parse_duration("--after", text + (*text == '+'), &delay_ms, NULL) == 0) {
		*wall_ms = now_ms + delay_ms;
		return 0;
	}
	return err_set(e, ERR_USAGE, "--after: %s is no time; 10m, 14:30 and 2026-01-31T14:30:00Z are", text);
}

static int add_time(struct submission *s, const char *text, struct err *e)
{
	/* The server's clock decides when the job starts, so a delay is counted from what it says. */
	int64_t wall_ms;
	if (submission_parse_time(text, clock_wall_ms(), &wall_ms, e) < 0)
		return -1;
	if (clock_parse(text, &wall_ms) < 0) {
		CLEAN_JSON json_t *status = api_get(s->api, "/v1/status", NULL, e);
		if (!status)
			return -1;
		int64_t now_ms = field_time(status, "time");
		submission_parse_time(text, now_ms ? now_ms : clock_wall_ms(), &wall_ms, e);
	}
	jw_ktime(&s->json, "run_at", wall_ms);
	return 0;
}

/* ---- lists joined by commas */

/* The next part of *at, cut to `out`; false at the end. Empty parts are passed over. */
static bool next_part(const char **at, char *out, size_t size)
{
	while (**at == ',')
		(*at)++;
	if (!**at)
		return false;
	size_t len = strcspn(*at, ",");
	snprintf(out, size, "%.*s", (int)len, *at);
	*at += len;
	return true;
}

static void add_parts(struct submission *s, const struct args *a, const char *option)
{
	char part[256];
	const char *value;
	for (size_t i = 0; (value = args_next(a, option, &i));)
		while (next_part(&value, part, sizeof part))
			jw_str(&s->json, part);
}

void submission_add_names(struct submission *s, const struct args *a, const char *option, const char *key)
{
	if (!args_has(a, option))
		return;
	jw_key(&s->json, key);
	jw_begin_array(&s->json);
	add_parts(s, a, option);
	jw_end_array(&s->json);
}

static int add_needs(struct submission *s, const struct args *a, struct err *e)
{
	char part[256];
	if (!args_has(a, "need"))
		return 0;
	CLEAN_FREE int64_t *ids = NULL;
	size_t n = 0;
	const char *value;
	for (size_t i = 0; (value = args_next(a, "need", &i));)
		while (next_part(&value, part, sizeof part))
			if (api_parse_ids(part, &ids, &n, e) < 0)
				return err_wrap(e, "--need");
	jw_key(&s->json, "needs");
	jw_begin_array(&s->json);
	for (size_t i = 0; i < n; i++)
		jw_int(&s->json, ids[i]);
	jw_end_array(&s->json);
	return 0;
}

/* ---- limits and environment */

static int refuse_limit(const char *part, struct err *e)
{
	CLEAN_BUF struct buf names = BUF_INIT;
	for (size_t i = 0; i < LIMITS; i++)
		buf_addf(&names, "%s%s", i == 0 ? "" : i == LIMITS - 1 ? " or " : ", ", limit_rows[i].name);
	return err_set(e, ERR_USAGE, "--limit: %s: it is %s, and =N", part, names.data);
}

static int parse_limit(const struct limit_row *row, const char *value, int64_t *n, struct err *e)
{
	switch (row->unit) {
	case LIMIT_BYTES:
		return parse_size(row->name, value, n, e);
	case LIMIT_TIME:
		return parse_duration(row->name, value, n, e);
	case LIMIT_NUMBER:
		break;
	}
	return parse_int(row->name, value, 1, INT64_MAX, n, e);
}

static int add_limit(struct submission *s, const char *part, struct err *e)
{
	size_t len = strcspn(part, "=");
	const struct limit_row *row = limit_find(part, len);
	int64_t n;
	if (!row || part[len] != '=')
		return refuse_limit(part, e);
	if (parse_limit(row, part + len + 1, &n, e) < 0) {
		e->code = ERR_USAGE;
		return err_wrap(e, "--limit");
	}
	jw_key(&s->json, row->name);
	if (row->unit == LIMIT_TIME)
		jw_seconds(&s->json, n);
	else
		jw_int(&s->json, n);
	return 0;
}

static int add_limits(struct submission *s, const struct args *a, struct err *e)
{
	char part[256];
	if (!args_has(a, "limit"))
		return 0;
	jw_key(&s->json, "limits");
	jw_begin_object(&s->json);
	const char *value;
	for (size_t i = 0; (value = args_next(a, "limit", &i));)
		while (next_part(&value, part, sizeof part))
			if (add_limit(s, part, e) < 0)
				return -1;
	jw_end_object(&s->json);
	return 0;
}

static int add_env(struct submission *s, const struct args *a, struct err *e)
{
	if (!args_has(a, "env"))
		return 0;
	jw_key(&s->json, "env");
	jw_begin_object(&s->json);
	const char *text;
	for (size_t i = 0; (text = args_next(a, "env", &i));) {
		const char *equals = strchr(text, '=');
		CLEAN_FREE char *name = strndup(text, equals ? (size_t)(equals - text) : strlen(text));
		if (!name)
			return err_set(e, ERR_NOMEM, "out of memory");
		if (!*name)
			return err_set(e, ERR_USAGE, "--env: %s has no name", text);
		const char *value = equals ? equals + 1 : getenv(name);
		if (!value)
			return err_set(e, ERR_USAGE, "--env: %s is not set here; give it a value: %s=…", name,
				       name);
		jw_kstr(&s->json, name, value);
	}
	jw_end_object(&s->json);
	return 0;
}

/* ---- all of it */

void submission_add_argv(struct submission *s, const struct args *a)
{
	jw_key(&s->json, "argv");
	jw_begin_array(&s->json);
	for (size_t i = 0; i < a->words_len; i++)
		jw_str(&s->json, a->words[i]);
	jw_end_array(&s->json);
}

static void add_text(struct submission *s, const struct args *a, const char *option)
{
	if (args_has(a, option))
		jw_kstr(&s->json, option, args_text(a, option, NULL));
}

static void add_plain(struct submission *s, const struct args *a)
{
	static const char *const texts[] = { "name", "target", "arch", "dedupe", "owner" };
	static const struct {
		const char *option, *key;
	} seconds[] = { { "timeout", "timeout" },
			{ "silence", "silence" },
			{ "retry-delay", "retry_delay" } };
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		add_text(s, a, texts[i]);
	for (size_t i = 0; i < ARRAY_LEN(seconds); i++)
		if (args_has(a, seconds[i].option)) {
			jw_key(&s->json, seconds[i].key);
			jw_seconds(&s->json, args_duration(a, seconds[i].option, 0));
		}
	if (args_has(a, "priority"))
		jw_kint(&s->json, "priority", args_int(a, "priority", 0));
	if (args_has(a, "max-attempts"))
		jw_kint(&s->json, "max_attempts", args_int(a, "max-attempts", 1));
	if (args_has(a, "suspended"))
		jw_kbool(&s->json, "suspended", true);
	/* A target without an isolation would not be looked at. */
	if (args_has(a, "isolation") || args_has(a, "target"))
		jw_kstr(&s->json, "isolation", args_text(a, "isolation", "chroot"));
}

/* "NAME", which is "NAME=1", or "NAME=N"; a name may have signs of equality. */
static int add_limit_key(struct submission *s, const char *text, struct err *e)
{
	const char *equals = strrchr(text, '=');
	int64_t n = 1;
	CLEAN_FREE char *name = strndup(text, equals ? (size_t)(equals - text) : strlen(text));
	if (!name)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (!*name || (equals && parse_int("N", equals + 1, 1, JOB_KEY_MAX, &n, NULL) < 0))
		return err_set(e, ERR_USAGE, "--limit-key: NAME or NAME=N, N from 1 to %d, not %s",
			       JOB_KEY_MAX, text);
	jw_key(&s->json, "limit_key");
	jw_begin_object(&s->json);
	jw_kstr(&s->json, "name", name);
	jw_kint(&s->json, "n", n);
	jw_end_object(&s->json);
	return 0;
}

/* Of the limits that are given, those that not every machine keeps. */
static void add_limit_tags(struct submission *s, const struct args *a)
{
	char part[256];
	const char *value;
	for (size_t i = 0; (value = args_next(a, "limit", &i));)
		while (next_part(&value, part, sizeof part)) {
			const struct limit_row *row = limit_find(part, strcspn(part, "="));
			if (row && row->tag)
				jw_str(&s->json, row->tag);
		}
}

static void add_tags(struct submission *s, const struct args *a)
{
	if (!args_has(a, "tag") && !args_has(a, "strict-limits"))
		return;
	jw_key(&s->json, "tags");
	jw_begin_array(&s->json);
	add_parts(s, a, "tag");
	if (args_has(a, "strict-limits"))
		add_limit_tags(s, a);
	jw_end_array(&s->json);
}

int submission_add_options(struct submission *s, const struct args *a, struct err *e)
{
	const char *value;
	for (size_t i = 0; (value = args_next(a, "input", &i));)
		if (add_input_option(s, value, e) < 0)
			return err_wrap(e, "--input");
	write_inputs(s);
	add_plain(s, a);
	add_tags(s, a);
	if (args_has(a, "limit-key") && add_limit_key(s, args_text(a, "limit-key", NULL), e) < 0)
		return -1;
	if (args_has(a, "after") && add_time(s, args_text(a, "after", NULL), e) < 0)
		return -1;
	if (args_has(a, "collect")) {
		jw_key(&s->json, "collect");
		jw_begin_array(&s->json);
		for (size_t i = 0; (value = args_next(a, "collect", &i));)
			jw_str(&s->json, value);
		jw_end_array(&s->json);
	}
	if (add_needs(s, a, e) < 0 || add_limits(s, a, e) < 0)
		return -1;
	return add_env(s, a, e);
}

int submission_send(struct submission *s, int64_t *id, struct err *e)
{
	jw_end_object(&s->json);
	CLEAN_JSON json_t *answer = api_post(s->api, "/v1/jobs", &s->body, NULL, e);
	if (!answer)
		return -1;
	if (json_get_int(answer, "id", 1, INT64_MAX, 0, id, e) < 0)
		return err_wrap(e, "the server's answer");
	if (*field_text(answer, "warning"))
		fprintf(stderr, "slipway: job %lld waits: %s\n", (long long)*id,
			field_text(answer, "warning"));
	if (field_has(answer, "new") && !field_bool(answer, "new"))
		fprintf(stderr, "slipway: job %lld is there already and has the same --dedupe key\n",
			(long long)*id);
	return 0;
}

#include <ini.h>
#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/parse.h"
#include "base/path.h"
#include "kind/build_type_priv.h"

enum {
	/* libinih's INI_MAX_LINE of 200 less its three: what is longer it would cut in silence. */
	LINE_MAX_BYTES = 197,
	STEPS_MAX = 32,
	WORDS_MAX = 32,
};

struct ini_parse {
	struct build_type *type;
	struct spec_step *steps;
	struct arena *a;
	struct err *e;
	const char *text; /* what is left to read */
	int line;
	bool is_failed;
	char section[64];
	unsigned seen; /* keys of this section, by their row */
};

/* A key: how to set it. */
struct key_row {
	const char *name;
	int (*set)(struct ini_parse *p, const char *value);
	bool is_repeatable;
};

static struct spec_step *last_step(struct ini_parse *p)
{
	return &p->steps[p->type->steps_len - 1];
}

static int add_word(struct ini_parse *p, const char *const **list, const char *word)
{
	size_t n = 0;
	while (*list && (*list)[n])
		n++;
	const char **longer = arena_array(p->a, n + 2, sizeof *longer);
	if (!longer)
		return err_set(p->e, ERR_NOMEM, "out of memory");
	for (size_t i = 0; i < n; i++)
		longer[i] = (*list)[i];
	longer[n] = arena_strdup(p->a, word);
	*list = longer;
	return longer[n] ? 0 : err_set(p->e, ERR_NOMEM, "out of memory");
}

static int set_choice(struct ini_parse *p, const char *const *words, const char *value, int *out)
{
	for (*out = 0; words[*out]; ++*out)
		if (strcmp(words[*out], value) == 0)
			return 0;
	return err_set(p->e, ERR_INVALID, "\"%.40s\" is not one of its values (%s, %s …)", value, words[0],
		       words[1]);
}

static int set_yes(struct ini_parse *p, const char *value, bool *out)
{
	static const char *const words[] = { "no", "yes", NULL };
	int which;
	if (set_choice(p, words, value, &which) < 0)
		return -1;
	*out = which == 1;
	return 0;
}

static int set_summary(struct ini_parse *p, const char *value)
{
	p->type->summary = arena_strdup(p->a, value);
	return p->type->summary ? 0 : err_set(p->e, ERR_NOMEM, "out of memory");
}

static int set_scratch(struct ini_parse *p, const char *value)
{
	static const char *const words[] = { "memory", "disk", NULL };
	int which;
	if (set_choice(p, words, value, &which) < 0)
		return -1;
	p->type->scratch = which ? SCRATCH_DISK : SCRATCH_MEMORY;
	return 0;
}

static int set_internal(struct ini_parse *p, const char *value)
{
	return set_yes(p, value, &p->type->is_internal);
}

static int add_glob(struct ini_parse *p, const char *const **list, const char *value)
{
	if (!path_is_safe_relative(value))
		return err_set(p->e, ERR_INVALID, "\"%.60s\" is not a pattern for files in a folder", value);
	return add_word(p, list, value);
}

static int set_collect(struct ini_parse *p, const char *value)
{
	return add_glob(p, &p->type->collect, value);
}

static int set_sources(struct ini_parse *p, const char *value)
{
	return add_glob(p, &p->type->sources, value);
}

static int set_type_timeout(struct ini_parse *p, const char *value)
{
	return parse_duration("timeout", value, &p->type->timeout_ms, p->e);
}

static int set_silence(struct ini_parse *p, const char *value)
{
	return parse_duration("silence", value, &p->type->silence_ms, p->e);
}

static const char *find_file(const struct build_type *t, const char *name, size_t n, int *mode)
{
	for (size_t i = 0; i < t->files_len; i++)
		if (strlen(t->files[i].name) == n && memcmp(t->files[i].name, name, n) == 0) {
			*mode = t->files[i].mode;
			return t->files[i].name;
		}
	return NULL;
}

/* "FILE ARG…", cut at spaces; FILE is one of the folder. */
static int set_run(struct ini_parse *p, const char *value)
{
	int mode = 0;
	size_t n = strcspn(value, " \t");
	const char *file = find_file(p->type, value, n, &mode);
	if (!file)
		return err_set(p->e, ERR_INVALID, "the folder has no file \"%.*s\"", (int)(n < 60 ? n : 60),
			       value);
	if (!(mode & 0111))
		return err_set(p->e, ERR_INVALID, "%s cannot be executed", file);
	const char *path = path_join_in(p->a, ".type", file);
	if (!path || add_word(p, &last_step(p)->argv, path) < 0)
		return err_set(p->e, ERR_NOMEM, "out of memory");
	for (int words = 0; value[n]; words++) {
		value += n + strspn(value + n, " \t");
		n = strcspn(value, " \t");
		const char *word = arena_strndup(p->a, value, n);
		if (words == WORDS_MAX)
			return err_set(p->e, ERR_INVALID, "more than %d words", WORDS_MAX);
		if (!word || (n && add_word(p, &last_step(p)->argv, word) < 0))
			return err_set(p->e, ERR_NOMEM, "out of memory");
	}
	return 0;
}

static int set_user(struct ini_parse *p, const char *value)
{
	static const char *const words[] = { "build", "root", NULL };
	int which;
	if (set_choice(p, words, value, &which) < 0)
		return -1;
	last_step(p)->user = which ? USER_ROOT : USER_BUILD;
	return 0;
}

static int set_network(struct ini_parse *p, const char *value)
{
	int which = network_parse(value);
	if (which < 0)
		return err_set(p->e, ERR_INVALID, "\"%.40s\" is not none, mirror or full", value);
	last_step(p)->network = (enum spec_network)which;
	return 0;
}

static int set_step_timeout(struct ini_parse *p, const char *value)
{
	return parse_duration("timeout", value, &last_step(p)->timeout_ms, p->e);
}

static int set_reason(struct ini_parse *p, const char *value)
{
	enum job_reason r = reason_parse(value);
	if (r == REASON_NONE)
		return err_set(p->e, ERR_INVALID, "there is no reason \"%.40s\"", value);
	last_step(p)->reason = r;
	return 0;
}

static int set_always(struct ini_parse *p, const char *value)
{
	return set_yes(p, value, &last_step(p)->is_always);
}

static const struct key_row type_keys[] = {
	{ "summary", set_summary, false },	{ "scratch", set_scratch, false },
	{ "collect", set_collect, true },	{ "sources", set_sources, true },
	{ "timeout", set_type_timeout, false }, { "silence", set_silence, false },
	{ "internal", set_internal, false },	{ NULL, NULL, false },
};

static const struct key_row step_keys[] = {
	{ "run", set_run, false },
	{ "user", set_user, false },
	{ "network", set_network, false },
	{ "timeout", set_step_timeout, false },
	{ "reason", set_reason, false },
	{ "always", set_always, false },
	{ NULL, NULL, false },
};

static int begin_step(struct ini_parse *p, const char *name)
{
	struct build_type *t = p->type;
	if (!build_type_is_name(name))
		return err_set(p->e, ERR_INVALID,
			       "a step's name is at most 40 lower-case letters, digits and '-'");
	for (size_t i = 0; i < t->steps_len; i++)
		if (strcmp(p->steps[i].name, name) == 0)
			return err_set(p->e, ERR_INVALID, "the step %s is there twice", name);
	if (t->steps_len == STEPS_MAX)
		return err_set(p->e, ERR_INVALID, "more than %d steps", STEPS_MAX);
	p->steps[t->steps_len] = (struct spec_step){ .name = arena_strdup(p->a, name),
						     .reason = REASON_EXIT };
	return p->steps[t->steps_len++].name ? 0 : err_set(p->e, ERR_NOMEM, "out of memory");
}

/* The keys of a section, which begins if it is not the one before. */
static const struct key_row *enter_section(struct ini_parse *p, const char *section)
{
	bool is_step = strncmp(section, "step ", 5) == 0;
	if (strcmp(section, p->section) != 0) {
		snprintf(p->section, sizeof p->section, "%s", section);
		p->seen = 0;
		if (is_step && begin_step(p, section + 5) < 0)
			return NULL;
	}
	if (is_step)
		return step_keys;
	if (strcmp(section, "type") == 0)
		return type_keys;
	err_set(p->e, ERR_INVALID, "unknown section [%.40s]", section);
	return NULL;
}

static int set_key(struct ini_parse *p, const char *section, const char *name, const char *value)
{
	const struct key_row *keys = enter_section(p, section), *k = keys;
	if (!keys)
		return -1;
	while (k->name && strcmp(k->name, name) != 0)
		k++;
	if (!k->name)
		return err_set(p->e, ERR_INVALID, "unknown key \"%.40s\"", name);
	unsigned bit = 1u << (k - keys);
	if (p->seen & bit && !k->is_repeatable)
		return err_set(p->e, ERR_INVALID, "%s is there twice", name);
	p->seen |= bit;
	return k->set(p, value) < 0 ? err_wrap(p->e, "%s", name) : 0;
}

static int on_value(void *user, const char *section, const char *name, const char *value)
{
	struct ini_parse *p = user;
	if (p->is_failed || set_key(p, section, name, value) == 0)
		return 1;
	p->is_failed = true;
	err_wrap(p->e, "type.ini:%d", p->line);
	return 0;
}

/* What fgets() does, from the text, counting lines: the handler is not told them. */
static char *read_line(char *out, int size, void *user)
{
	struct ini_parse *p = user;
	size_t n = strcspn(p->text, "\n");
	if (!p->text[0] || (size_t)size < n + 2)
		return NULL;
	p->line++;
	n += p->text[n] == '\n';
	memcpy(out, p->text, n);
	out[n] = '\0';
	p->text += n;
	return out;
}

static int check_lines(const char *text, size_t len, struct err *e)
{
	int line = 1;
	if (memchr(text, '\0', len))
		return err_set(e, ERR_INVALID, "type.ini: a NUL byte");
	for (; *text; line++) {
		size_t n = strcspn(text, "\n");
		if (n > LINE_MAX_BYTES)
			return err_set(e, ERR_INVALID, "type.ini:%d: longer than %d bytes", line,
				       LINE_MAX_BYTES);
		text += n + (text[n] == '\n');
	}
	return 0;
}

int type_ini_parse(const char *text, size_t len, struct build_type *t, struct arena *a, struct err *e)
{
	struct err local = ERR_INIT;
	struct ini_parse p = { .type = t, .a = a, .e = e ? e : &local, .text = text };
	if (check_lines(text, len, p.e) < 0)
		return -1;
	p.steps = arena_array(a, STEPS_MAX, sizeof *p.steps);
	if (!p.steps)
		return err_set(e, ERR_NOMEM, "out of memory");
	t->steps = p.steps;
	t->summary = "";
	int line = ini_parse_stream(read_line, &p, on_value, &p);
	if (p.is_failed)
		return -1;
	if (line)
		return err_set(e, ERR_INVALID, "type.ini:%d: neither [section] nor key = value", line);
	if (!t->steps_len)
		return err_set(e, ERR_INVALID, "type.ini:%d: there is no [step NAME]", p.line);
	for (size_t i = 0; i < t->steps_len; i++)
		if (!t->steps[i].argv)
			return err_set(e, ERR_INVALID, "type.ini: the step %s has no run = FILE",
				       t->steps[i].name);
	return 0;
}

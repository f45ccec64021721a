#include "cli/args.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/commands.h"

/* ---- "did you mean" */

enum { NEAR_TEXT_MAX = 40 };

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

/* How many letters must be put in, left out or changed to make `b` of `a`. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);
	size_t row[NEAR_TEXT_MAX + 1];
	if (na > NEAR_TEXT_MAX || nb > NEAR_TEXT_MAX)
		return NEAR_TEXT_MAX;
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t above = row[j];
			row[j] = min3(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[nb];
}

const char *args_nearest(const char *text, const char *const *names, size_t n)
{
	const char *best = NULL;
	size_t best_distance = strlen(text) <= 3 ? 2 : 4; /* below this is near */
	for (size_t i = 0; i < n; i++) {
		size_t d = edit_distance(text, names[i]);
		bool is_beginning = strlen(text) >= 2 && strncmp(text, names[i], strlen(text)) == 0;
		if (is_beginning)
			d = 1;
		if (d < best_distance) {
			best_distance = d;
			best = names[i];
		}
	}
	return best;
}

/* ---- parsing */

static const char *nearest_option(const struct command *c, const char *text)
{
	const char *names[128];
	size_t n = 0;
	const struct option_row *table;
	for (size_t i = 0; (table = command_table(c, i)); i++)
		for (const struct option_row *r = table; r->name && n < ARRAY_LEN(names); r++)
			if (r->help)
				names[n++] = r->name;
	return args_nearest(text, names, n);
}

static int refuse_unknown(const struct command *c, const char *word, const char *name, struct err *e)
{
	const char *near = nearest_option(c, name);
	if (near)
		return err_set(e, ERR_USAGE, "%s: no option %s; did you mean --%s?", c->name, word, near);
	return err_set(e, ERR_USAGE, "%s: no option %s; see slipway help %s", c->name, word, c->name);
}

static int check_value(const struct option_row *r, const char *value, struct err *e)
{
	char what[64];
	int64_t ignored;
	snprintf(what, sizeof what, "--%s", r->name);
	if (!*value)
		return err_set(e, ERR_USAGE, "%s: needs a value", what);
	int rc = 0;
	switch (r->type) {
	case OPTION_FLAG:
	case OPTION_TEXT:
	case OPTION_LIST:
		return 0;
	case OPTION_INT:
		rc = parse_int(what, value, INT64_MIN, INT64_MAX, &ignored, e);
		break;
	case OPTION_DURATION:
		rc = parse_duration(what, value, &ignored, e);
		break;
	case OPTION_SIZE:
		rc = parse_size(what, value, &ignored, e);
		break;
	}
	if (rc < 0 && e)
		e->code = ERR_USAGE;
	return rc;
}

static int add_value(struct args *a, const struct option_row *r, const char *value, struct err *e)
{
	if (value && check_value(r, value, e) < 0)
		return -1;
	a->values[a->values_len++] = (struct option_value){ .row = r, .value = value };
	return 0;
}

/* The value of an option: what is stuck to it, or the next word. */
static int take_value(struct args *a, const struct option_row *r, const char *stuck, int argc, char **argv,
		      int *i, struct err *e)
{
	if (r->type == OPTION_FLAG) {
		if (stuck)
			return err_set(e, ERR_USAGE, "%s: --%s takes no value", a->command->name, r->name);
		return add_value(a, r, NULL, e);
	}
	if (stuck)
		return add_value(a, r, stuck, e);
	if (*i + 1 >= argc)
		return err_set(e, ERR_USAGE, "%s: --%s needs a value: %s", a->command->name, r->name,
			       r->argument);
	return add_value(a, r, argv[++*i], e);
}

static int parse_long(struct args *a, int argc, char **argv, int *i, struct err *e)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_row *r = command_option(a->command, name, len);
	if (!r) {
		char plain[NEAR_TEXT_MAX + 1];
		snprintf(plain, sizeof plain, "%.*s", (int)(len > NEAR_TEXT_MAX ? NEAR_TEXT_MAX : len), name);
		return refuse_unknown(a->command, argv[*i], plain, e);
	}
	return take_value(a, r, equals ? equals + 1 : NULL, argc, argv, i, e);
}

/* "-f", "-fj", "-oDIR", "-o DIR". */
static int parse_letters(struct args *a, int argc, char **argv, int *i, struct err *e)
{
	for (const char *at = argv[*i] + 1; *at; at++) {
		const struct option_row *r = command_letter(a->command, *at);
		if (!r)
			return refuse_unknown(a->command, argv[*i], at, e);
		if (r->type != OPTION_FLAG)
			return take_value(a, r, at[1] ? at + 1 : NULL, argc, argv, i, e);
		if (add_value(a, r, NULL, e) < 0)
			return -1;
	}
	return 0;
}

/* "-" is a word (standard input), and so is "-5": a number. */
static bool is_option(const char *word)
{
	return word[0] == '-' && word[1] && !(word[1] >= '0' && word[1] <= '9');
}

static int check_count(const struct args *a, struct err *e)
{
	const struct command *c = a->command;
	if (args_has(a, "help"))
		return 0;
	if (a->words_len < (size_t)c->words_min)
		return err_set(e, ERR_USAGE, "%s: what is missing: %s; see slipway help %s", c->name,
			       c->arguments, c->name);
	if (c->words_max >= 0 && a->words_len > (size_t)c->words_max)
		return err_set(e, ERR_USAGE, "%s: too much: %s; see slipway help %s", c->name,
			       a->words[c->words_max], c->name);
	return 0;
}

int args_parse(struct args *a, const struct command *c, int argc, char **argv, struct err *e)
{
	*a = (struct args){ .command = c };
	/* "-abc" are three values of one word: room for every letter there is. */
	size_t room = (size_t)argc + 1;
	for (int i = 0; i < argc; i++)
		room += is_option(argv[i]) ? strlen(argv[i]) : 0;
	a->values = calloc(room, sizeof *a->values);
	a->words = calloc((size_t)argc + 1, sizeof *a->words);
	if (!a->values || !a->words)
		return err_set(e, ERR_NOMEM, "out of memory");
	bool is_rest = false;
	for (int i = 0; i < argc; i++) {
		char *word = argv[i];
		if (is_rest || !is_option(word)) {
			a->words[a->words_len++] = word;
			is_rest = is_rest || (c->flags & COMMAND_RUNS);
			continue;
		}
		if (strcmp(word, "--") == 0) {
			is_rest = true;
			continue;
		}
		int rc = word[1] == '-' ? parse_long(a, argc, argv, &i, e)
					: parse_letters(a, argc, argv, &i, e);
		if (rc < 0)
			return -1;
	}
	return check_count(a, e);
}

void args_release(struct args *a)
{
	free(a->values);
	free(a->words);
	*a = (struct args){ 0 };
}

/* ---- what was given */

static const struct option_value *last_of(const struct args *a, const char *name)
{
	assert(command_option(a->command, name, strlen(name)));
	for (size_t i = a->values_len; i > 0; i--)
		if (strcmp(a->values[i - 1].row->name, name) == 0)
			return &a->values[i - 1];
	return NULL;
}

bool args_has(const struct args *a, const char *name)
{
	return last_of(a, name) != NULL;
}

const char *args_text(const struct args *a, const char *name, const char *dflt)
{
	const struct option_value *v = last_of(a, name);
	return v ? v->value : dflt;
}

int64_t args_int(const struct args *a, const char *name, int64_t dflt)
{
	const struct option_value *v = last_of(a, name);
	int64_t n;
	return v && parse_int(name, v->value, INT64_MIN, INT64_MAX, &n, NULL) == 0 ? n : dflt;
}

int64_t args_duration(const struct args *a, const char *name, int64_t dflt_ms)
{
	const struct option_value *v = last_of(a, name);
	int64_t ms;
	return v && parse_duration(name, v->value, &ms, NULL) == 0 ? ms : dflt_ms;
}

int64_t args_size(const struct args *a, const char *name, int64_t dflt_bytes)
{
	const struct option_value *v = last_of(a, name);
	int64_t bytes;
	return v && parse_size(name, v->value, &bytes, NULL) == 0 ? bytes : dflt_bytes;
}

const char *args_next(const struct args *a, const char *name, size_t *at)
{
	assert(command_option(a->command, name, strlen(name)));
	while (*at < a->values_len) {
		const struct option_value *v = &a->values[(*at)++];
		if (strcmp(v->row->name, name) == 0)
			return v->value;
	}
	return NULL;
}

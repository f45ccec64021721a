#include "text/recipe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/path.h"

enum { WORDS_MAX = 8, BRANCHES_MAX = 200, SHOWN_MAX = 60 };

struct line {
	int number, indent;
	const char *words[WORDS_MAX];
	size_t words_len;
	bool has_more; /* words beyond WORDS_MAX */
};

struct parse {
	struct arena *a;
	struct recipe_branch *branches;
	size_t len;
	int depth;
};

static const struct verb_row {
	const char *name;
	enum recipe_verb verb;
	size_t min, max; /* words after the verb */
	const char *usage;
} verbs[] = {
	{ "merge", RECIPE_MERGE, 2, 3, "merge NAME URL [REVISION]" },
	{ "nest", RECIPE_NEST, 3, 4, "nest NAME URL FOLDER [REVISION]" },
	{ "nest-part", RECIPE_NEST_PART, 3, 5, "nest-part NAME URL PATH [FOLDER [REVISION]]" },
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* Cut a line of `n` bytes into words. */
static int split(struct arena *a, const char *text, size_t n, struct line *l, struct err *e)
{
	size_t at = 0;
	while (at < n && is_space(text[at]))
		if (text[at++] == '\t' && at < n)
			l->indent = -1;
		else if (l->indent >= 0)
			l->indent++;
	while (at < n) {
		size_t from = at;
		for (; at < n && !is_space(text[at]); at++)
			if ((unsigned char)text[at] < ' ' || text[at] == 127)
				return err_set(e, ERR_INVALID, "line %d: a control character", l->number);
		if (l->words_len == WORDS_MAX) {
			l->has_more = true;
			return 0;
		}
		l->words[l->words_len] = arena_strndup(a, text + from, at - from);
		if (!l->words[l->words_len++])
			return err_set(e, ERR_NOMEM, "out of memory");
		while (at < n && is_space(text[at]))
			at++;
	}
	return 0;
}

/* "# git-build-recipe format 0.4 [deb-version VERSION]" */
static int parse_header(const struct line *l, struct recipe *out, struct err *e)
{
	static const char *const formats[] = { "0.1", "0.2", "0.3", "0.4" };
	const char *const *w = l->words;
	size_t n = l->words_len, at = 1;
	if (n && strcmp(w[0], "#") != 0 && w[0][0] == '#')
		return err_set(e, ERR_INVALID, "line %d: a space is missing after '#'", l->number);
	if (n < 4 || strcmp(w[0], "#") != 0 ||
	    (strcmp(w[1], "git-build-recipe") != 0 && strcmp(w[1], "bzr-builder") != 0) ||
	    strcmp(w[2], "format") != 0)
		return err_set(e, ERR_INVALID, "line %d: must be \"# git-build-recipe format 0.4 …\"",
			       l->number);
	for (at = 0; at < ARRAY_LEN(formats); at++)
		if (strcmp(w[3], formats[at]) == 0)
			break;
	if (at == ARRAY_LEN(formats))
		return err_set(e, ERR_INVALID, "line %d: unknown format %.*s", l->number, SHOWN_MAX, w[3]);
	if (n == 4)
		return 0;
	if (strcmp(w[4], "deb-version") != 0)
		return err_set(e, ERR_INVALID, "line %d: \"deb-version\" was expected, not %.*s", l->number,
			       SHOWN_MAX, w[4]);
	if (n != 6)
		return err_set(e, ERR_INVALID, "line %d: deb-version takes one word", l->number);
	out->deb_version = w[5];
	return 0;
}

static int check_url(const struct line *l, const char *url, struct err *e)
{
	static const char *const protocols[] = { "https://", "http://", "ssh://", "git://",
						 "file://",  "lp:",	"/" };
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (strncmp(url, protocols[i], strlen(protocols[i])) == 0)
			return 0;
	return err_set(
		e, ERR_INVALID,
		"line %d: %.*s is neither an absolute path nor an URL by https, http, ssh, git or file",
		l->number, SHOWN_MAX, url);
}

/* A folder in the tree: git's own is none. */
static int check_folder(const struct line *l, const char *path, struct err *e)
{
	bool is_safe = path_is_safe_relative(path);
	for (const char *part = path; is_safe && part; part = strchr(part, '/')) {
		part += *part == '/';
		is_safe = strncasecmp(part, ".git", 4) != 0 || (part[4] && part[4] != '/');
	}
	return is_safe ? 0
		       : err_set(e, ERR_INVALID, "line %d: %.*s is not a folder of the tree", l->number,
				 SHOWN_MAX, path);
}

static int check_branch(const struct line *l, const struct recipe_branch *b, struct err *e)
{
	for (size_t i = 0; i < l->words_len; i++)
		if (l->words[i][0] == '-')
			return err_set(e, ERR_INVALID, "line %d: %.*s looks like an option", l->number,
				       SHOWN_MAX, l->words[i]);
	if (check_url(l, b->url, e) < 0)
		return -1;
	if (b->folder && check_folder(l, b->folder, e) < 0)
		return -1;
	/* git-build-recipe takes leading slashes off. */
	const char *path = b->path ? b->path + strspn(b->path, "/") : "";
	return path[0] ? check_folder(l, path, e) : 0;
}

static int add_branch(struct parse *p, const struct line *l, const struct recipe_branch *b, struct err *e)
{
	if (check_branch(l, b, e) < 0)
		return -1;
	for (size_t i = 0; i < p->len; i++)
		if (b->name && p->branches[i].name && strcmp(b->name, p->branches[i].name) == 0)
			return err_set(e, ERR_INVALID, "line %d: the name %.*s is taken by line %d",
				       l->number, SHOWN_MAX, b->name, p->branches[i].line);
	if (p->len == BRANCHES_MAX)
		return err_set(e, ERR_TOO_LARGE, "line %d: more than %d branches", l->number, BRANCHES_MAX);
	p->branches[p->len++] = *b;
	return 0;
}

static int parse_base(struct parse *p, const struct line *l, struct err *e)
{
	if (l->words_len > 2)
		return err_set(e, ERR_INVALID, "line %d: must be URL [REVISION]", l->number);
	if (l->indent)
		return err_set(e, ERR_INVALID, "line %d: the first branch must not be indented", l->number);
	struct recipe_branch b = { .verb = RECIPE_BASE, .line = l->number, .url = l->words[0] };
	b.revision = l->words_len > 1 ? l->words[1] : NULL;
	return add_branch(p, l, &b, e);
}

/* Two spaces a level, one level further in only after a nest. */
static int parse_depth(struct parse *p, const struct line *l, struct err *e)
{
	if (l->indent < 0)
		return err_set(e, ERR_INVALID, "line %d: indented by a tab, not by two spaces", l->number);
	if (l->indent % 2)
		return err_set(e, ERR_INVALID, "line %d: indented by %d spaces, not by two a level",
			       l->number, l->indent);
	bool is_after_nest = p->branches[p->len - 1].verb == RECIPE_NEST;
	if (l->indent / 2 > p->depth + (is_after_nest ? 1 : 0))
		return err_set(e, ERR_INVALID, "line %d: may be indented only after a nest", l->number);
	p->depth = l->indent / 2;
	return 0;
}

static const struct verb_row *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static int parse_instruction(struct parse *p, const struct line *l, struct err *e)
{
	const char *const *w = l->words;
	const struct verb_row *v = find_verb(w[0]);
	if (strcmp(w[0], "run") == 0)
		return err_set(e, ERR_INVALID, "line %d: the instruction run is not allowed: it runs code",
			       l->number);
	if (!v)
		return err_set(e, ERR_INVALID, "line %d: unknown instruction %.*s", l->number, SHOWN_MAX,
			       w[0]);
	if (parse_depth(p, l, e) < 0)
		return -1;
	size_t n = l->words_len - 1;
	if (n < v->min || n > v->max || l->has_more)
		return err_set(e, ERR_INVALID, "line %d: must be %s", l->number, v->usage);
	struct recipe_branch b = {
		.verb = v->verb, .line = l->number, .depth = p->depth, .name = w[1], .url = w[2]
	};
	size_t at = 3;
	if (b.verb == RECIPE_NEST_PART)
		b.path = w[at++];
	if (b.verb != RECIPE_MERGE && at <= n)
		b.folder = w[at++];
	if (at <= n)
		b.revision = w[at];
	return add_branch(p, l, &b, e);
}

static int parse_line(struct parse *p, const struct line *l, struct recipe *out, struct err *e)
{
	if (l->number == 1)
		return parse_header(l, out, e);
	if (!l->words_len || l->words[0][0] == '#')
		return 0;
	return p->len ? parse_instruction(p, l, e) : parse_base(p, l, e);
}

int recipe_parse(const char *text, size_t len, struct arena *a, struct recipe *out, struct err *e)
{
	*out = (struct recipe){ 0 };
	if (len > RECIPE_MAX_BYTES)
		return err_set(e, ERR_TOO_LARGE, "line 1: a recipe may have %d bytes", RECIPE_MAX_BYTES);
	struct parse p = { .a = a, .branches = arena_array(a, BRANCHES_MAX, sizeof *p.branches) };
	if (!p.branches)
		return err_set(e, ERR_NOMEM, "out of memory");
	int number = 0;
	for (size_t at = 0; number == 0 || at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;
		struct line l = { .number = ++number };
		if (split(a, text + at, n, &l, e) < 0 || parse_line(&p, &l, out, e) < 0)
			return -1;
		at += n + 1;
	}
	if (!p.len)
		return err_set(e, ERR_INVALID, "line %d: there is no branch to start from", number);
	out->branches = p.branches;
	out->branches_len = p.len;
	return 0;
}

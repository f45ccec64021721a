#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "hostile.h"
#include "rig.h"

static const char *const sections[][2] = {
	{ "escape", "Ways out" },
	{ "exhaustion", "Using up" },
	{ "lie", "Lies in what is left to collect" },
	{ "terminal", "Lines for the terminal of who reads the log" },
};

static const char intro[] =
	"# What hostile jobs were made to try\n"
	"\n"
	"Made by `make hostile`; `make check` runs most of it. Each row is a small program in\n"
	"`tests/hostile/probes/`, run as a job in a chroot, as the build's user and (where it makes a difference) as root of the\n"
	"sandbox, beside a job that must notice nothing of it, by a worker that is root on its machine and by one that is an\n"
	"ordinary user with subordinate ids. What it means and what is not promised is in [SECURITY.md](../SECURITY.md).\n"
	"\n"
	"A program that cannot fail proves nothing. Those marked with * are also run where nothing holds them, as root of a\n"
	"machine, and get through there.\n";

struct count {
	int held, escapes, known, untried, leftovers;
};

static void add(struct count *c, const struct outcome_of *o)
{
	c->held += o->verdict == VERDICT_HELD && !o->is_left;
	c->escapes += o->verdict == VERDICT_BROKEN;
	c->known += o->verdict == VERDICT_KNOWN;
	c->untried += o->verdict == VERDICT_UNTRIED;
	c->leftovers += o->is_left;
}

static const char *word(const struct hostile *h, const struct outcome_of *o, char *room, size_t size)
{
	switch (o->verdict) {
	case VERDICT_HELD:
		return o->is_left ? "**left processes**" : "held";
	case VERDICT_KNOWN:
		snprintf(room, size, "does not hold yet: %s", text_in(h->about, "known"));
		return room;
	case VERDICT_BROKEN:
		snprintf(room, size, "**got through**: %s", o->text);
		return room;
	case VERDICT_UNTRIED:
		snprintf(room, size, "not tried: %s", o->text);
		return room;
	case VERDICT_NONE:
		break;
	}
	return "";
}

/* One word if both steps came to the same. */
static void write_cell(FILE *f, const struct hostile *h, const struct outcome_of *steps)
{
	char rooms[STEPS][400];
	const char *build = word(h, &steps[STEP_BUILD], rooms[0], sizeof rooms[0]);
	const char *root = word(h, &steps[STEP_ROOT], rooms[1], sizeof rooms[1]);
	if (!*build || !*root || strcmp(build, root) == 0)
		fprintf(f, " %s |", *build ? build : root);
	else
		fprintf(f, " build: %s; root: %s |", build, root);
}

static void write_text(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (strchr("|<*_`\\", *text))
			fputc('\\', f);
		fputc(*text, f);
	}
}

static void write_row(FILE *f, const struct hostile *h)
{
	static const char *const steps[] = { "both", "build", "root" };
	fprintf(f, "| %s%s | ", h->name, hostile_is(h, "controlled") ? " \\*" : "");
	write_text(f, text_in(h->about, "tries"));
	fprintf(f, " | %s | ", steps[number_in(h->about, "as")]);
	write_text(f, text_in(h->about, "must"));
	fputs(" |", f);
	write_cell(f, h, h->results[0]);
	write_cell(f, h, h->results[1]);
	fputc('\n', f);
}

static void write_section(FILE *f, const char *const section[2], const struct hostile *list, size_t len)
{
	fprintf(f,
		"\n## %s\n\n| program | tries | step | must happen | root's worker | user's worker |\n|---|---|---|---|---|---|\n",
		section[1]);
	for (size_t i = 0; i < len; i++)
		if (strcmp(text_in(list[i].about, "class"), section[0]) == 0)
			write_row(f, &list[i]);
}

static bool has(const struct hostile *list, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(list[i].name, name) == 0)
			return true;
	return false;
}

bool table_is_of(const char *path, const struct hostile *list, size_t len)
{
	char line[2000], name[64];
	size_t rows = 0;
	bool is_right = true;
	CLEAN_FILE FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "| %63s", name) != 1 || name[0] == '-' || strcmp(name, "program") == 0)
			continue;
		rows++;
		if (!has(list, len, name)) {
			tap_note("%s has a row of %s, which is no program", path, name);
			is_right = false;
		}
	}
	if (rows != len)
		tap_note("%s has %zu rows; there are %zu programs: make hostile", path, rows, len);
	return is_right && rows == len;
}

void table_write(const char *path, const struct hostile *list, size_t len, int controls)
{
	struct count c = { 0 };
	char summary[300];
	CLEAN_FILE FILE *f = fopen(path, "we");
	if (!f)
		tap_die("%s: %s", path, strerrordesc_np(errno));
	for (size_t i = 0; i < len; i++)
		for (int worker = 0; worker < 2; worker++)
			for (int step = 0; step < STEPS; step++)
				add(&c, &list[i].results[worker][step]);
	snprintf(
		summary, sizeof summary,
		"%zu programs, %d of them with a counter-check: %d trials held, %d escapes, %d leftovers, %d known not to hold "
		"yet, %d not tried on that machine",
		len, controls, c.held, c.escapes, c.leftovers, c.known, c.untried);
	tap_note("%s", summary);
	fprintf(f, "%s\n**%s.**\n", intro, summary);
	for (size_t i = 0; i < ARRAY_LEN(sections); i++)
		write_section(f, sections[i], list, len);
}

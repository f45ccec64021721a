/* top: jobs and workers as they are now, drawn anew every second while it is shown. */
#include <ncurses.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/job_rows.h"
#include "cli/table.h"
#include "cli/term.h"
#include "model/state.h"
#include "text/json.h"

enum { REFRESH_MS = 1000, JOBS_SHOWN = 500, HEAD_LINES = 3 };

/* What is drawn. */
struct view {
	json_t *status, *jobs; /* NULL: not known yet */
	struct err err;	       /* why it is not newer */
	int top;	       /* the first job shown */
};

static void replace(json_t **old, json_t *new)
{
	json_decref(*old);
	*old = new;
}

/* Live jobs before ended ones, each newest first. */
static json_t *get_jobs(struct api *api, struct err *e)
{
	static const char *const pages[] = { "running,collecting",
					     "waiting,depwait,scheduled,blocked,suspended",
					     "succeeded,failed,cancelled" };
	json_t *all = json_array();
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		char path[128];
		snprintf(path, sizeof path, "/v1/jobs?limit=%d&state=%s", JOBS_SHOWN / 5, pages[i]);
		CLEAN_JSON json_t *page = api_get(api, path, NULL, e);
		if (!page) {
			json_decref(all);
			return NULL;
		}
		json_array_extend(all, json_object_get(page, "jobs"));
	}
	return all;
}

static void refresh_view(struct api *api, struct view *v)
{
	struct err e = ERR_INIT;
	json_t *status = api_get(api, "/v1/status", NULL, &e);
	json_t *jobs = status ? get_jobs(api, &e) : NULL;
	v->err = e;
	if (!jobs) {
		json_decref(status);
		return;
	}
	replace(&v->status, status);
	replace(&v->jobs, jobs);
}

/* ---- drawing */

/* One line, cut to the screen; the text is safe already. */
static void draw_line(int y, int attributes, const char *text)
{
	size_t columns, fits = term_fit(text, strlen(text), (size_t)COLS, &columns);
	attrset(attributes);
	mvaddnstr(y, 0, text, (int)fits);
	attrset(A_NORMAL);
}

static void draw_head(const struct view *v)
{
	CLEAN_BUF struct buf line = BUF_INIT;
	const json_t *workers = json_object_get(v->status, "workers"),
		     *jobs = json_object_get(v->status, "jobs");
	char text[SHOW_BYTES];
	if (v->err.code != ERR_NONE) {
		buf_adds(&line, "no news: ");
		term_add_safe(&line, v->err.text, strlen(v->err.text));
	} else {
		buf_addf(&line, "slipway %s, up %s; workers %lld, slots %lld of %lld in use",
			 field_text(v->status, "version"), show_duration(field_ms(v->status, "uptime"), text),
			 (long long)field_int(workers, "online"), (long long)field_int(workers, "running"),
			 (long long)field_int(workers, "slots"));
	}
	draw_line(0, v->err.code != ERR_NONE ? A_BOLD : A_NORMAL, line.data);
	buf_reset(&line);
	for (int s = STATE_FIRST; s <= STATE_LAST; s++)
		if (field_int(jobs, state_name((enum job_state)s)))
			buf_addf(&line, "%s%s %lld",
				 line.len ? ", " : "jobs: ", state_name((enum job_state)s),
				 (long long)field_int(jobs, state_name((enum job_state)s)));
	draw_line(1, A_NORMAL, line.len ? line.data : "no jobs yet");
}

static int attributes_of(const char *state)
{
	const char *colour = term_state_colour(state);
	if (!colour || !has_colors())
		return A_NORMAL;
	/* SGR 31…36 are ncurses' colours 1…6, and so are the pairs. */
	return colour[0] == '3' ? (int)COLOR_PAIR(colour[1] - '0') : (int)A_DIM;
}

static void draw_jobs(struct view *v)
{
	struct table t CLEAN(table_release);
	CLEAN_BUF struct buf text = BUF_INIT;
	int n = (int)json_array_size(v->jobs), room = LINES - HEAD_LINES;
	table_init(&t, job_columns, job_columns_len);
	if (v->top > n - room)
		v->top = n - room;
	if (v->top < 0)
		v->top = 0;
	for (int i = v->top; i < n && i < v->top + room; i++)
		job_rows_add(&t, json_array_get(v->jobs, (size_t)i));
	table_format(&t, COLS, true, &text);
	char *line = text.data;
	for (int y = HEAD_LINES - 1; *line && y < LINES; y++) {
		char *end = line + strcspn(line, "\n");
		bool is_last = !*end;
		*end = '\0';
		const json_t *job = json_array_get(v->jobs, (size_t)(v->top + y - HEAD_LINES));
		draw_line(y, y < HEAD_LINES ? (int)A_REVERSE : attributes_of(field_text(job, "state")), line);
		line = is_last ? end : end + 1;
	}
}

static void draw(struct view *v)
{
	erase();
	draw_head(v);
	draw_jobs(v);
	refresh();
}

/* ---- keys */

/* False: leave. */
static bool take_key(struct view *v, int key)
{
	int page = LINES > HEAD_LINES ? LINES - HEAD_LINES : 1;
	switch (key) {
	case 'q':
	case 'Q':
	case 3: /* Ctrl-C */
		return false;
	case KEY_UP:
	case 'k':
		v->top--;
		break;
	case KEY_DOWN:
	case 'j':
		v->top++;
		break;
	case KEY_PPAGE:
		v->top -= page;
		break;
	case KEY_NPAGE:
	case ' ':
		v->top += page;
		break;
	case KEY_HOME:
		v->top = 0;
		break;
	case KEY_END:
		v->top = JOBS_SHOWN;
		break;
	default:
		break;
	}
	return true;
}

static void start_screen(void)
{
	initscr();
	raw();
	noecho();
	keypad(stdscr, TRUE);
	curs_set(0);
	timeout(REFRESH_MS);
	if (has_colors()) {
		start_color();
		use_default_colors();
		for (short i = 1; i <= 6; i++)
			init_pair(i, i, -1);
	}
}

int cmd_top(struct cli *c, struct err *e)
{
	if (!term_is_terminal() || !isatty(STDIN_FILENO))
		return err_set(e, ERR_USAGE,
			       "top: this is no terminal; slipway list and slipway status go anywhere");
	struct view v = { 0 };
	refresh_view(c->api, &v);
	if (!v.status) {
		*e = v.err;
		return -1;
	}
	start_screen();
	for (;;) {
		draw(&v);
		int key = getch();
		if (key != ERR && !take_key(&v, key))
			break;
		if (key == ERR || key == KEY_RESIZE)
			refresh_view(c->api, &v);
	}
	endwin();
	json_decref(v.status);
	json_decref(v.jobs);
	return 0;
}

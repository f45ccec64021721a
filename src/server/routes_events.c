/* What happened, of jobs and of everything else that is privileged, as one stream from the newest on.
 *
 * A page ends at a place in both of its sources: the newest event and the newest audit row that were not told yet. */
#include <inttypes.h>
#include <stdio.h>

#include "base/arena.h"
#include "server/render.h"
#include "server/routes_priv.h"
#include "server/server_priv.h"
#include "store/records.h"

enum { EVENTS_DEFAULT = 50, EVENTS_MAX = 1000 };

struct events_page {
	int limit;
	struct event behind;
	int64_t before_audit; /* 0: from the newest */
};

/* "TIME.JOB.N.AUDIT", as given out by write_next(). */
static int parse_after(const char *text, struct events_page *p, struct err *e)
{
	int n, end = 0;
	if (!*text)
		return 0;
	if (sscanf(text, "%" SCNd64 ".%" SCNd64 ".%d.%" SCNd64 "%n", &p->behind.at_ms, &p->behind.job, &n,
		   &p->before_audit, &end) != 4 ||
	    text[end])
		return err_set(e, ERR_INVALID, "after must be the `next` of a page of events");
	p->behind.id = n;
	return 0;
}

static void write_next(struct json_writer *w, const struct events_page *p)
{
	char text[100];
	snprintf(text, sizeof text, "%" PRId64 ".%" PRId64 ".%" PRId64 ".%" PRId64, p->behind.at_ms,
		 p->behind.job, p->behind.id, p->before_audit);
	jw_kstr(w, "next", text);
}

static void write_audit(const struct audit *v, struct json_writer *w)
{
	jw_begin_object(w);
	jw_ktime(w, "at", v->at_ms);
	jw_kstr(w, "actor", v->actor);
	jw_kstr(w, "subject", v->subject);
	jw_kstr(w, "detail", v->detail);
	jw_end_object(w);
}

static void write_event(struct arena *a, const struct event *v, struct json_writer *w)
{
	const char *subject = arena_printf(a, "job:%" PRId64, v->job);
	jw_begin_object(w);
	jw_ktime(w, "at", v->at_ms);
	jw_kstr(w, "actor", v->actor);
	jw_kstr(w, "subject", subject ? subject : "");
	jw_kstr(w, "from", v->from ? state_name(v->from) : "");
	jw_kstr(w, "to", state_name(v->to));
	jw_kstr(w, "reason", reason_name(v->reason));
	jw_kstr(w, "detail", v->detail);
	jw_end_object(w);
}

/* A source of which nothing was told yet: what comes to it later is newer than this page, and in none of those behind it. */
static void settle_place(struct events_page *p, int64_t last_ms, const struct audit *newest_audit)
{
	if (!p->behind.at_ms)
		p->behind = (struct event){ .at_ms = last_ms + 1 };
	if (!p->before_audit)
		p->before_audit = newest_audit ? newest_audit->id + 1 : 1;
}

static int events_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct events_page p = *(const struct events_page *)a->data;
	struct event *events;
	struct audit *audits;
	size_t events_len, audits_len, i = 0, k = 0;
	int64_t last_ms = 0;
	if (events_noted(tx, &p.behind, p.limit, a->arena, &events, &events_len, e) ||
	    audit_list(tx, NULL, p.before_audit, p.limit, a->arena, &audits, &audits_len, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_key(&w, "events");
	jw_begin_array(&w);
	while (i + k < (size_t)p.limit && (i < events_len || k < audits_len)) {
		bool is_event = k == audits_len || (i < events_len && events[i].at_ms > audits[k].at_ms);
		if (is_event) {
			p.behind = events[i];
			last_ms = events[i].at_ms;
			write_event(a->arena, &events[i++], &w);
		} else {
			p.before_audit = audits[k].id;
			last_ms = audits[k].at_ms;
			write_audit(&audits[k++], &w);
		}
	}
	jw_end_array(&w);
	if (i + k < (size_t)p.limit) {
		jw_key(&w, "next");
		jw_null(&w);
	} else {
		settle_place(&p, last_ms, audits_len ? &audits[0] : NULL);
		write_next(&w, &p);
	}
	jw_end_object(&w);
	return 0;
}

void events_route(struct ask *a)
{
	struct err e = ERR_INIT;
	struct events_page *p = arena_alloc(a->arena, sizeof *p);
	int64_t limit = ask_int(a, "limit", EVENTS_DEFAULT);
	if (!p)
		err_set(&e, ERR_NOMEM, "no memory for a page of events");
	else if (limit < 1 || limit > EVENTS_MAX)
		err_set(&e, ERR_INVALID, "limit must be from 1 to %d", EVENTS_MAX);
	else
		parse_after(ask_text(a, "after", ""), p, &e);
	if (!p || e.code) {
		ask_fail(a, &e);
		return;
	}
	p->limit = (int)limit;
	a->data = p;
	ask_read(a, events_run, NULL);
}

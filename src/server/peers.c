#include "server/peers.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "server/log_follow.h"
#include "server/server_priv.h"
#include "store/ear.h"
#include "store/servers.h"

enum {
	GATHER_MS = 10, /* between two messages */
	LOOK_MS = 1000, /* between two looks, and up to LOOK_JITTER_MS more */
	LOOK_JITTER_MS = 400,
	LOOK_LATE_MS = 1000, /* a busy machine */
	SILENT_MS = 5000,    /* between two looks for workers that have fallen silent */
	HEARD_MAX = 1024,    /* changes in one message */
	WATCHED_MAX = 5000,  /* jobs asked for in one statement */
	TEXT_ROOM = 64,	     /* of one entry */
};

/* --- telling --- */

/* A message is the number of the server and entries: "j7:3>4" job 7 went from state 3 to 4, "c" behind it: a cancel is asked;
 * "l5:2" lane 5 has got 2 jobs; "g7" the log of job 7 has grown; "w" a worker's state has changed. Whatever else is said means: look. */
static void tell(struct server *s, const char *entry)
{
	struct peers *p = &s->peers;
	pthread_mutex_lock(&p->lock);
	if (p->has_others && !p->is_all) {
		bool was_empty = p->out.len == 0;
		buf_addc(&p->out, ' ');
		buf_adds(&p->out, entry);
		p->is_all = p->out.len > EAR_TEXT_MAX - TEXT_ROOM || p->out.is_failed;
		if (was_empty)
			eventfd_write(p->wake_fd, 1);
	}
	pthread_mutex_unlock(&p->lock);
}

void peers_tell_jobs(struct server *s, const struct store_change *changes, size_t n)
{
	char entry[TEXT_ROOM];
	if (!s->peers.has_others)
		return;
	for (size_t i = 0; i < n; i++) {
		const struct store_change *c = &changes[i];
		/* Nobody can wait for one that was not there before. */
		if (!c->from)
			continue;
		snprintf(entry, sizeof entry, "j%lld:%d>%d%s", (long long)c->job, (int)c->from, (int)c->to,
			 c->is_cancel_asked ? "c" : "");
		tell(s, entry);
	}
}

void peers_tell_lane(struct server *s, int64_t lane, int64_t jobs)
{
	char entry[TEXT_ROOM];
	snprintf(entry, sizeof entry, "l%lld:%lld", (long long)lane, (long long)jobs);
	tell(s, entry);
}

void peers_tell_log(struct server *s, int64_t job)
{
	char entry[TEXT_ROOM];
	if (!s->peers.has_others)
		return;
	snprintf(entry, sizeof entry, "g%lld", (long long)job);
	pthread_mutex_lock(&s->peers.lock);
	bool is_told = s->peers.log_told == job && s->peers.out.len;
	s->peers.log_told = job;
	pthread_mutex_unlock(&s->peers.lock);
	if (!is_told)
		tell(s, entry);
}

void peers_tell_workers(struct server *s)
{
	tell(s, "w");
}

static void say(struct server *s, struct err *e)
{
	struct peers *p = &s->peers;
	CLEAN_BUF struct buf text = BUF_INIT;
	pthread_mutex_lock(&p->lock);
	buf_addf(&text, "%lld", (long long)store_server_id(s->store));
	buf_adds(&text, p->is_all ? " look" : p->out.data);
	buf_reset(&p->out);
	p->is_all = false;
	pthread_mutex_unlock(&p->lock);
	p->said_ms = clock_boot_ms();
	if (buf_check(&text, e) < 0)
		return;
	/* What cannot be told is seen by their next look. */
	ear_say(p->ear, text.data, e);
}

/* --- hearing --- */

static bool hear_job(const char *at, struct store_change *c)
{
	long long job;
	int from, to, end = 0;
	if (sscanf(at, "j%lld:%d>%d%n", &job, &from, &to, &end) != 3)
		return false;
	if (from < 0 || from > STATE_LAST || to < STATE_FIRST || to > STATE_LAST)
		return false;
	*c = (struct store_change){ .job = job,
				    .from = (enum job_state)from,
				    .to = (enum job_state)to,
				    .is_cancel_asked = at[end] == 'c' };
	return true;
}

/* False: not understood. */
static bool hear_entry(struct server *s, const char *at, struct store_change *changes, size_t *n)
{
	long long id, count;
	if (*at == 'j' && *n < HEARD_MAX)
		return hear_job(at, &changes[(*n)++]);
	if (sscanf(at, "l%lld:%lld", &id, &count) == 2)
		hub_wake_lane(s, id, count);
	else if (sscanf(at, "g%lld", &id) == 1)
		log_was_told(s, id);
	else if (*at == 'w')
		hub_wake_all(s);
	else
		return false;
	return true;
}

static void heard(void *ctx, const char *text)
{
	struct server *s = ctx;
	struct store_change changes[HEARD_MAX];
	size_t n = 0;
	char *end;
	bool is_understood = true;
	if (strtoll(text, &end, 10) == store_server_id(s->store))
		return;
	is_understood = *end == ' ';
	while (is_understood && *end == ' ') {
		is_understood = hear_entry(s, ++end, changes, &n);
		end += strcspn(end, " ");
	}
	if ((n && hub_hear(s, changes, n)) || !is_understood)
		s->peers.look_ms = 0;
}

/* --- looking --- */

static void look_at_jobs(struct server *s, struct err *e)
{
	size_t n, got;
	int64_t *ids = hub_watched(s, &n);
	struct ear_job *jobs = calloc(n ? n : 1, sizeof *jobs);
	for (size_t at = 0; ids && jobs && at < n; at += WATCHED_MAX) {
		size_t some = n - at < WATCHED_MAX ? n - at : WATCHED_MAX;
		if (ear_jobs(s->peers.ear, ids + at, some, jobs, &got, e) < 0)
			break;
		hub_see(s, jobs, got);
	}
	free(jobs);
	free(ids);
}

bool peers_were_out(const struct server *s, int64_t ms)
{
	int64_t heard_ms = s->peers.heard_ms;
	return heard_ms && clock_boot_ms() - heard_ms > LOOK_MS + LOOK_JITTER_MS + LOOK_LATE_MS + ms;
}

/* A database that does not answer is as good as one that cannot be reached, though nothing says so. */
static void note_heard(struct server *s)
{
	if (peers_were_out(s, server_beat_ms(s)))
		leases_note_out(s);
	s->peers.heard_ms = clock_boot_ms();
}

static void look(struct server *s, struct err *e)
{
	struct peers *p = &s->peers;
	struct ear_look l;
	int64_t now_ms = clock_boot_ms();
	p->look_ms = now_ms + LOOK_MS + (int64_t)random_below(LOOK_JITTER_MS);
	if (ear_look(p->ear, hub_may_be_cancelled(s), &l, e) == 0) {
		p->has_others = l.others > 0;
		/* As many as fit: how many jobs there are is not known. */
		for (size_t i = 0; i < l.lanes_len; i++)
			hub_wake_lane(s, l.lanes[i], INT32_MAX);
		for (size_t i = 0; i < l.cancels_len; i++)
			hub_cancel(s, l.cancels[i].job, l.cancels[i].attempt);
		if (l.due_ms)
			tick_due_at(s, clock_boot_ms() + l.due_ms - store_now_ms(s->store));
		look_at_jobs(s, e);
		if (access_look(s, l.tokens_version, e) == 0)
			note_heard(s);
		if (p->has_others)
			log_look_all(s);
	} else {
		/* Unknown: tell them. */
		p->has_others = true;
	}
	ear_look_release(&l);
	if (now_ms >= p->silent_ms) {
		p->silent_ms = now_ms + SILENT_MS;
		hub_silence(s);
	}
}

/* --- the thread --- */

static int64_t next_ms(struct peers *p)
{
	pthread_mutex_lock(&p->lock);
	int64_t at_ms = p->look_ms;
	if ((p->out.len || p->is_all) && p->said_ms + GATHER_MS < at_ms)
		at_ms = p->said_ms + GATHER_MS;
	pthread_mutex_unlock(&p->lock);
	return at_ms;
}

static bool has_news(struct peers *p)
{
	pthread_mutex_lock(&p->lock);
	bool has = p->out.len || p->is_all;
	pthread_mutex_unlock(&p->lock);
	return has;
}

static void wait_a_while(struct server *s, struct err *e)
{
	struct peers *p = &s->peers;
	eventfd_t woken;
	int64_t ms = next_ms(p) - clock_boot_ms();
	ear_wait(p->ear, p->wake_fd, ms < 0 ? 0 : ms > LOOK_MS * 2 ? LOOK_MS * 2 : (int)ms, heard, s, e);
	eventfd_read(p->wake_fd, &woken);
}

/* Said once each: a database that is gone is tried again at each look. */
static void note_contact(struct server *s, const struct err *e)
{
	struct peers *p = &s->peers;
	if (e->code && !p->is_deaf)
		log_err(e, "no contact with the other servers, trying again");
	if (!e->code && p->is_deaf)
		log_line(LOG_LEVEL_INFO, "in contact with the other servers again");
	p->is_deaf = e->code != ERR_NONE;
}

static void *peers_main(void *arg)
{
	struct server *s = arg;
	struct peers *p = &s->peers;
	while (!p->is_stopping) {
		struct err e = ERR_INIT;
		if (clock_boot_ms() >= p->look_ms)
			look(s, &e);
		if (!e.code && has_news(p) && clock_boot_ms() >= p->said_ms + GATHER_MS)
			say(s, &e);
		if (!e.code)
			wait_a_while(s, &e);
		note_contact(s, &e);
		if (e.code) {
			struct pollfd wake = { .fd = p->stop_fd, .events = POLLIN };
			poll(&wake, 1, LOOK_MS / 2 + (int)random_below(LOOK_MS));
		}
	}
	return NULL;
}

int peers_start(struct server *s, struct err *e)
{
	struct peers *p = &s->peers;
	p->wake_fd = p->stop_fd = -1;
	if (!store_is_shared(s->store))
		return 0;
	/* Until the first look has said otherwise. And those who were alone are to see that they are not. */
	p->has_others = p->is_all = true;
	p->heard_ms = clock_boot_ms();
	p->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (p->wake_fd < 0 || p->stop_fd < 0)
		return err_sys(e, "listen to other servers");
	if (ear_open(s->store, &p->ear, e) < 0)
		return -1;
	if (pthread_create(&p->thread, NULL, peers_main, s))
		return err_set(e, ERR_SYSTEM, "start the thread that listens to other servers");
	p->has_thread = true;
	return 0;
}

void peers_stop(struct server *s)
{
	struct peers *p = &s->peers;
	p->is_stopping = true;
	if (p->has_thread) {
		eventfd_write(p->wake_fd, 1);
		eventfd_write(p->stop_fd, 1);
		pthread_join(p->thread, NULL);
	}
	p->has_thread = false;
	p->has_others = false;
	ear_close(p->ear);
	p->ear = NULL;
	if (p->wake_fd > 0)
		close(p->wake_fd);
	if (p->stop_fd > 0)
		close(p->stop_fd);
	p->wake_fd = p->stop_fd = -1;
	buf_release(&p->out);
}

#include "server/log_follow.h"

#include <string.h>

#include "server/peers.h"
#include "server/server_priv.h"
#include "store/jobs.h"
#include "store/logs.h"
#include "store/records.h"

/* One reader of a log. It looks in the store (a read task) at the start and whenever something was said to have
 * ended: what a change means is what the rows say. */
struct follower {
	struct sub sub; /* first */
	struct ask *ask;
	int attempt; /* 0 = the newest there will be */
	bool is_following;
	char attempt_text[16];

	/* what the look found; written by the task, read after it */
	bool has_attempt, is_final;
	const void *row_log;
	size_t row_log_len;

	/* the stream's, on an HTTP thread */
	struct log_reader *reader;
	int64_t offset;
	bool had_file;

	/* guarded by the server's lock */
	bool is_parked;	 /* waits for the first attempt */
	bool is_changed; /* since the look began */
	bool is_looking, is_streaming;
	bool is_over; /* the attempt has ended, by the store's word */
};

/* A growing log has as many readers as subscriptions whose function is this file's. */
static void on_change(struct sub *sub, const struct store_change *c);

void log_has_grown(struct server *s, int64_t job)
{
	log_was_told(s, job);
	peers_tell_log(s, job);
}

/* Logs of jobs that run here are told of as they grow. */
void log_look_all(struct server *s)
{
	size_t at = 0;
	int64_t job;
	void *value;
	pthread_mutex_lock(&s->lock);
	while (idmap_next(&s->subs, &at, &job, &value)) {
		if (idmap_find(&s->held, job))
			continue;
		for (struct sub *sub = value; sub; sub = sub->next)
			if (sub->fn == on_change && ((struct follower *)(void *)sub)->is_streaming)
				http_wake(((struct follower *)(void *)sub)->ask->req);
	}
	pthread_mutex_unlock(&s->lock);
}

void log_was_told(struct server *s, int64_t job)
{
	pthread_mutex_lock(&s->lock);
	for (struct sub *sub = idmap_find(&s->subs, job); sub; sub = sub->next)
		if (sub->fn == on_change)
			http_wake(((struct follower *)(void *)sub)->ask->req);
	pthread_mutex_unlock(&s->lock);
}

static int look(struct follower *f, struct tx *tx, struct err *e)
{
	struct attempt at;
	struct job j;
	struct arena *a = f->ask->arena;
	f->has_attempt = attempts_get(tx, f->sub.job, f->attempt, a, &at, e) == 0;
	if (!f->has_attempt) {
		if (e->code != ERR_NOT_FOUND)
			return -1;
		int asked = f->attempt;
		struct err no_attempt = *e;
		err_clear(e);
		if (jobs_get(tx, f->sub.job, false, a, &j, e))
			return -1;
		f->is_final = state_is_final(j.state);
		/* The one that comes next is waited for, like the first. */
		bool may_come = f->is_following && (!asked || asked == j.attempt + 1);
		if (!may_come) {
			*e = no_attempt;
			return asked ? -1
				     : err_set(e, ERR_NOT_FOUND, "job %lld was not started yet",
					       (long long)j.id);
		}
		return 0;
	}
	f->attempt = at.n;
	if (at.outcome == OUTCOME_RUNNING)
		return 0;
	if (attempts_log_inline(tx, f->sub.job, at.n, a, &f->row_log, &f->row_log_len, e))
		return -1;
	/* Last: the stream looks at the row's log once it sees this. */
	pthread_mutex_lock(&f->ask->server->lock);
	f->is_over = true;
	pthread_mutex_unlock(&f->ask->server->lock);
	return 0;
}

/* --- the look of a request that is not streaming yet --- */

static void look_again(struct follower *f);
static int64_t follow_read(void *ctx, char *bytes, size_t n);

static int first_look(struct ask *a, struct tx *tx, struct err *e)
{
	return look(a->data, tx, e);
}

static void start_stream(struct follower *f)
{
	struct ask *a = f->ask;
	snprintf(f->attempt_text, sizeof f->attempt_text, "%d", f->attempt);
	http_set_header(a->req, "Slipway-Attempt", f->attempt_text);
	pthread_mutex_lock(&a->server->lock);
	f->is_streaming = true;
	pthread_mutex_unlock(&a->server->lock);
	const struct http_stream st = { .read = follow_read, .ctx = f };
	http_watch(a->req);
	http_answer_stream(a->req, 200, "application/octet-stream", &st);
}

static void answer_row_log(struct follower *f)
{
	struct ask *a = f->ask;
	size_t skip = f->offset < (int64_t)f->row_log_len ? (size_t)f->offset : f->row_log_len;
	snprintf(f->attempt_text, sizeof f->attempt_text, "%d", f->attempt);
	http_set_header(a->req, "Slipway-Attempt", f->attempt_text);
	buf_reset(&a->reply);
	buf_add(&a->reply, (const char *)f->row_log + skip, f->row_log_len - skip);
	http_answer(a->req, 200, "application/octet-stream", &a->reply);
}

static void after_look(struct ask *a)
{
	struct follower *f = a->data;
	struct server *s = a->server;
	if (f->has_attempt && f->row_log) {
		answer_row_log(f);
	} else if (f->has_attempt) {
		start_stream(f);
	} else if (f->is_final) {
		buf_reset(&a->reply);
		http_answer(a->req, 200, "application/octet-stream", &a->reply);
	} else {
		pthread_mutex_lock(&s->lock);
		bool is_changed = f->is_changed;
		f->is_parked = !is_changed;
		f->is_changed = false;
		pthread_mutex_unlock(&s->lock);
		http_watch(a->req);
		if (is_changed)
			look_again(f);
	}
}

static void look_again(struct follower *f)
{
	ask_read(f->ask, first_look, after_look);
}

/* --- the look of a stream, when its attempt may have ended --- */

static int last_look(struct tx *tx, struct store_task *t, struct err *e)
{
	struct ask *a = container_of(t, struct ask, task);
	return look(a->data, tx, e);
}

static void last_look_done(struct store_task *t)
{
	struct ask *a = container_of(t, struct ask, task);
	struct follower *f = a->data;
	struct http_request *req = a->req;
	pthread_mutex_lock(&a->server->lock);
	f->is_looking = false;
	/* A store that cannot be read ends the stream rather than leave it hanging. */
	f->is_over = f->is_over || t->rc;
	pthread_mutex_unlock(&a->server->lock);
	http_wake(req);
	http_drop(req);
}

/* (locked) */
static void post_last_look(struct follower *f)
{
	struct ask *a = f->ask;
	f->is_looking = true;
	f->is_changed = false;
	a->task = (struct store_task){ .run = last_look, .done = last_look_done };
	http_hold(a->req);
	store_read(a->server->store, &a->task);
}

static void on_change(struct sub *sub, const struct store_change *c)
{
	struct follower *f = (struct follower *)(void *)sub;
	f->is_changed = true;
	if (f->is_parked) {
		f->is_parked = false;
		look_again(f);
	} else if (f->is_streaming) {
		http_wake(f->ask->req);
	}
}

/* --- the stream --- */

static int64_t read_file(struct follower *f, char *bytes, size_t n)
{
	struct store *store = f->ask->server->store;
	struct err e = ERR_INIT;
	if (!f->reader && log_reader_open(store, f->sub.job, f->attempt, f->offset, &f->reader, &e)) {
		f->reader = NULL;
		return e.code == ERR_NOT_FOUND ? 0 : HTTP_STREAM_FAILED;
	}
	f->had_file = true;
	int64_t got = log_reader_read(f->reader, bytes, n, &e);
	if (got > 0)
		f->offset += got;
	return got < 0 ? HTTP_STREAM_FAILED : got;
}

/* A log that never became a file came with the outcome. */
static int64_t read_row(struct follower *f, char *bytes, size_t n)
{
	if (f->had_file || !f->row_log || f->offset >= (int64_t)f->row_log_len)
		return HTTP_STREAM_END;
	size_t left = f->row_log_len - (size_t)f->offset;
	n = n < left ? n : left;
	memcpy(bytes, (const char *)f->row_log + f->offset, n);
	f->offset += (int64_t)n;
	return (int64_t)n;
}

static int64_t follow_read(void *ctx, char *bytes, size_t n)
{
	struct follower *f = ctx;
	struct server *s = f->ask->server;
	/* Before the file is read: what is in it when the attempt has ended is all there will be. */
	pthread_mutex_lock(&s->lock);
	bool is_over = f->is_over;
	pthread_mutex_unlock(&s->lock);
	int64_t got = read_file(f, bytes, n);
	if (got != 0)
		return got;
	if (is_over)
		return read_row(f, bytes, n);
	if (!f->is_following)
		return HTTP_STREAM_END;
	pthread_mutex_lock(&s->lock);
	if (f->is_changed && !f->is_looking)
		post_last_look(f);
	pthread_mutex_unlock(&s->lock);
	return HTTP_STREAM_WAIT;
}

/* --- the route --- */

static void follower_end(struct ask *a)
{
	struct follower *f = a->data;
	hub_sub_remove(a->server, &f->sub);
	pthread_mutex_lock(&a->server->lock);
	f->is_parked = f->is_streaming = false;
	pthread_mutex_unlock(&a->server->lock);
}

static void follower_free(struct ask *a)
{
	struct follower *f = a->data;
	if (f->reader)
		log_reader_close(f->reader);
}

void log_route(struct ask *a)
{
	struct follower *f = arena_alloc(a->arena, sizeof *f);
	if (!f) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_NOMEM, "no memory for a reader");
		ask_fail(a, &e);
		return;
	}
	f->ask = a;
	f->sub.job = a->id;
	f->sub.fn = on_change;
	f->attempt = (int)ask_int(a, "attempt", 0);
	f->offset = ask_int(a, "offset", 0);
	f->is_following = ask_int(a, "follow", 0) == 1;
	a->data = f;
	a->data_end = follower_end;
	a->data_free = follower_free;
	if (f->is_following)
		hub_sub_add(a->server, &f->sub);
	else
		f->sub.fn = NULL;
	look_again(f);
}

#include "cli/follow.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/log_view.h"
#include "http/client.h"
#include "text/json.h"

enum { STATUS_LEFT = EXIT_SIGNAL_BASE + SIGINT, STATUS_PIPE = EXIT_SIGNAL_BASE + SIGPIPE };

struct following {
	const struct follow *f;
	struct log_view view;
	int signal_fd;
	int interrupts;
	bool is_pipe_closed;
	int attempt; /* 0 = not known yet */
	int64_t offset;
};

/* One call, which the user may interrupt. */
struct call {
	struct following *w;
	struct client_reply *reply;
	struct err *err;
	bool is_done;
	int rc;
};

/* ---- how a job ended */

int follow_status(const json_t *o)
{
	const char *state = field_text(o, "state"), *reason = field_text(o, "reason");
	if (strcmp(state, "succeeded") == 0)
		return 0;
	if (strcmp(state, "cancelled") == 0)
		return EXIT_JOB_FAILED;
	if (strcmp(reason, "exit") == 0 && field_int(o, "exit_code") > 0)
		return (int)field_int(o, "exit_code");
	if (strcmp(reason, "signal") == 0 && field_int(o, "signal") > 0)
		return EXIT_SIGNAL_BASE + (int)field_int(o, "signal");
	return EXIT_NOT_BY_JOB;
}

void follow_say_end(const json_t *o)
{
	const char *state = field_text(o, "state"), *reason = field_text(o, "reason");
	long long id = field_int(o, "id");
	if (strcmp(state, "succeeded") == 0 || strcmp(reason, "exit") == 0)
		return;
	if (strcmp(state, "cancelled") == 0)
		fprintf(stderr, "slipway: job %lld was cancelled\n", id);
	else if (strcmp(reason, "signal") == 0)
		fprintf(stderr, "slipway: job %lld was ended by signal %lld (%s)\n", id,
			(long long)field_int(o, "signal"), strsignal((int)field_int(o, "signal")));
	else
		fprintf(stderr, "slipway: job %lld failed: %s; slipway why %lld says more\n", id, reason, id);
}

/* ---- interrupts */

static void ask_cancel(struct following *w)
{
	/* On a connection of its own: the other one is in the middle of a log. */
	struct api *other = NULL;
	struct err e = ERR_INIT;
	CLEAN_BUF struct buf body = BUF_INIT;
	buf_addf(&body, "{\"ids\":[%lld]}", (long long)w->f->job);
	CLEAN_JSON json_t *answer = NULL;
	if (api_open(&other, w->f->api->server, &e) == 0)
		answer = api_post(other, "/v1/jobs/cancel", &body, NULL, &e);
	api_free(other);
	if (answer)
		fprintf(stderr, "slipway: cancelling job %lld; interrupt again to leave it alone\n",
			(long long)w->f->job);
	else
		fprintf(stderr, "slipway: cannot cancel job %lld: %s\n", (long long)w->f->job, e.text);
}

static bool is_leaving(const struct following *w)
{
	return w->is_pipe_closed || w->interrupts > (w->f->is_cancelling ? 1 : 0);
}

static void take_signals(struct following *w)
{
	struct signalfd_siginfo info;
	while (read(w->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		w->interrupts++;
		if (w->f->is_cancelling && w->interrupts == 1)
			ask_cancel(w);
	}
}

/* ---- calls */

static void call_is_done(void *ctx, struct client_reply *r, const struct err *e)
{
	struct call *c = ctx;
	c->is_done = true;
	c->rc = e ? -1 : 0;
	if (e)
		*c->err = *e;
	/* The reply is the client's: what is needed of it is swapped out. */
	struct client_reply mine = *c->reply;
	*c->reply = *r;
	*r = mine;
}

static int call(struct following *w, const struct client_request *q, struct client_reply *reply,
		struct err *e)
{
	struct call c = { .w = w, .reply = reply, .err = e };
	struct client *client = w->f->api->client;
	struct client_job *job;
	if (client_start(client, q, call_is_done, &c, &job, e) < 0)
		return -1;
	while (!c.is_done && !is_leaving(w)) {
		struct pollfd fds[] = { { .fd = client_fd(client), .events = POLLIN },
					{ .fd = w->signal_fd, .events = POLLIN } };
		if (poll(fds, ARRAY_LEN(fds), client_timeout_ms(client)) < 0 && errno != EINTR)
			return err_sys(e, "poll");
		if (fds[1].revents)
			take_signals(w);
		if (client_dispatch(client, e) < 0)
			return -1;
	}
	if (!c.is_done) {
		client_cancel(job);
		return err_set(e, ERR_BUSY, "interrupted");
	}
	return c.rc;
}

/* The job as it is now, or as it is when it has ended, at most `timeout_s` later. */
static json_t *get_state(struct following *w, int timeout_s, struct err *e)
{
	char path[96];
	snprintf(path, sizeof path, "/v1/wait?ids=%lld&timeout=%d", (long long)w->f->job, timeout_s);
	struct client_request q = { .method = "GET", .path = path };
	for (;;) {
		CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
		if (call(w, &q, &reply, e) == 0) {
			api_is_back(w->f->api);
			CLEAN_JSON json_t *answer = json_parse("the server's answer", reply.body.data,
							       reply.body.len, e);
			return answer ? json_incref(json_array_get(json_object_get(answer, "jobs"), 0))
				      : NULL;
		}
		if (is_leaving(w) || !api_may_retry(w->f->api, e))
			return NULL;
	}
}

/* ---- the log of one attempt */

static int show_bytes(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct following *w = ctx;
	if (log_view_write(&w->view, bytes, n, e) < 0) {
		w->is_pipe_closed = e->sys == EPIPE;
		return -1;
	}
	w->offset += (int64_t)n;
	return 0;
}

static void learn_attempt(struct following *w, const struct client_reply *reply)
{
	char text[24];
	int64_t n;
	if (client_reply_header(reply, "Slipway-Attempt", text, sizeof text) &&
	    parse_int("attempt", text, 1, INT32_MAX, &n, NULL) == 0)
		w->attempt = (int)n;
}

/* 0: all of it was shown; 1: there is no such attempt (yet). */
static int show_attempt(struct following *w, struct err *e)
{
	for (;;) {
		CLEAN_BUF struct buf path = BUF_INIT;
		buf_addf(&path, "/v1/jobs/%lld/log?follow=1&offset=%lld", (long long)w->f->job,
			 (long long)w->offset);
		if (w->attempt > 0)
			buf_addf(&path, "&attempt=%d", w->attempt);
		struct client_request q = {
			.method = "GET", .path = path.data, .sink = show_bytes, .sink_ctx = w
		};
		CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
		int rc = call(w, &q, &reply, e);
		learn_attempt(w, &reply);
		if (rc == 0) {
			api_is_back(w->f->api);
			return 0;
		}
		if (is_leaving(w))
			return -1;
		if (e->code == ERR_NOT_FOUND)
			return 1;
		if (!api_may_retry(w->f->api, e))
			return -1;
	}
}

/* ---- all of a job */

/* After an attempt's log: 0 = go on with w->attempt, 1 = the job has ended. */
static int look_on(struct following *w, json_t **end, bool is_missing, struct err *e)
{
	json_decref(*end);
	*end = NULL;
	/* Nothing to show yet: the call waits for the job's end in place of a pause. */
	*end = get_state(w, is_missing ? 1 : 0, e);
	if (!*end)
		return -1;
	int newest = (int)field_int(*end, "attempt");
	const char *state = field_text(*end, "state");
	bool is_final = strcmp(state, "succeeded") == 0 || strcmp(state, "failed") == 0 ||
			strcmp(state, "cancelled") == 0;
	if (is_final && newest < w->attempt + !is_missing)
		return 1;
	/* It has come, or will come, since it was asked for. */
	if (is_missing)
		return 0;
	/* A server that stops ends the log before the attempt has ended. */
	bool is_running = strcmp(state, "running") == 0 || strcmp(state, "collecting") == 0;
	if (is_running && newest == w->attempt)
		return 0;
	w->attempt++;
	w->offset = 0;
	return 0;
}

static int show_all(struct following *w, struct err *e)
{
	CLEAN_JSON json_t *end = NULL;
	int rc = show_attempt(w, e);
	if (w->f->is_one_attempt)
		return rc == 0 ? log_view_end(&w->view, e) : -1;
	while (rc >= 0 && (rc = look_on(w, &end, rc == 1, e)) == 0)
		rc = show_attempt(w, e);
	if (rc < 0 || log_view_end(&w->view, e) < 0)
		return -1;
	follow_say_end(end);
	return follow_status(end);
}

int follow_job(const struct follow *f, struct err *e)
{
	struct following w = { .f = f, .attempt = f->attempt };
	sigset_t interrupt, before;
	sigemptyset(&interrupt);
	sigaddset(&interrupt, SIGINT);
	CLEAN_FD int fd = signalfd(-1, &interrupt, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return err_sys(e, "signalfd");
	fflush(stdout);
	w.signal_fd = fd;
	log_view_init(&w.view, f->out_fd, f->is_raw);
	sigprocmask(SIG_BLOCK, &interrupt, &before);
	int status = show_all(&w, e);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (is_leaving(&w)) {
		log_view_end(&w.view, NULL);
		return w.is_pipe_closed ? STATUS_PIPE : STATUS_LEFT;
	}
	return status;
}

int follow_if_asked(struct cli *c, const int64_t *ids, size_t n, struct err *e)
{
	int worst = 0;
	if (!args_has(&c->args, "follow"))
		return 0;
	for (size_t i = 0; i < n; i++) {
		if (n > 1)
			fprintf(stderr, "slipway: job %lld:\n", (long long)ids[i]);
		struct follow f = { .api = c->api,
				    .job = ids[i],
				    .attempt = 1,
				    .out_fd = STDERR_FILENO,
				    .is_raw = args_has(&c->args, "raw") };
		int status = follow_job(&f, e);
		if (status < 0 || status == STATUS_LEFT)
			return status;
		worst = status > worst ? status : worst;
	}
	return worst;
}

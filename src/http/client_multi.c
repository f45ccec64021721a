/* The event-driven form: libcurl's multi interface behind one epoll descriptor. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "http/client_priv.h"

struct client_job {
	struct transfer transfer;
	struct client_reply reply;
	struct buf body; /* the copy of the request's */
	char *method;
	client_done *done;
	void *ctx;
	struct client_job *prev, *next;
};

/* Handles kept for the next calls; more are rarely under way at once. */
enum { IDLE_MAX = 8, EVENTS_MAX = 32 };

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
	struct client *c = ctx;
	struct epoll_event ev = { .data.fd = fd };

	if (what == CURL_POLL_REMOVE) {
		/* Fails if the descriptor is closed by now, which removed it as well. */
		epoll_ctl(c->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
		curl_multi_assign(c->multi, fd, NULL);
		return 0;
	}
	if (what & CURL_POLL_IN)
		ev.events |= EPOLLIN;
	if (what & CURL_POLL_OUT)
		ev.events |= EPOLLOUT;
	if (epoll_ctl(c->epoll_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev) < 0)
		return -1;
	curl_multi_assign(c->multi, fd, c);
	return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
	struct client *c = ctx;

	c->timer_ms = timeout_ms < 0 ? 0 : clock_boot_ms() + timeout_ms;
	return 0;
}

static int multi_open(struct client *c, struct err *e)
{
	if (c->multi)
		return 0;
	c->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll_fd < 0)
		return err_sys(e, "make an epoll descriptor");
	c->multi = curl_multi_init();
	if (!c->multi)
		return err_set(e, ERR_NOMEM, "out of memory");
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
	return 0;
}

static void job_free(struct client_job *j)
{
	if (j->transfer.easy)
		curl_easy_cleanup(j->transfer.easy);
	client_reply_release(&j->reply);
	buf_release(&j->body);
	free(j->method);
	free(j);
}

static struct client_job *job_get(struct client *c)
{
	struct client_job *j = c->idle;

	if (j) {
		c->idle = j->next;
	} else {
		j = calloc(1, sizeof(*j));
		if (!j)
			return NULL;
		j->reply = (struct client_reply)CLIENT_REPLY_INIT;
		buf_init(&j->body);
	}
	j->prev = NULL;
	j->next = c->jobs;
	if (c->jobs)
		c->jobs->prev = j;
	return c->jobs = j;
}

/* Out of the list of those under way, into that of the idle ones if it is short. */
static void job_put(struct client *c, struct client_job *j)
{
	size_t n = 0;

	if (j->prev)
		j->prev->next = j->next;
	else
		c->jobs = j->next;
	if (j->next)
		j->next->prev = j->prev;
	for (const struct client_job *i = c->idle; i; i = i->next)
		n++;
	/* One large answer must not keep its memory for ever. */
	if (n >= IDLE_MAX || j->reply.body.cap + j->body.cap > 1024 * 1024) {
		job_free(j);
		return;
	}
	j->prev = NULL;
	j->next = c->idle;
	c->idle = j;
}

int client_start(struct client *c, const struct client_request *q, client_done *done, void *ctx,
		 struct client_job **job, struct err *e)
{
	struct client_request copy = *q;
	struct client_job *j;

	if (job)
		*job = NULL;
	if (multi_open(c, e) < 0)
		return -1;
	j = job_get(c);
	if (!j)
		return err_set(e, ERR_NOMEM, "out of memory");
	j->done = done;
	j->ctx = ctx;
	buf_reset(&j->body);
	buf_add(&j->body, q->body ? q->body : "", q->body_len);
	copy.body = q->body ? j->body.data : NULL;
	free(j->method);
	copy.method = j->method = strdup(q->method);
	if (!j->method || buf_check(&j->body, NULL) < 0) {
		job_put(c, j);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	if (transfer_begin(&j->transfer, c, &copy, &j->reply, e) < 0) {
		job_put(c, j);
		return -1;
	}
	if (curl_multi_add_handle(c->multi, j->transfer.easy) != CURLM_OK) {
		job_put(c, j);
		return err_set(e, ERR_INTERNAL, "libcurl refuses a call");
	}
	if (job)
		*job = j;
	return 0;
}

void client_cancel(struct client_job *j)
{
	struct client *c;

	if (!j)
		return;
	c = j->transfer.client;
	curl_multi_remove_handle(c->multi, j->transfer.easy);
	job_put(c, j);
}

int client_fd(const struct client *c)
{
	return c->epoll_fd;
}

int client_timeout_ms(const struct client *c)
{
	int64_t left;

	if (!c->timer_ms)
		return -1;
	left = c->timer_ms - clock_boot_ms();
	return left < 0 ? 0 : left > 60000 ? 60000 : (int)left;
}

static void finish(struct client *c, CURL *easy, CURLcode rc)
{
	struct err e = ERR_INIT;
	struct client_job *j;
	void *private = NULL;
	int failed;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
	j = private; /* the transfer is its first member */
	failed = transfer_end(&j->transfer, rc, &e);
	curl_multi_remove_handle(c->multi, easy);
	/* `done` may start calls: this one is not free for them yet, nor can it be cancelled. */
	j->done(j->ctx, &j->reply, failed ? &e : NULL);
	job_put(c, j);
}

int client_dispatch(struct client *c, struct err *e)
{
	struct epoll_event events[EVENTS_MAX];
	CURLMsg *msg;
	int running, left, n;

	if (!c->multi)
		return 0;
	n = epoll_wait(c->epoll_fd, events, EVENTS_MAX, 0);
	if (n < 0 && errno != EINTR)
		return err_sys(e, "wait for the server");
	for (int i = 0; i < n; i++) {
		int mask = 0;

		if (events[i].events & (EPOLLIN | EPOLLHUP))
			mask |= CURL_CSELECT_IN;
		if (events[i].events & EPOLLOUT)
			mask |= CURL_CSELECT_OUT;
		if (events[i].events & EPOLLERR)
			mask |= CURL_CSELECT_ERR;
		curl_multi_socket_action(c->multi, events[i].data.fd, mask, &running);
	}
	if (c->timer_ms && c->timer_ms <= clock_boot_ms()) {
		c->timer_ms = 0;
		curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
	}
	while ((msg = curl_multi_info_read(c->multi, &left)))
		if (msg->msg == CURLMSG_DONE)
			finish(c, msg->easy_handle, msg->data.result);
	return 0;
}

void client_multi_release(struct client *c)
{
	while (c->jobs)
		client_cancel(c->jobs);
	while (c->idle) {
		struct client_job *next = c->idle->next;

		job_free(c->idle);
		c->idle = next;
	}
	if (c->multi)
		curl_multi_cleanup(c->multi);
	c->multi = NULL;
	if (c->epoll_fd >= 0)
		close(c->epoll_fd);
	c->epoll_fd = -1;
}

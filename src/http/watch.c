/* Connections whose client has gone, and such that bring no request. Noticing that the client of a parked request has gone: the library takes a suspended connection out of its own
 * epoll set, so a second set waits for nothing but the peer's end, edge-triggered: it costs two system calls a
 * connection and none a request. A connection is found by its number, never by pointer: it may be gone by the
 * time its event is read. */
#include "http/server_priv.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/clock.h"

/* What is not the number of a connection. */
#define EVENT_STOP 0
#define EVENT_TIMER UINT64_MAX

/* With the lock held. */
void watch_connection(struct http_server *s, struct connection *c)
{
	if (idmap_set(&s->watched, c->id, c, NULL))
		return;
	struct epoll_event ev = { .events = EPOLLRDHUP | EPOLLET, .data.u64 = (uint64_t)c->id };
	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, c->fd, &ev))
		idmap_remove(&s->watched, c->id);
	else
		c->is_watched = true;
}

void watch_forget(struct http_server *s, struct connection *c)
{
	pthread_mutex_lock(&s->lock);
	if (c->is_watched) {
		idmap_remove(&s->watched, c->id);
		epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
	}
	watch_has_request(s, c);
	pthread_mutex_unlock(&s->lock);
}

/* --- those that bring nothing --- */

/* (lock held) */
static void set_timer(struct http_server *s, int64_t in_ms)
{
	const struct itimerspec t = { .it_value = { in_ms / 1000, in_ms % 1000 * 1000000 + 1 } };
	timerfd_settime(s->timer_fd, 0, &t, NULL);
}

void watch_fresh(struct http_server *s, struct connection *c)
{
	c->fresh_until_ms = clock_boot_ms() + s->o.first_request_ms;
	c->fresh_next = NULL;
	c->fresh_link = s->fresh_tail;
	*s->fresh_tail = c;
	s->fresh_tail = &c->fresh_next;
	if (s->fresh == c)
		set_timer(s, s->o.first_request_ms);
}

void watch_has_request(struct http_server *s, struct connection *c)
{
	if (!c->fresh_link)
		return;
	*c->fresh_link = c->fresh_next;
	if (c->fresh_next)
		c->fresh_next->fresh_link = c->fresh_link;
	else
		s->fresh_tail = c->fresh_link;
	c->fresh_link = NULL;
}

/* The library closes them when it sees that they have ended. */
static void cut_fresh(struct http_server *s)
{
	uint64_t times;
	int64_t now_ms = clock_boot_ms();
	(void)!read(s->timer_fd, &times, sizeof times);
	pthread_mutex_lock(&s->lock);
	while (s->fresh && s->fresh->fresh_until_ms <= now_ms) {
		struct connection *c = s->fresh;
		watch_has_request(s, c);
		shutdown(c->fd, SHUT_RDWR);
	}
	if (s->fresh)
		set_timer(s, s->fresh->fresh_until_ms - now_ms);
	pthread_mutex_unlock(&s->lock);
}

/* --- the thread --- */

static void connection_is_gone(struct http_server *s, int64_t id)
{
	pthread_mutex_lock(&s->lock);
	struct connection *c = idmap_find(&s->watched, id);
	if (c) {
		c->is_gone = true;
		if (c->current && c->current->is_suspended)
			request_resume(c->current);
	}
	pthread_mutex_unlock(&s->lock);
}

static void *watch_loop(void *arg)
{
	struct http_server *s = arg;
	struct epoll_event events[64];
	for (;;) {
		int n = epoll_wait(s->epoll_fd, events, 64, -1);
		if (n < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == EVENT_STOP)
				return NULL;
			if (events[i].data.u64 == EVENT_TIMER)
				cut_fresh(s);
			else
				connection_is_gone(s, (int64_t)events[i].data.u64);
		}
	}
}

int watch_start(struct http_server *s, struct err *e)
{
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	s->timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	struct epoll_event stop = { .events = EPOLLIN, .data.u64 = EVENT_STOP };
	struct epoll_event timer = { .events = EPOLLIN, .data.u64 = EVENT_TIMER };
	if (s->epoll_fd < 0 || s->stop_fd < 0 || s->timer_fd < 0 ||
	    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->stop_fd, &stop) ||
	    epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->timer_fd, &timer))
		return err_sys(e, "start the watch of connections");
	if (pthread_create(&s->watcher, NULL, watch_loop, s))
		return err_set(e, ERR_SYSTEM, "start the thread that watches connections");
	s->has_watcher = true;
	return 0;
}

void watch_stop(struct http_server *s)
{
	uint64_t one = 1;
	if (s->has_watcher && write(s->stop_fd, &one, sizeof one) == sizeof one)
		pthread_join(s->watcher, NULL);
	s->has_watcher = false;
	if (s->epoll_fd >= 0)
		close(s->epoll_fd);
	if (s->stop_fd >= 0)
		close(s->stop_fd);
	if (s->timer_fd >= 0)
		close(s->timer_fd);
	s->epoll_fd = s->stop_fd = s->timer_fd = -1;
}

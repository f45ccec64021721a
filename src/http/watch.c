/* Noticing that the client of a parked request has gone: the library takes a suspended connection out of its own
 * epoll set, so a second set waits for nothing but the peer's end, edge-triggered: it costs two system calls a
 * connection and none a request. A connection is found by its number, never by pointer: it may be gone by the
 * time its event is read. */
#include "http/server_priv.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

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
	pthread_mutex_unlock(&s->lock);
}

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
			if (events[i].data.u64 == 0)
				return NULL;
			connection_is_gone(s, (int64_t)events[i].data.u64);
		}
	}
}

int watch_start(struct http_server *s, struct err *e)
{
	s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	s->stop_fd = eventfd(0, EFD_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0 };
	if (s->epoll_fd < 0 || s->stop_fd < 0 || epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->stop_fd, &ev))
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
	s->epoll_fd = s->stop_fd = -1;
}

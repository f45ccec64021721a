#include "http/server_priv.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/tls_priv.h"

enum {
	CONNECTION_MEMORY_BYTES = 16 * 1024, /* half of it for a request's head; a used connection keeps it */
	CONNECTION_INCREMENT_BYTES = 1024,
	BODY_RESERVE_MAX = 1 << 20,
	FIRST_REQUEST_MS = 15000,
	STILL_S = 120,
	/* A client whose machine or line has gone does not say so. */
	KEEP_IDLE_S = 30,
	KEEP_INTERVAL_S = 10,
	KEEP_COUNT = 3,
};

static const char tls_priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";

static void read_peer(struct connection *c)
{
	struct ucred cred;
	socklen_t len = sizeof cred;
	if (getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) || len != sizeof cred ||
	    cred.uid == (uid_t)-1)
		return;
	c->peer = (struct http_peer){ .is_local = true, .uid = cred.uid, .gid = cred.gid, .pid = cred.pid };
}

static void set_tcp(int fd)
{
	const int on = 1, idle = KEEP_IDLE_S, interval = KEEP_INTERVAL_S, count = KEEP_COUNT;
	const int unanswered_ms = (KEEP_IDLE_S + KEEP_COUNT * KEEP_INTERVAL_S) * 1000;
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered_ms, sizeof unanswered_ms);
}

/* Before the handshake, which finds our certificate by the session's pointer. */
static void begin_tls(struct http_server *s, struct MHD_Connection *mhd, const struct connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd,
								       MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info)
		gnutls_session_set_ptr(info->tls_session, s->o.tls);
	set_tcp(c->fd);
}

static void connection_begin(struct http_server *s, struct MHD_Connection *mhd, void **context)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd,
								       MHD_CONNECTION_INFO_CONNECTION_FD);
	struct connection *c = calloc(1, sizeof *c);
	*context = c;
	if (!c)
		return;
	c->fd = info ? info->connect_fd : -1;
	if (s->o.tls)
		begin_tls(s, mhd, c);
	else
		read_peer(c);
	pthread_mutex_lock(&s->lock);
	c->id = ++s->last_connection;
	if (s->o.tls)
		watch_fresh(s, c);
	pthread_mutex_unlock(&s->lock);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct http_server *s = cls;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		connection_begin(s, mhd, context);
	} else {
		if (*context)
			watch_forget(s, *context);
		free(*context);
		*context = NULL;
	}
}

static void collect(struct request *r, const char *bytes, size_t n)
{
	struct http_request *pub = &r->pub;
	r->body_seen += (int64_t)n;
	if (r->refusal.code)
		return;
	if (r->body_seen > pub->body_limit)
		err_set(&r->refusal, ERR_TOO_LARGE, "the body is longer than %lld bytes",
			(long long)pub->body_limit);
	else if (pub->sink)
		pub->sink(pub, bytes, n, &r->refusal);
	else
		buf_add(&r->body, bytes, n);
}

static void run_handler(struct http_request *pub)
{
	struct request *r = (struct request *)pub;
	if (!r->refusal.code)
		buf_check(&r->body, &r->refusal);
	if (r->refusal.code) {
		request_refuse(r, &r->refusal);
		return;
	}
	pub->body = r->body.data;
	pub->body_len = r->body.len;
	r->server->o.handle(pub);
}

/* Run what is to be run for the request until it is answered or parked. */
static enum MHD_Result proceed(struct request *r)
{
	struct http_server *s = r->server;
	for (;;) {
		pthread_mutex_lock(&s->lock);
		if (s->is_stopping || r->conn->is_gone) {
			pthread_mutex_unlock(&s->lock);
			return MHD_NO;
		}
		http_request_fn *next = r->next;
		r->next = NULL;
		bool is_answered = r->reply.kind != REPLY_NONE;
		if (!next && !is_answered)
			request_suspend(r);
		pthread_mutex_unlock(&s->lock);
		if (is_answered)
			return request_send_reply(r);
		if (!next)
			return MHD_YES;
		next(&r->pub);
	}
}

static enum MHD_Result begin(struct http_server *s, struct MHD_Connection *mhd, const char *url,
			     const char *method, void **context)
{
	struct request *r = request_new(s, mhd, url, method);
	if (!r)
		return MHD_NO;
	*context = r;
	s->o.begin(&r->pub);
	const char *length = MHD_lookup_connection_value(mhd, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_CONTENT_LENGTH);
	/* The length was checked by the library to be a number. */
	int64_t announced = length ? strtoll(length, NULL, 10) : 0;
	if (r->reply.kind == REPLY_NONE && announced > r->pub.body_limit) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_TOO_LARGE, "the body is longer than %lld bytes",
			(long long)r->pub.body_limit);
		request_refuse(r, &e);
	}
	if (r->reply.kind != REPLY_NONE)
		return request_send_reply(r);
	if (!r->pub.sink && announced > 0 && announced <= BODY_RESERVE_MAX)
		buf_reserve(&r->body, (size_t)announced);
	return MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
				 const char *version, const char *bytes, size_t *n, void **context)
{
	struct request *r = *context;
	if (!r)
		return begin(cls, mhd, url, method, context);
	if (*n) {
		collect(r, bytes, *n);
		*n = 0;
		return MHD_YES;
	}
	if (!r->is_complete) {
		r->is_complete = true;
		r->next = run_handler;
	}
	return proceed(r);
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct http_server *s = cls;
	struct request *r = *context;
	if (!r)
		return;
	*context = NULL;
	pthread_mutex_lock(&s->lock);
	r->is_over = true;
	if (r->conn->current == r)
		r->conn->current = NULL;
	pthread_mutex_unlock(&s->lock);
	if (r->pub.on_end)
		r->pub.on_end(&r->pub);
	request_drop(r);
}

static int start_daemon(struct http_server *s, struct err *e)
{
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC |
			 MHD_USE_SUPPRESS_DATE_NO_CLOCK;
	/* A pool of one is refused by the library. */
	unsigned pool = s->o.threads > 1 ? (unsigned)s->o.threads : 0;
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)(intptr_t)tls_server_retrieve },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities },
		{ MHD_OPTION_CONNECTION_TIMEOUT, STILL_S, NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	if (s->o.tls)
		flags |= MHD_USE_TLS;
	s->mhd = MHD_start_daemon(flags, 0, NULL, NULL, on_access, s, MHD_OPTION_LISTEN_SOCKET,
				  s->o.listen_fd, MHD_OPTION_THREAD_POOL_SIZE, pool,
				  MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_NOTIFY_COMPLETED,
				  on_completed, s, MHD_OPTION_CONNECTION_LIMIT,
				  (unsigned)s->o.connections_max, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				  (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT,
				  (size_t)CONNECTION_INCREMENT_BYTES,
				  s->o.tls ? MHD_OPTION_ARRAY : MHD_OPTION_END, tls, MHD_OPTION_END);
	if (!s->mhd)
		return err_sys(e, "start the HTTP server");
	return 0;
}

int http_server_start(struct http_server **out, const struct http_server_options *o, struct err *e)
{
	struct http_server *s = calloc(1, sizeof *s);
	if (!s) {
		close(o->listen_fd);
		return err_set(e, ERR_NOMEM, "no memory for an HTTP server");
	}
	s->o = *o;
	s->epoll_fd = s->stop_fd = s->timer_fd = -1;
	s->fresh_tail = &s->fresh;
	if (!s->o.first_request_ms)
		s->o.first_request_ms = FIRST_REQUEST_MS;
	pthread_mutex_init(&s->lock, NULL);
	if (watch_start(s, e) || start_daemon(s, e)) {
		close(o->listen_fd);
		watch_stop(s);
		http_server_free(s);
		return -1;
	}
	*out = s;
	return 0;
}

void http_server_stop(struct http_server *s)
{
	if (!s || !s->mhd)
		return;
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	/* The library must not be stopped while anything is suspended; from here on nothing is suspended any more. */
	while (s->parked)
		request_resume(s->parked);
	pthread_mutex_unlock(&s->lock);
	MHD_stop_daemon(s->mhd);
	s->mhd = NULL;
	watch_stop(s);
}

void http_server_free(struct http_server *s)
{
	if (!s)
		return;
	http_server_stop(s);
	idmap_release(&s->watched);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

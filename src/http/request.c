/* One request: its life, its parking and its answer. */
#include "http/server_priv.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/parse.h"

/* Held by each follower for as long as it follows; chunks are read into the connection's memory, not into this. */
enum { STREAM_BLOCK_BYTES = 1024 };

struct request *request_new(struct http_server *s, struct MHD_Connection *mhd, const char *path,
			    const char *method)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd,
								       MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *c = info ? info->socket_context : NULL;
	struct request *r = c ? calloc(1, sizeof *r) : NULL;
	if (!r)
		return NULL;
	r->server = s;
	r->mhd = mhd;
	r->conn = c;
	r->refs = 1;
	r->reply.fd = -1;
	buf_init(&r->body);
	r->pub.peer = c->peer;
	r->pub.body = "";
	r->pub.method = arena_strdup(&r->pub.arena, method);
	r->pub.path = arena_strdup(&r->pub.arena, path);
	if (!r->pub.method || !r->pub.path) {
		request_drop(r);
		return NULL;
	}
	pthread_mutex_lock(&s->lock);
	watch_has_request(s, c);
	c->current = r;
	pthread_mutex_unlock(&s->lock);
	return r;
}

static void request_free(struct request *r)
{
	if (r->pub.on_free)
		r->pub.on_free(&r->pub);
	free(r->reply.bytes);
	if (r->reply.fd >= 0)
		close(r->reply.fd);
	buf_release(&r->body);
	arena_release(&r->pub.arena);
	free(r);
}

void request_drop(struct request *r)
{
	pthread_mutex_lock(&r->server->lock);
	int left = --r->refs;
	pthread_mutex_unlock(&r->server->lock);
	if (left == 0)
		request_free(r);
}

void request_suspend(struct request *r)
{
	struct http_server *s = r->server;
	MHD_suspend_connection(r->mhd);
	r->is_suspended = true;
	r->parked_next = s->parked;
	r->parked_link = &s->parked;
	if (s->parked)
		s->parked->parked_link = &r->parked_next;
	s->parked = r;
}

void request_resume(struct request *r)
{
	*r->parked_link = r->parked_next;
	if (r->parked_next)
		r->parked_next->parked_link = r->parked_link;
	r->is_suspended = false;
	MHD_resume_connection(r->mhd);
}

void request_refuse(struct request *r, const struct err *e)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	r->server->o.error_body(e, &b);
	http_answer(&r->pub, err_info_get(e->code)->http_status, "application/json", &b);
}

void *http_request_ctx(const struct http_request *pub)
{
	return ((const struct request *)pub)->server->o.ctx;
}

const char *http_header(struct http_request *pub, const char *name)
{
	return MHD_lookup_connection_value(((struct request *)pub)->mhd, MHD_HEADER_KIND, name);
}

void http_address(struct http_request *pub, char *out)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(((struct request *)pub)->mhd,
								       MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *at = info ? info->client_addr : NULL;
	*out = '\0';
	if (at && at->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)at)->sin_addr, out,
			  HTTP_ADDRESS_BYTES);
	else if (at && at->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)at)->sin6_addr, out,
			  HTTP_ADDRESS_BYTES);
}

struct walk {
	bool (*fn)(void *ctx, const char *name, const char *value);
	void *ctx;
};

static enum MHD_Result walk_one(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct walk *w = cls;
	return w->fn(w->ctx, name, value ? value : "") ? MHD_YES : MHD_NO;
}

void http_query_walk(struct http_request *pub, bool (*fn)(void *ctx, const char *name, const char *value),
		     void *ctx)
{
	struct walk w = { .fn = fn, .ctx = ctx };
	MHD_get_connection_values(((struct request *)pub)->mhd, MHD_GET_ARGUMENT_KIND, walk_one, &w);
}

struct http_request *http_hold(struct http_request *pub)
{
	struct request *r = (struct request *)pub;
	pthread_mutex_lock(&r->server->lock);
	r->refs++;
	pthread_mutex_unlock(&r->server->lock);
	return pub;
}

void http_drop(struct http_request *pub)
{
	request_drop((struct request *)pub);
}

bool http_is_gone(struct http_request *pub)
{
	struct request *r = (struct request *)pub;
	pthread_mutex_lock(&r->server->lock);
	bool is_gone = r->is_over || r->server->is_stopping || r->conn->is_gone;
	pthread_mutex_unlock(&r->server->lock);
	return is_gone;
}

void http_watch(struct http_request *pub)
{
	struct request *r = (struct request *)pub;
	pthread_mutex_lock(&r->server->lock);
	if (!r->is_over && !r->conn->is_watched)
		watch_connection(r->server, r->conn);
	pthread_mutex_unlock(&r->server->lock);
}

void http_continue(struct http_request *pub, http_request_fn *fn)
{
	struct request *r = (struct request *)pub;
	pthread_mutex_lock(&r->server->lock);
	if (!r->is_over) {
		r->next = fn;
		if (r->is_suspended)
			request_resume(r);
	}
	pthread_mutex_unlock(&r->server->lock);
}

void http_set_header(struct http_request *pub, const char *name, const char *value)
{
	struct reply *a = &((struct request *)pub)->reply;
	if (a->headers_len < HTTP_HEADERS_MAX) {
		a->headers[a->headers_len].name = name;
		a->headers[a->headers_len++].value = value;
	}
}

/* Store the answer if there is still somebody to take it. False: the caller keeps what it gave. */
static bool answer(struct request *r, const struct reply *given)
{
	pthread_mutex_lock(&r->server->lock);
	bool is_taken = !r->is_over && r->reply.kind == REPLY_NONE;
	if (is_taken) {
		struct reply full = *given;
		memcpy(full.headers, r->reply.headers, sizeof full.headers);
		full.headers_len = r->reply.headers_len;
		r->reply = full;
		if (r->is_suspended)
			request_resume(r);
	}
	pthread_mutex_unlock(&r->server->lock);
	return is_taken;
}

void http_answer(struct http_request *pub, int status, const char *type, struct buf *body)
{
	struct reply a = { .kind = REPLY_BYTES, .status = status, .type = type, .fd = -1 };
	if (body && body->is_failed)
		a.status = 500;
	if (body) {
		a.len = body->is_failed ? 0 : body->len;
		a.bytes = a.len ? buf_take(body) : NULL;
		buf_release(body);
	}
	if (!answer((struct request *)pub, &a))
		free(a.bytes);
}

/* -1: no range that is understood. */
static int64_t range_from(struct http_request *pub)
{
	const char *range = http_header(pub, MHD_HTTP_HEADER_RANGE);
	int64_t from;
	if (!range || strncmp(range, "bytes=", 6) != 0)
		return -1;
	CLEAN_FREE char *digits = strdup(range + 6);
	size_t n = digits ? strspn(digits, "0123456789") : 0;
	if (!n || strcmp(digits + n, "-") != 0)
		return -1;
	digits[n] = '\0';
	return parse_int("Range", digits, 0, INT64_MAX, &from, NULL) ? -1 : from;
}

void http_answer_file(struct http_request *pub, const char *type, int fd, int64_t size)
{
	struct reply a = { .kind = REPLY_FD, .status = MHD_HTTP_OK, .type = type, .fd = fd, .size = size };
	int64_t from = range_from(pub);
	http_set_header(pub, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	if (from >= size) {
		http_set_header(pub, MHD_HTTP_HEADER_CONTENT_RANGE,
				arena_printf(&pub->arena, "bytes */%lld", (long long)size));
		close(fd);
		http_answer(pub, MHD_HTTP_RANGE_NOT_SATISFIABLE, type, NULL);
		return;
	}
	if (from >= 0) {
		http_set_header(pub, MHD_HTTP_HEADER_CONTENT_RANGE,
				arena_printf(&pub->arena, "bytes %lld-%lld/%lld", (long long)from,
					     (long long)size - 1, (long long)size));
		a.status = MHD_HTTP_PARTIAL_CONTENT;
		a.offset = from;
	}
	if (!answer((struct request *)pub, &a))
		close(fd);
}

void http_answer_stream(struct http_request *pub, int status, const char *type, const struct http_stream *s)
{
	struct reply a = { .kind = REPLY_STREAM, .status = status, .type = type, .fd = -1, .stream = *s };
	answer((struct request *)pub, &a);
}

void http_wake(struct http_request *pub)
{
	struct request *r = (struct request *)pub;
	pthread_mutex_lock(&r->server->lock);
	r->is_woken = true;
	/* Only a stream sleeps with its answer given. */
	if (r->is_suspended && r->reply.kind == REPLY_STREAM)
		request_resume(r);
	pthread_mutex_unlock(&r->server->lock);
}

/* Park the stream unless it was woken meanwhile. False: look again. */
static bool stream_park(struct request *r)
{
	pthread_mutex_lock(&r->server->lock);
	bool may_park = !r->is_woken;
	if (may_park && !r->server->is_stopping && !r->conn->is_gone)
		request_suspend(r);
	pthread_mutex_unlock(&r->server->lock);
	return may_park;
}

/* End an answer in the middle. libmicrohttpd 0.9.75 forgets a connection whose reader reports an error when the
 * answer is chunked: nothing closes it until something else happens on it. So the reader claims a proper end, and the
 * socket takes care that nobody sees one. */
static ssize_t cut(struct request *r)
{
	shutdown(r->conn->fd, SHUT_RDWR);
	return MHD_CONTENT_READER_END_OF_STREAM;
}

static ssize_t stream_read(void *cls, uint64_t at, char *bytes, size_t n)
{
	struct request *r = cls;
	struct http_server *s = r->server;
	for (;;) {
		pthread_mutex_lock(&s->lock);
		r->is_woken = false;
		bool is_ended = s->is_stopping || r->conn->is_gone;
		pthread_mutex_unlock(&s->lock);
		if (is_ended)
			return cut(r);
		int64_t got = r->reply.stream.read(r->reply.stream.ctx, bytes, n);
		if (got > 0)
			return (ssize_t)got;
		if (got == HTTP_STREAM_END)
			return MHD_CONTENT_READER_END_OF_STREAM;
		if (got != HTTP_STREAM_WAIT)
			return cut(r);
		if (stream_park(r))
			return 0;
	}
}

static struct MHD_Response *make_response(struct request *r)
{
	struct reply *a = &r->reply;
	struct MHD_Response *m = NULL;
	switch (a->kind) {
	case REPLY_NONE:
		break;
	case REPLY_BYTES:
		m = MHD_create_response_from_buffer(a->len, a->bytes, MHD_RESPMEM_MUST_FREE);
		if (m)
			a->bytes = NULL;
		break;
	case REPLY_FD:
		m = MHD_create_response_from_fd_at_offset64((uint64_t)(a->size - a->offset), a->fd,
							    (uint64_t)a->offset);
		if (m)
			a->fd = -1;
		break;
	case REPLY_STREAM:
		m = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK_BYTES, stream_read, r,
						      NULL);
		break;
	}
	return m;
}

enum MHD_Result request_send_reply(struct request *r)
{
	struct reply *a = &r->reply;
	struct MHD_Response *m = make_response(r);
	if (!m)
		return MHD_NO;
	if (a->type)
		MHD_add_response_header(m, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	for (int i = 0; i < a->headers_len; i++)
		MHD_add_response_header(m, a->headers[i].name, a->headers[i].value);
	enum MHD_Result ok = MHD_queue_response(r->mhd, (unsigned)a->status, m);
	MHD_destroy_response(m);
	return ok;
}

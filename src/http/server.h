/* The HTTP server: a thin layer over libmicrohttpd that never makes a thread wait.
 *
 * A request goes through begin() when its headers are there, its body is collected (or streamed to a sink), then
 * handle() gets it. A handler answers at once, or keeps the request (http_hold) and returns: the request is then
 * parked, costs no thread, and is answered later from any thread. When all that held it have let go (http_drop)
 * and the connection has moved on, it is freed, with its arena.
 *
 * Every request is answered at most once; an answer for a client that has gone is dropped. A client that leaves a
 * parked request is noticed at once if the request is watched (http_watch), else when it is answered.
 *
 * Threads: begin(), handle(), sinks, continuations and streams' read() run on the server's threads and must not
 * wait for anything but a local file. At any time one thread at most works on a request; http_answer*(),
 * http_continue() and http_wake() hand it on. One lock of the server's own is taken inside; nothing of the
 * caller's is called with it held. */
#ifndef SLIPWAY_HTTP_SERVER_H
#define SLIPWAY_HTTP_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"

struct buf;
struct err;
struct http_request;
struct http_server;
struct tls_server;

typedef void http_request_fn(struct http_request *r);

/* Who is at the other end of a unix socket, by the kernel's word; or that it is another machine. */
struct http_peer {
	bool is_local; /* false: it came over the network, and the rest means nothing */
	uint32_t uid, gid;
	int32_t pid;
};

/* What the owner reads and sets; the rest of a request is private. */
struct http_request {
	const char *method, *path; /* path is percent-decoded */
	struct http_peer peer;
	const char
		*body; /* NUL-terminated after body_len bytes; "" if there is none or it went to the sink */
	size_t body_len;
	struct arena arena;

	/* For begin() to set. A longer body is refused (413). 0: no body at all. */
	int64_t body_limit;
	/* Takes the body in parts instead of its being collected; -1 and an error: the rest is swallowed, and
	 * handle() is not called. */
	int (*sink)(struct http_request *r, const void *bytes, size_t n, struct err *e);
	/* Called once on a server thread when the connection has done with the request, however that was. */
	http_request_fn *on_end;
	/* Called before the memory goes; any thread. For what `user` owns outside the arena. */
	http_request_fn *on_free;
	void *user; /* the owner's */
};

struct http_server_options {
	int listen_fd; /* taken; a listening, non-blocking stream socket */
	int threads;
	int connections_max;
	/* NULL: plain, for a unix socket. Else what handshakes are answered with; borrowed (http/tls.h). Then a connection
	 * is closed that brings no whole head of a request in first_request_ms (0 = 15 s), or on which nothing moves for
	 * two minutes while it is not parked. */
	struct tls_server *tls;
	int64_t first_request_ms;
	http_request_fn *begin;	 /* may answer (a refusal) */
	http_request_fn *handle; /* answers or keeps */
	/* Makes the body of an error that this layer answers itself (413, 400); appends JSON to `out`. */
	void (*error_body)(const struct err *e, struct buf *out);
	void *ctx;
};

int http_server_start(struct http_server **out, const struct http_server_options *o, struct err *e);
/* Takes no more connections, ends every parked request, joins the threads. What is still held stays valid until it
 * is dropped; answers are then dropped. http_server_free() after the last http_drop(). */
void http_server_stop(struct http_server *s);
void http_server_free(struct http_server *s);
/* The ctx of the options. */
void *http_request_ctx(const struct http_request *r);

/* Only in begin(), handle() and continuations. NULL if there is none. Borrowed from the request. */
const char *http_header(struct http_request *r, const char *name);
/* Where a client on another machine is, as "192.0.2.7"; "" if that is not known. `out` has HTTP_ADDRESS_BYTES. */
enum { HTTP_ADDRESS_BYTES = 64 };
void http_address(struct http_request *r, char *out);
/* Each query parameter, in order; value "" if none. A callback that gives false ends the walk. */
void http_query_walk(struct http_request *r, bool (*fn)(void *ctx, const char *name, const char *value),
		     void *ctx);

/* Keep the request beyond this callback. Gives r. */
struct http_request *http_hold(struct http_request *r);
void http_drop(struct http_request *r);
/* Its client has gone, or the server stops: an answer would reach nobody. */
bool http_is_gone(struct http_request *r);
/* It may be parked for long: notice at once when the client goes (and then end it). */
void http_watch(struct http_request *r);
/* Run fn on a server thread, as a handler (may answer, keep, continue). If the client has gone it is not called;
 * on_end is. */
void http_continue(struct http_request *r, http_request_fn *fn);

/* Before answering; at most HTTP_HEADERS_MAX. The strings live as long as the request. */
enum { HTTP_HEADERS_MAX = 6 };
void http_set_header(struct http_request *r, const char *name, const char *value);
/* Takes the bytes of `body` (may be NULL) and leaves it empty. `type` is static. */
void http_answer(struct http_request *r, int status, const char *type, struct buf *body);
/* Takes fd: a file of `size` bytes, from its start (200), or, if the request has a Range of the form "bytes=N-", from
 * there on (206; 416 if there is nothing). Other ranges are not looked at. In handle() and continuations only. */
void http_answer_file(struct http_request *r, const char *type, int fd, int64_t size);

/* An answer of unknown length. */
enum { HTTP_STREAM_WAIT = 0, HTTP_STREAM_END = -1, HTTP_STREAM_FAILED = -2 };
struct http_stream {
	/* Up to n bytes: their number, or HTTP_STREAM_WAIT: called again after http_wake(). */
	int64_t (*read)(void *ctx, char *bytes, size_t n);
	void *ctx; /* freed by the owner in on_end */
};
void http_answer_stream(struct http_request *r, int status, const char *type, const struct http_stream *s);
void http_wake(struct http_request *r);

#endif

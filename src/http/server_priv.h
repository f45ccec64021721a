/* What server.c, request.c and watch.c share. Lock: server->lock guards every field marked so; it is a leaf of the
 * program's locks but for libmicrohttpd's own, which it may take (suspend, resume). */
#ifndef SLIPWAY_HTTP_SERVER_PRIV_H
#define SLIPWAY_HTTP_SERVER_PRIV_H

#include <microhttpd.h>
#include <pthread.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "http/server.h"

struct connection {
	int64_t id;
	int fd;
	struct http_peer peer;
	/* guarded: */
	struct request *current;
	bool is_watched, is_gone;
	/* among those that have not brought a request yet, oldest first; link NULL: it is not */
	struct connection *fresh_next, **fresh_link;
	int64_t fresh_until_ms;
};

enum reply_kind { REPLY_NONE, REPLY_BYTES, REPLY_FD, REPLY_STREAM };

struct reply {
	enum reply_kind kind;
	int status;
	const char *type;
	char *bytes; /* owned */
	size_t len;
	int fd;
	int64_t offset, size;
	struct http_stream stream;
	struct {
		const char *name, *value;
	} headers[HTTP_HEADERS_MAX];
	int headers_len;
};

struct request {
	struct http_request pub; /* first: a pointer to one is a pointer to the other */
	struct http_server *server;
	struct connection *conn;
	struct MHD_Connection *mhd;
	struct buf body;
	int64_t body_seen;
	bool is_complete;   /* the body is all there */
	struct err refusal; /* of the body, by its limit or its sink */
	/* guarded: */
	int refs;
	bool is_suspended, is_over, is_woken;
	http_request_fn *next;
	struct reply reply;
	struct request *parked_next, **parked_link; /* list of what is suspended */
};

struct http_server {
	struct http_server_options o;
	struct MHD_Daemon *mhd;
	pthread_mutex_t lock;
	/* guarded: */
	struct request *parked;
	bool is_stopping;
	struct idmap watched; /* connections by id */
	int64_t last_connection;
	struct connection *fresh, **fresh_tail;
	/* the watcher of connections */
	int epoll_fd, stop_fd, timer_fd;
	pthread_t watcher;
	bool has_watcher;
};

/* request.c */
struct request *request_new(struct http_server *s, struct MHD_Connection *c, const char *path,
			    const char *method);
void request_drop(struct request *r);
/* With the lock held. */
void request_suspend(struct request *r);
void request_resume(struct request *r);
enum MHD_Result request_send_reply(struct request *r);
/* An error of this layer's own. */
void request_refuse(struct request *r, const struct err *e);

/* watch.c */
int watch_start(struct http_server *s, struct err *e);
void watch_stop(struct http_server *s);
void watch_connection(struct http_server *s, struct connection *c);
void watch_forget(struct http_server *s, struct connection *c);
/* (lock held) It is new: it is cut off unless watch_has_request() is called in time. */
void watch_fresh(struct http_server *s, struct connection *c);
/* (lock held) */
void watch_has_request(struct http_server *s, struct connection *c);

#endif

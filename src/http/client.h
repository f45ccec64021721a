/* HTTP client: calls to one server, thin over libcurl.
 *
 * A `struct client` knows one server ("unix:PATH" or "https://HOST[:PORT]") and keeps its connections open between
 * calls. It may know several, any of which will do ("unix:PATH,unix:PATH"): new calls go to one of them until
 * client_next(). Two ways to use it, which may be mixed:
 *
 *   blocking     client_call(), client_do(): the command line.
 *   event-driven client_start(): the worker. Poll client_fd() for POLLIN with client_timeout_ms(), then client_dispatch(),
 *                which calls `done` back; all from one thread.
 *
 * What goes wrong is a struct err. A server that does not answer is ERR_UNREACHABLE, with what was tried. An answer of
 * status 400 or more is an error with the code and the message of its body {"error":{"code","message"}}; the reply then
 * still holds status and body for who needs more of it.
 *
 * A client belongs to one thread. It never raises a signal and never waits for "100 Continue". */
#ifndef SLIPWAY_HTTP_CLIENT_H
#define SLIPWAY_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct client;
struct client_job;
struct err;

/* What came back. Zero it or use CLIENT_REPLY_INIT; a reply may be used again for the next call. */
struct client_reply {
	int status;	    /* 0: no answer came */
	struct buf body;    /* empty if the request has a sink and the status is below 400 */
	struct buf headers; /* as they came, a line each */
};
#define CLIENT_REPLY_INIT                                          \
	{                                                          \
		.status = 0, .body = BUF_INIT, .headers = BUF_INIT \
	}
#define CLEAN_REPLY __attribute__((cleanup(client_reply_release)))
void client_reply_release(struct client_reply *r);
/* The value of a header (case does not count), copied to `out` and cut to `size`. False: it is not there. */
bool client_reply_header(const struct client_reply *r, const char *name, char *out, size_t size);

/* Takes bytes of an answer as they arrive; status and headers of the reply are there by then. -1 ends the call with `e`. */
typedef int client_sink(void *ctx, const void *bytes, size_t n, struct err *e);
/* A ready sink: *(int *)ctx is a descriptor to write to. */
client_sink client_sink_fd;

/* A part of a file as the body; read by pread(), so the descriptor's own place is not moved. Borrowed until the end. */
struct client_file {
	int fd;
	int64_t offset, size_bytes;
};

struct client_request {
	const char *method;	  /* "GET", "POST", … */
	const char *path;	  /* "/v1/jobs?limit=3"; what is not plain in it is percent-encoded already */
	const char *content_type; /* NULL = application/json for text, application/octet-stream for a file */
	const void *body;	  /* copied by client_start(); NULL = none */
	size_t body_len;
	const struct client_file *file; /* instead of body; the struct is copied */
	client_sink *sink;		/* NULL = into reply.body */
	void *sink_ctx;
	/* > 0, for GET: only what comes after so many bytes; an answer with anything else is ERR_UNSUPPORTED. */
	int64_t from_bytes;
	/* Not sent again by itself on another connection, though it may be repeated: the caller goes on where it broke off. */
	bool is_resumed_by_caller;
	int64_t timeout_ms; /* 0 = none: as long as the server is there */
	int64_t stall_ms; /* 0 = none; ends a call on which no byte has moved for so long; in whole seconds */
	size_t reply_limit; /* bytes of reply.body, 0 = CLIENT_REPLY_LIMIT; more is ERR_TOO_LARGE */
};
enum { CLIENT_REPLY_LIMIT = 256 * 1024 * 1024, CLIENT_CONNECT_TIMEOUT_MS = 10000 };

/* Connects to nothing yet. `server`: addresses with commas or blanks between them; one that is not followed by the
 * beginning of another address belongs to the path. ERR_USAGE: no such form of an address.
 * Nothing is ever sent to an https:// server before its certificate was verified: by the machine's store and by the
 * host's name, or as client_trust() says. One that does not pass is ERR_DENIED. */
int client_open(struct client **out, const char *server, struct err *e);
/* How many servers it knows, and the address of the one that new calls go to. */
size_t client_servers(const struct client *c);
const char *client_server(const struct client *c);
/* New calls go to the next server; those under way go on where they are. A blocking call that could not connect does
 * this by itself, until each server was tried once. */
void client_next(struct client *c);
/* Is one of them to be reached over the network? */
bool client_is_remote(const struct client *c);

/* Trust in an installation's own CA (http/tls.h), by its fingerprint. Servers are verified against the certificate in
 * `ca_file` alone; host names are not compared, for that CA signs servers of one installation and nothing else. */
int client_trust(struct client *c, const char *ca_file, struct err *e);
/* Instead of the machine's store: servers are verified against the CAs in this file, and by their host names. */
int client_set_store(struct client *c, const char *file, struct err *e);
/* Get the certificate of the CA with this fingerprint from one of its servers, into `ca_file`, unless it is there. It is
 * asked for openly: whoever answers, what does not have the fingerprint is refused (ERR_DENIED) and not kept. */
int client_fetch_ca(const char *server, const char *fingerprint, const char *ca_file, struct err *e);

/* Ends what is under way without calling back. NULL is fine. */
void client_free(struct client *c);
/* Sent with every call from now on; a second one of the same name replaces the first, a NULL value drops it. */
int client_set_header(struct client *c, const char *name, const char *value, struct err *e);

/* The common blocking call: `json` is the body or NULL; no time limit. */
int client_call(struct client *c, const char *method, const char *path, const char *json,
		struct client_reply *r, struct err *e);
int client_do(struct client *c, const struct client_request *q, struct client_reply *r, struct err *e);

/* `e` is NULL when it went well. `r` is the callee's for the time of the call. New calls may be started from here. */
typedef void client_done(void *ctx, struct client_reply *r, const struct err *e);
/* `*job` is good until `done` was called or client_cancel(). */
int client_start(struct client *c, const struct client_request *q, client_done *done, void *ctx,
		 struct client_job **job, struct err *e);
/* Drop it: `done` is not called. NULL is fine. */
void client_cancel(struct client_job *job);
int client_fd(const struct client *c);
int client_timeout_ms(const struct client *c);
int client_dispatch(struct client *c, struct err *e);

/* Append `text` percent-encoded, so that it is one part of a path or one value of a query. */
void client_add_escaped(struct buf *out, const char *text);

#endif

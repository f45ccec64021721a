/* A server in this process, on a socket in a folder of its own, and a client that speaks HTTP by hand: a call that
 * the server parks is a descriptor whose answer is read later. Waits have a limit; nothing sleeps. */
#ifndef SLIPWAY_TESTS_SERVER_FIXTURE_H
#define SLIPWAY_TESTS_SERVER_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/json.h"

struct server;

struct sfx {
	char dir[64], files_dir[64], socket[96]; /* files_dir "": dir */
	char *db_url;				 /* NULL: SQLite */
	int64_t lease_ms, holder_ms;		 /* 0: the server's own */
	struct server *server;
};

/* lease_ms 0: the server's own. */
void sfx_init(struct sfx *fx, int64_t lease_ms);
void sfx_release(struct sfx *fx);
/* End the server as serve does; as a crash does, what it had parked is cut off. */
void sfx_stop(struct sfx *fx);
void sfx_start(struct sfx *fx);

/* Who calls: a worker's session, or NULL for /v1. */
struct sfx_worker {
	const char *name, *session;
};

/* Send a request on a connection of its own; the answer is to be read from the descriptor. */
int sfx_send(struct sfx *fx, const struct sfx_worker *w, const char *method, const char *path,
	     const char *body, size_t len);
int sfx_connect(struct sfx *fx);
/* The answer: status and body (free() it); closes. *len may be NULL. */
char *sfx_receive(int fd, int *status, size_t *len);
/* Bytes of a chunked answer as they come, until `n` are there or it ends; the head is skipped first. */
struct sfx_stream {
	int fd;
	char *bytes;
	size_t len;
	bool has_head, is_over;
};
void sfx_stream_read(struct sfx_stream *s, size_t n);
void sfx_stream_end(struct sfx_stream *s);

/* A whole call. The body is JSON text or NULL. Fails the test unless the status is `expect`; gives the answer. */
json_t *sfx_call(struct sfx *fx, const struct sfx_worker *w, const char *method, const char *path,
		 const char *body, int expect);
json_t *sfx_answer(int fd, int expect);

/* Words for what most tests do. */
int64_t sfx_submit(struct sfx *fx, const char *body);
void sfx_register(struct sfx *fx, const struct sfx_worker *w, int slots);
/* One lease call: `more` is added to the body ("\"results\":[…]"), or NULL. */
json_t *sfx_lease(struct sfx *fx, const struct sfx_worker *w, int free, int wait_ms, const char *more);
int sfx_lease_send(struct sfx *fx, const struct sfx_worker *w, int free, int wait_ms, const char *more);
/* Job and attempt of the i-th spec; 0: there is none. */
int64_t sfx_spec(const json_t *answer, size_t i, int *attempt);
/* A result as JSON text for `more`: static, until the next call. */
const char *sfx_result(int64_t job, int attempt, const char *outcome, const char *reason);
/* The job's state; static. */
const char *sfx_state(struct sfx *fx, int64_t job);
/* A field of the job as show gives it. */
json_t *sfx_show(struct sfx *fx, int64_t job);

#endif

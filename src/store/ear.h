/* A server's ear: a connection of its own to the shared database, by which servers tell each other what they changed and
 * look at what nobody told.
 *
 * What is said by one is heard by all that are connected straight to the database. Behind a pooler in transaction mode
 * nothing is heard, and what is said may be lost when a connection breaks: so each server also looks, about once a
 * second, at what is there now; what it sees does not depend on who made it so, or when. A look is one statement, which
 * also moves the server's beat on.
 *
 * One thread at a time. A lost connection is made anew by the next call; ERR_BUSY, ERR_UNREACHABLE: it could not be. */
#ifndef SLIPWAY_STORE_EAR_H
#define SLIPWAY_STORE_EAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/state.h"

struct ear;
struct err;
struct store;

/* The store must be a server's on a shared database, and outlive the ear. */
int ear_open(struct store *s, struct ear **out, struct err *e);
/* NULL is fine. */
void ear_close(struct ear *ear);

enum { EAR_TEXT_MAX = 7000 };
/* To all servers, this one among them. Up to EAR_TEXT_MAX bytes. */
int ear_say(struct ear *ear, const char *text, struct err *e);

typedef void ear_heard_fn(void *ctx, const char *text);
/* Waits until something was heard, wake_fd is readable, or the time is over. */
int ear_wait(struct ear *ear, int wake_fd, int timeout_ms, ear_heard_fn *fn, void *ctx, struct err *e);

struct ear_cancel {
	int64_t job;
	int attempt;
};
struct ear_look {
	int64_t *lanes; /* that have waiting jobs */
	size_t lanes_len;
	struct ear_cancel *cancels; /* leased attempts that somebody wants cancelled */
	size_t cancels_len;
	int64_t due_ms;		/* when the next scheduled job starts, the store's time; 0: none */
	int others;		/* other servers that are alive */
	int64_t tokens_version; /* as tokens_version() gives it */
};
/* Cancels are looked for if that is asked. To be released, also after an error. */
int ear_look(struct ear *ear, bool with_cancels, struct ear_look *out, struct err *e);
void ear_look_release(struct ear_look *l);

struct ear_job {
	int64_t id, lane;
	int64_t events; /* grows with each change */
	enum job_state state;
	int attempt;
	bool is_cancel_asked;
};
/* Those of these jobs that exist, in no order; `out` has room for n. */
int ear_jobs(struct ear *ear, const int64_t *ids, size_t n, struct ear_job *out, size_t *out_len,
	     struct err *e);

#endif

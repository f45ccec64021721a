/* Who asks, and what that is worth: the users of this machine by the kernel's word, everybody else by a credential
 * ("Authorization: Bearer SECRET"). One that is given counts, also on the socket.
 *
 * HTTP threads never wait for the store, so all live credentials are kept here, by the hash of their secret: read at the start,
 * after each change here, and on a shared database within a second after a change elsewhere. Looking up a hash takes no time
 * from which anything of a secret could be learned.
 *
 * Threads: access_identify() and what takes an ask, HTTP threads; access_reload*() where they say so. The lock is a leaf. */
#ifndef SLIPWAY_SERVER_ACCESS_H
#define SLIPWAY_SERVER_ACCESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/map.h"

struct ask;
struct credential;
struct err;
struct server;
struct tx;

struct credentials {
	pthread_mutex_t lock;
	/* guarded: */
	struct map by_hash; /* struct credential; one with two secrets is there twice */
	struct credential *all;
	int64_t version;    /* the table's (store/tokens.h) */
	struct idmap users; /* uid + 1 → name */
	int64_t refused;    /* since it was said */
	int64_t refused_ms; /* boot clock: when it was said */
};

void access_init(struct server *s);
void access_release(struct server *s);
/* In the start, before anybody asks. */
int access_start(struct server *s, struct err *e);
/* In a task: read the table; access_loaded() puts what was read into use once the task is done with, on any thread. */
struct credentials_read {
	struct credential *all;
	int64_t version;
};
int access_read(struct tx *tx, struct credentials_read *r, struct err *e);
void access_loaded(struct server *s, struct credentials_read *r);
/* It comes to nothing. */
void access_unread(struct credentials_read *r);
/* On a thread that may wait: read the table unless it is of this version, that is, if another server has changed it. */
int access_look(struct server *s, int64_t version, struct err *e);

/* Fills in role, who, is_admin, token, zones. ERR_CREDENTIAL: what it brings is not known. */
int access_identify(struct ask *a, struct err *e);
/* The row's access is not for this role: ERR_CREDENTIAL for nobody, else ERR_DENIED. */
int access_refuse(struct ask *a, struct err *e);
/* A worker's credential is good for that worker only. */
int access_check_worker(const struct ask *a, const char *worker, struct err *e);

#endif

/* Who a worker that has joined is: its name, its secret, and whom it trusts; kept in its work folder, so that it comes back
 * without being told anything. identity.json (0600, replaced as one step) and ca.pem. One thread.
 *
 * Joining: the worker makes its secret itself, writes it down, and then exchanges the join token for a credential with the
 * secret's hash; so a call whose answer was lost is simply made again, also by the next process. The same token given again
 * later changes nothing: a service may be started with the join line each time.
 *
 * A new secret takes the old one's place now and then: it is written down beside it first, and the server takes both until
 * the new one is used. */
#ifndef SLIPWAY_WORKER_IDENTITY_H
#define SLIPWAY_WORKER_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "model/token.h"

struct client;
struct err;

struct identity {
	char *dir; /* the work folder */
	char *name, *servers;
	char secret[HASH_HEX_BYTES]; /* "": it has none */
	char next[HASH_HEX_BYTES];   /* that may replace it; "" */
	char fingerprint[HASH_HEX_BYTES];
	char token_hash[HASH_HEX_BYTES]; /* of the join token */
	const char *
		tls_ca; /* borrowed, the owner's to set: of servers without a CA of their own; NULL: the machine's store */
	bool is_joined;
	int64_t since_ms; /* wall clock: the age of the secret */
};

/* Reads what is in the work folder; without it, the identity is empty. */
int identity_open(struct identity *i, const char *work_dir, struct err *e);
void identity_release(struct identity *i);
int identity_save(const struct identity *i, struct err *e);
/* Blocks until it has joined, or is refused. `name` for the case that it has none yet. */
int identity_join(struct identity *i, const char *token, const char *servers, const char *name,
		  struct err *e);
/* Calls of this client carry its secret, and servers must be those it has joined. */
int identity_use(const struct identity *i, struct client *c, struct err *e);
/* Makes `next` if there is none. */
int identity_make_next(struct identity *i, struct err *e);
/* `next` is the secret from now on. */
int identity_take_next(struct identity *i, struct err *e);

#endif

/* Credentials (table token): people's and workers' tokens, and those with which workers join. Of a secret only its hash is
 * kept (model/token.h). Each change is in the audit. From a task's run() only; arrays come in the arena. */
#ifndef SLIPWAY_STORE_TOKENS_H
#define SLIPWAY_STORE_TOKENS_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "model/role.h"

struct arena;
struct err;
struct tx;

struct token {
	int64_t id;
	enum role role;
	const char *name; /* whose; of a join token the worker's, "" = its own choice */
	char hash[HASH_HEX_BYTES];
	char next_hash[HASH_HEX_BYTES]; /* a secret that will replace the first when it is used; "" */
	const char *zones;		/* of a worker, joined by commas */
	const char *maker;
	int64_t created_ms, expires_ms, used_ms, revoked_ms; /* 0 = not, never */
	int64_t born; /* of a join token that was used: the worker's credential */
};

/* id, created_ms and what follows it but expires_ms are ignored. */
int tokens_add(struct tx *tx, const struct token *t, const char *actor, int64_t *id, struct err *e);
/* Newest first; all, or those that are neither revoked nor expired. */
int tokens_list(struct tx *tx, bool is_live_only, struct arena *a, struct token **out, size_t *n,
		struct err *e);
/* ERR_NOT_FOUND. */
int tokens_get(struct tx *tx, int64_t id, struct arena *a, struct token *out, struct err *e);
/* What was revoked stays so. ERR_NOT_FOUND. */
int tokens_revoke(struct tx *tx, int64_t id, const char *actor, struct err *e);
/* A number that changes with every change of the table. */
int tokens_version(struct tx *tx, int64_t *version, struct err *e);
/* About when it was used last. */
int tokens_used(struct tx *tx, int64_t id, struct err *e);

/* The worker that holds join token `id` becomes `name`, with a secret of this hash: a credential without an end. Once: the
 * same again, with the same hash, changes nothing. ERR_DENIED: the token was used, or is for another name; ERR_CONFLICT: a
 * worker of that name has joined already, and the token does not name it. A token that names it replaces its credential. */
int tokens_join(struct tx *tx, int64_t id, const char *name, const char *hash, int64_t *born, struct err *e);
/* Both secrets are good from now on, … */
int tokens_set_next(struct tx *tx, int64_t id, const char *next_hash, struct err *e);
/* … until the new one was used. */
int tokens_promote(struct tx *tx, int64_t id, const char *next_hash, struct err *e);

#endif

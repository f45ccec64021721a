/* The text of a token, as people carry it from one machine to another: a secret, and the fingerprint of the CA of the
 * servers that it is for (http/tls.h). "slw_SECRET_FINGERPRINT", or "slw_SECRET" where servers have certificates that every
 * machine knows. Pure; any thread. */
#ifndef SLIPWAY_MODEL_TOKEN_H
#define SLIPWAY_MODEL_TOKEN_H

#include "base/hash.h"

struct err;

enum { TOKEN_TEXT_BYTES = 4 + 64 + 1 + 64 + 1 };

struct token_text {
	char secret[HASH_HEX_BYTES];	  /* 256 random bits */
	char fingerprint[HASH_HEX_BYTES]; /* "" = none */
};

/* The error does not show the text. */
int token_parse(const char *text, struct token_text *out, struct err *e);
void token_format(const struct token_text *t, char out[TOKEN_TEXT_BYTES]);
/* What is stored of a secret. It has 256 bits out of a random generator: nobody can go through them, so that a hash that is
 * slow on purpose, as passwords need, would protect nothing and cost each call. */
void token_hash(const char *secret, char hex[HASH_HEX_BYTES]);

#endif

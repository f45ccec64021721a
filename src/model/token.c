#include "model/token.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"

static const char prefix[] = "slw_";

static int refuse(struct err *e)
{
	return err_set(e, ERR_USAGE,
		       "that is no token: one begins with %s and has 64 or 129 more characters; was it cut?",
		       prefix);
}

int token_parse(const char *text, struct token_text *out, struct err *e)
{
	size_t len = strlen(text), head = sizeof prefix - 1;
	*out = (struct token_text){ "", "" };
	if (strncmp(text, prefix, head) != 0 || (len != head + 64 && len != head + 64 + 1 + 64))
		return refuse(e);
	snprintf(out->secret, sizeof out->secret, "%s", text + head);
	if (len > head + 64 && text[head + 64] == '_')
		snprintf(out->fingerprint, sizeof out->fingerprint, "%s", text + head + 65);
	bool has_fingerprint = len > head + 64;
	if (!hash_is_hex(out->secret) || (has_fingerprint && !hash_is_hex(out->fingerprint)))
		return refuse(e);
	return 0;
}

void token_format(const struct token_text *t, char out[TOKEN_TEXT_BYTES])
{
	snprintf(out, TOKEN_TEXT_BYTES, "%s%s%s%s", prefix, t->secret, t->fingerprint[0] ? "_" : "",
		 t->fingerprint);
}

void token_hash(const char *secret, char hex[HASH_HEX_BYTES])
{
	hash_bytes(secret, strlen(secret), hex);
}

/* Whom an https:// server must be. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/clean.h"
#include "base/fd.h"
#include "base/hash.h"
#include "http/client_priv.h"
#include "http/tls.h"

enum { CA_LIMIT = 64 * 1024, FETCH_TIMEOUT_MS = 20000, KEEP_IDLE_S = 30, KEEP_INTERVAL_S = 10 };

void client_set_tls(const struct client *c, CURL *h)
{
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "https");
	curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* A call may wait long, and a router on the way forget it. */
	curl_easy_setopt(h, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPIDLE, (long)KEEP_IDLE_S);
	curl_easy_setopt(h, CURLOPT_TCP_KEEPINTVL, (long)KEEP_INTERVAL_S);
	if (c->is_unverified)
		curl_easy_setopt(h, CURLOPT_SSL_VERIFYPEER, 0L);
	if (c->is_unverified || c->ca_file)
		curl_easy_setopt(h, CURLOPT_SSL_VERIFYHOST, 0L);
	if (c->ca_file || c->store_file) {
		curl_easy_setopt(h, CURLOPT_CAINFO, c->ca_file ? c->ca_file : c->store_file);
		/* Else the machine's store would do as well. */
		curl_easy_setopt(h, CURLOPT_CAPATH, NULL);
	}
}

static int set_file(char **at, const char *file, struct err *e)
{
	char *copy = strdup(file);

	if (!copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	free(*at);
	*at = copy;
	return 0;
}

int client_trust(struct client *c, const char *ca_file, struct err *e)
{
	return set_file(&c->ca_file, ca_file, e);
}

int client_set_store(struct client *c, const char *file, struct err *e)
{
	return set_file(&c->store_file, file, e);
}

static bool has_fingerprint(const struct buf *pem, const char *fingerprint, struct buf *alone)
{
	char is[HASH_HEX_BYTES];

	return tls_fingerprint(pem->data, pem->len, is, alone, NULL) == 0 && strcmp(is, fingerprint) == 0;
}

int client_fetch_ca(const char *server, const char *fingerprint, const char *ca_file, struct err *e)
{
	CLEAN_BUF struct buf kept = BUF_INIT;
	CLEAN_BUF struct buf alone = BUF_INIT;
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	const struct client_request q = {
		.method = "GET", .path = "/v1/ca", .timeout_ms = FETCH_TIMEOUT_MS, .reply_limit = CA_LIMIT
	};
	struct client *c;
	int rc;

	if (fd_read_file(AT_FDCWD, ca_file, CA_LIMIT, &kept, NULL) == 0 &&
	    has_fingerprint(&kept, fingerprint, NULL))
		return 0;
	if (client_open(&c, server, e) < 0)
		return -1;
	c->is_unverified = true;
	rc = client_do(c, &q, &reply, e);
	if (rc == 0 && !has_fingerprint(&reply.body, fingerprint, &alone))
		rc = err_set(
			e, ERR_DENIED,
			"who answers at %s is not the server that this token is for; nothing was sent to it",
			client_server(c));
	if (rc == 0)
		rc = fd_replace_file(AT_FDCWD, ca_file, alone.data, alone.len, 0600, e);
	client_free(c);
	return rc;
}

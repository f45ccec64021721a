/* The TLS side of a server: the certificate it shows, and the CA that signs it.
 *
 * Own CA: made on first use as `ca_dir` (ca.key, readable by its owner alone, and ca.crt), in one step, so that servers
 * that share the folder agree on one. Each server has a key and a certificate of its own, signed by it, in
 * `own_dir`/server.pem. Whoever knows the CA's fingerprint can get its certificate from anybody and see that it is the
 * right one; since it signs nothing but servers of this installation, no host names need to be compared.
 *
 * Given files: shown as they are; clients check them as they check any server of the internet.
 *
 * A certificate is replaced while the server runs: tls_server_renew(), called now and then, makes or reads a new one when
 * that is due, and later handshakes get it. Handshakes may be on any thread; open, renew and free are one thread's. */
#ifndef SLIPWAY_HTTP_TLS_H
#define SLIPWAY_HTTP_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct buf;
struct err;
struct tls_server;

struct tls_options {
	const char *ca_dir, *own_dir;	  /* unused with given files; the first is made */
	const char *name;		  /* of this server, for who looks into the certificate */
	const char *cert_file, *key_file; /* PEM, the chain behind the certificate; NULL: an own CA */
};

int tls_server_open(struct tls_server **out, const struct tls_options *o, struct err *e);
/* `now_s`: wall clock. *is_new: another certificate is shown from now on. On failure the old one stays. */
int tls_server_renew(struct tls_server *t, int64_t now_s, bool *is_new, struct err *e);
/* Not while anything shows it. NULL is fine. */
void tls_server_free(struct tls_server *t);
/* Of the own CA's certificate: SHA-256 over its DER form. "" with given files. */
const char *tls_server_fingerprint(const struct tls_server *t);
/* That certificate as PEM; "" with given files. */
const char *tls_server_ca(const struct tls_server *t);

/* The fingerprint of the certificate in `pem`, and that certificate, written anew, appended to `alone` (may be NULL).
 * ERR_INVALID: there is none, or more than one: who trusts a file trusts all of it. */
int tls_fingerprint(const char *pem, size_t len, char hex[HASH_HEX_BYTES], struct buf *alone, struct err *e);

#endif

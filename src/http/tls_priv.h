/* Inside TLS: the CA (tls_ca.c) and what a handshake asks for (tls.c). */
#ifndef SLIPWAY_HTTP_TLS_PRIV_H
#define SLIPWAY_HTTP_TLS_PRIV_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "http/tls.h"

struct buf;

enum { TLS_LEAF_DAYS = 90, TLS_RENEW_DAYS = 30 };

/* GnuTLS's word for what went wrong. */
int tls_failed(int rc, struct err *e, const char *what);

struct tls_ca {
	gnutls_x509_crt_t cert;
	gnutls_x509_privkey_t key;
};
/* Make the CA in `dir` unless there is one, and read it. */
int tls_ca_open(struct tls_ca *ca, const char *dir, struct err *e);
void tls_ca_release(struct tls_ca *ca);
/* Appends a new key, a certificate for it and the CA's certificate, as PEM. */
int tls_ca_issue(const struct tls_ca *ca, const char *name, int64_t now_s, struct buf *out, struct err *e);

/* For gnutls_certificate_set_retrieve_function2(); the session's pointer is the struct tls_server. */
int tls_server_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names, int ca_names_len,
			const gnutls_pk_algorithm_t *algorithms, int algorithms_len, gnutls_pcert_st **certs,
			unsigned *certs_len, gnutls_privkey_t *key);

#endif

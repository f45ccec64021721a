#include "http/tls.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "http/tls_priv.h"

enum { CHAIN_MAX = 8, FILE_LIMIT = 256 * 1024, DAY_S = 24 * 3600 };

/* One certificate with its chain and key. A handshake may use it after it was replaced: it stays until the end. */
struct identity {
	gnutls_pcert_st chain[CHAIN_MAX];
	unsigned chain_len;
	gnutls_privkey_t key;
	int64_t expires_s;
	struct identity *older;
};

/* What a file was when it was read. */
struct seen {
	ino_t inode;
	struct timespec changed;
};

struct tls_server {
	struct tls_ca ca;
	char *name, *own_dir;
	char *cert_file, *key_file;
	struct seen cert_seen, key_seen;
	struct buf ca_pem;
	char fingerprint[HASH_HEX_BYTES];
	pthread_mutex_t lock;
	struct identity *newest; /* guarded */
};

static int export(gnutls_x509_crt_t cert, char hex[HASH_HEX_BYTES], struct buf *alone)
{
	gnutls_datum_t der = { NULL, 0 }, pem = { NULL, 0 };
	int rc = gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_DER, &der);
	if (rc >= 0)
		rc = gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem);
	if (rc >= 0)
		hash_bytes(der.data, der.size, hex);
	if (rc >= 0 && alone)
		buf_add(alone, pem.data, pem.size);
	gnutls_free(der.data);
	gnutls_free(pem.data);
	return rc;
}

int tls_fingerprint(const char *pem, size_t len, char hex[HASH_HEX_BYTES], struct buf *alone, struct err *e)
{
	gnutls_datum_t text = { (unsigned char *)(uintptr_t)pem, (unsigned)len };
	gnutls_x509_crt_t *certs = NULL;
	unsigned n = 0;
	int rc = gnutls_x509_crt_list_import2(&certs, &n, &text, GNUTLS_X509_FMT_PEM, 0);
	if (rc < 0)
		return tls_failed(rc, e, "no certificate");
	if (n == 1)
		rc = export(certs[0], hex, alone);
	for (unsigned i = 0; i < n; i++)
		gnutls_x509_crt_deinit(certs[i]);
	gnutls_free(certs);
	if (n != 1)
		return err_set(e, ERR_INVALID, "one certificate is wanted, not %u", n);
	return rc < 0 ? tls_failed(rc, e, "read a certificate") : alone ? buf_check(alone, e) : 0;
}

/* --- identities --- */

static void identity_free(struct identity *i)
{
	if (!i)
		return;
	for (unsigned k = 0; k < i->chain_len; k++)
		gnutls_pcert_deinit(&i->chain[k]);
	if (i->key)
		gnutls_privkey_deinit(i->key);
	free(i);
}

static int read_expiry(struct identity *i, struct err *e)
{
	gnutls_x509_crt_t cert = NULL;
	int rc = gnutls_pcert_export_x509(&i->chain[0], &cert);
	if (rc < 0)
		return tls_failed(rc, e, "read a certificate");
	i->expires_s = gnutls_x509_crt_get_expiration_time(cert);
	gnutls_x509_crt_deinit(cert);
	return 0;
}

/* The key must be the certificate's: a handshake would fail with a word that nobody understands. */
static int check_pair(struct identity *i, struct err *e)
{
	unsigned char a[64], b[64];
	size_t a_len = sizeof a, b_len = sizeof b;
	gnutls_pubkey_t own = NULL;
	int rc = gnutls_pubkey_init(&own);
	if (rc >= 0)
		rc = gnutls_pubkey_import_privkey(own, i->key, 0, 0);
	if (rc >= 0)
		rc = gnutls_pubkey_get_key_id(own, GNUTLS_KEYID_USE_SHA256, a, &a_len);
	if (rc >= 0)
		rc = gnutls_pubkey_get_key_id(i->chain[0].pubkey, GNUTLS_KEYID_USE_SHA256, b, &b_len);
	if (own)
		gnutls_pubkey_deinit(own);
	if (rc < 0)
		return tls_failed(rc, e, "compare key and certificate");
	if (a_len != b_len || memcmp(a, b, a_len) != 0)
		return err_set(e, ERR_INVALID, "the key is not that of the certificate");
	return 0;
}

static int identity_read(struct identity **out, const struct buf *certs, const struct buf *key, struct err *e)
{
	gnutls_datum_t certs_pem = { (unsigned char *)certs->data, (unsigned)certs->len };
	gnutls_datum_t key_pem = { (unsigned char *)key->data, (unsigned)key->len };
	struct identity *i = calloc(1, sizeof *i);
	if (!i)
		return err_set(e, ERR_NOMEM, "no memory for a certificate");
	unsigned n = CHAIN_MAX;
	int rc = gnutls_pcert_list_import_x509_raw(i->chain, &n, &certs_pem, GNUTLS_X509_FMT_PEM,
						   GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
	if (rc >= 0)
		i->chain_len = n;
	if (rc < 0) {
		tls_failed(rc, e, "read the certificate");
	} else if ((rc = gnutls_privkey_init(&i->key)) < 0 ||
		   (rc = gnutls_privkey_import_x509_raw(i->key, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0)) <
			   0) {
		tls_failed(rc, e, "read the key");
	} else {
		rc = read_expiry(i, e) || check_pair(i, e) ? -1 : 0;
	}
	if (rc < 0) {
		identity_free(i);
		return -1;
	}
	*out = i;
	return 0;
}

static void show(struct tls_server *t, struct identity *i)
{
	pthread_mutex_lock(&t->lock);
	i->older = t->newest;
	t->newest = i;
	pthread_mutex_unlock(&t->lock);
}

int tls_server_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names, int ca_names_len,
			const gnutls_pk_algorithm_t *algorithms, int algorithms_len, gnutls_pcert_st **certs,
			unsigned *certs_len, gnutls_privkey_t *key)
{
	struct tls_server *t = gnutls_session_get_ptr(session);
	pthread_mutex_lock(&t->lock);
	struct identity *i = t->newest;
	pthread_mutex_unlock(&t->lock);
	*certs = i->chain;
	*certs_len = i->chain_len;
	*key = i->key;
	return 0;
}

/* --- an own CA's --- */

/* Signed by the CA that there is now: a folder may have got another one. */
static bool is_ours(const struct tls_server *t, struct identity *i)
{
	gnutls_x509_crt_t cert = NULL;
	unsigned verdict = 0;
	if (gnutls_pcert_export_x509(&i->chain[0], &cert) < 0)
		return false;
	int rc = gnutls_x509_crt_verify(cert, &t->ca.cert, 1, GNUTLS_VERIFY_DISABLE_TIME_CHECKS, &verdict);
	gnutls_x509_crt_deinit(cert);
	return rc >= 0 && verdict == 0;
}

static bool is_due(const struct identity *i, int64_t now_s)
{
	return i->expires_s - now_s < (int64_t)TLS_RENEW_DAYS * DAY_S;
}

static int issue(struct tls_server *t, int64_t now_s, struct err *e)
{
	CLEAN_BUF struct buf pem = BUF_INIT;
	CLEAN_FD int dir = open(t->own_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct identity *i;
	if (dir < 0)
		return err_sys(e, "open %s", t->own_dir);
	if (tls_ca_issue(&t->ca, t->name, now_s, &pem, e) || identity_read(&i, &pem, &pem, e))
		return -1;
	if (fd_replace_file(dir, "server.pem", pem.data, pem.len, 0600, e)) {
		identity_free(i);
		return -1;
	}
	gnutls_memset(pem.data, 0, pem.len);
	show(t, i);
	return 0;
}

static int open_own(struct tls_server *t, const struct tls_options *o, struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	CLEAN_BUF struct buf pem = BUF_INIT;
	gnutls_datum_t text = { NULL, 0 };
	if (tls_ca_open(&t->ca, o->ca_dir, e))
		return -1;
	int rc = gnutls_x509_crt_export2(t->ca.cert, GNUTLS_X509_FMT_PEM, &text);
	if (rc < 0)
		return tls_failed(rc, e, "write the CA's certificate");
	buf_add(&t->ca_pem, text.data, text.size);
	gnutls_free(text.data);
	t->own_dir = strdup(o->own_dir);
	t->name = strdup(o->name);
	path_join(&path, o->own_dir, "server.pem");
	if (!t->own_dir || !t->name || buf_check(&t->ca_pem, e) || buf_check(&path, e))
		return err_set(e, ERR_NOMEM, "no memory for a certificate");
	if (tls_fingerprint(t->ca_pem.data, t->ca_pem.len, t->fingerprint, NULL, e))
		return -1;
	/* One that is damaged, too old or of another CA is replaced. */
	struct identity *i = NULL;
	if (fd_read_file(AT_FDCWD, path.data, FILE_LIMIT, &pem, NULL) == 0 &&
	    identity_read(&i, &pem, &pem, NULL) == 0 && is_ours(t, i) && !is_due(i, time(NULL))) {
		show(t, i);
		return 0;
	}
	identity_free(i);
	return issue(t, time(NULL), e);
}

/* --- given files --- */

static bool has_changed(const char *path, struct seen *seen)
{
	struct stat st;
	if (stat(path, &st) != 0 || (st.st_ino == seen->inode && st.st_mtim.tv_sec == seen->changed.tv_sec &&
				     st.st_mtim.tv_nsec == seen->changed.tv_nsec))
		return false;
	*seen = (struct seen){ st.st_ino, st.st_mtim };
	return true;
}

static int read_given(struct tls_server *t, struct err *e)
{
	CLEAN_BUF struct buf cert = BUF_INIT;
	CLEAN_BUF struct buf key = BUF_INIT;
	struct identity *i;
	if (fd_read_file(AT_FDCWD, t->cert_file, FILE_LIMIT, &cert, e) ||
	    fd_read_file(AT_FDCWD, t->key_file, FILE_LIMIT, &key, e))
		return -1;
	if (identity_read(&i, &cert, &key, e))
		return err_wrap(e, "%s and %s", t->cert_file, t->key_file);
	show(t, i);
	return 0;
}

static int open_given(struct tls_server *t, const struct tls_options *o, struct err *e)
{
	t->cert_file = strdup(o->cert_file);
	t->key_file = strdup(o->key_file);
	if (!t->cert_file || !t->key_file)
		return err_set(e, ERR_NOMEM, "no memory for a path");
	has_changed(t->cert_file, &t->cert_seen);
	has_changed(t->key_file, &t->key_seen);
	return read_given(t, e);
}

/* --- the server's --- */

int tls_server_open(struct tls_server **out, const struct tls_options *o, struct err *e)
{
	struct tls_server *t = calloc(1, sizeof *t);
	*out = NULL;
	if (!t)
		return err_set(e, ERR_NOMEM, "no memory for TLS");
	buf_init(&t->ca_pem);
	pthread_mutex_init(&t->lock, NULL);
	if (o->cert_file ? open_given(t, o, e) : open_own(t, o, e)) {
		tls_server_free(t);
		return -1;
	}
	*out = t;
	return 0;
}

int tls_server_renew(struct tls_server *t, int64_t now_s, bool *is_new, struct err *e)
{
	*is_new = false;
	if (t->cert_file) {
		bool has_cert = has_changed(t->cert_file, &t->cert_seen);
		if (!has_changed(t->key_file, &t->key_seen) && !has_cert)
			return 0;
		*is_new = read_given(t, e) == 0;
		return *is_new ? 0 : -1;
	}
	if (!is_due(t->newest, now_s))
		return 0;
	*is_new = issue(t, now_s, e) == 0;
	return *is_new ? 0 : err_wrap(e, "renew the certificate");
}

void tls_server_free(struct tls_server *t)
{
	if (!t)
		return;
	while (t->newest) {
		struct identity *older = t->newest->older;
		identity_free(t->newest);
		t->newest = older;
	}
	tls_ca_release(&t->ca);
	buf_release(&t->ca_pem);
	pthread_mutex_destroy(&t->lock);
	free(t->name);
	free(t->own_dir);
	free(t->cert_file);
	free(t->key_file);
	free(t);
}

const char *tls_server_fingerprint(const struct tls_server *t)
{
	return t->fingerprint;
}

const char *tls_server_ca(const struct tls_server *t)
{
	return t->ca_pem.data;
}

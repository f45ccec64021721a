/* The installation's own CA: one key that signs the certificates of its servers and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/random.h"
#include "http/tls_priv.h"

enum {
	DAY_S = 24 * 3600,
	CA_DAYS = 30 * 365,
	/* A client whose clock is a little late must not find that it is not valid yet. */
	EARLY_S = DAY_S,
	SERIAL_BYTES = 16,
	FILE_LIMIT = 64 * 1024,
};

int tls_failed(int rc, struct err *e, const char *what)
{
	return err_set(e, rc == GNUTLS_E_MEMORY_ERROR ? ERR_NOMEM : ERR_INVALID, "%s: %s", what,
		       gnutls_strerror(rc));
}

static int make_key(gnutls_x509_privkey_t *key, struct err *e)
{
	int rc = gnutls_x509_privkey_init(key);
	if (rc >= 0)
		rc = gnutls_x509_privkey_generate(*key, GNUTLS_PK_ECDSA,
						  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	return rc < 0 ? tls_failed(rc, e, "make a key") : 0;
}

/* What the CA's certificate and a server's have alike. */
static int describe(gnutls_x509_crt_t cert, gnutls_x509_privkey_t key, const char *name, int64_t now_s,
		    int days, struct err *e)
{
	unsigned char serial[SERIAL_BYTES], id[64];
	size_t id_len = sizeof id;
	if (random_bytes(serial, sizeof serial, e))
		return -1;
	serial[0] &= 0x7f;
	int rc = gnutls_x509_crt_set_version(cert, 3);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_serial(cert, serial, sizeof serial);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_dn_by_oid(cert, GNUTLS_OID_X520_COMMON_NAME, 0, name,
						   (unsigned)strlen(name));
	if (rc >= 0)
		rc = gnutls_x509_crt_set_activation_time(cert, (time_t)(now_s - EARLY_S));
	if (rc >= 0)
		rc = gnutls_x509_crt_set_expiration_time(cert, (time_t)(now_s + (int64_t)days * DAY_S));
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key(cert, key);
	if (rc >= 0)
		rc = gnutls_x509_crt_get_key_id(cert, GNUTLS_KEYID_USE_SHA1, id, &id_len);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_subject_key_id(cert, id, id_len);
	return rc < 0 ? tls_failed(rc, e, "describe a certificate") : 0;
}

static int add_pem(gnutls_x509_crt_t cert, struct buf *out, struct err *e)
{
	gnutls_datum_t pem = { NULL, 0 };
	int rc = gnutls_x509_crt_export2(cert, GNUTLS_X509_FMT_PEM, &pem);
	if (rc < 0)
		return tls_failed(rc, e, "write a certificate");
	buf_add(out, pem.data, pem.size);
	gnutls_free(pem.data);
	return buf_check(out, e);
}

static int add_key_pem(gnutls_x509_privkey_t key, struct buf *out, struct err *e)
{
	gnutls_datum_t pem = { NULL, 0 };
	int rc = gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
	if (rc < 0)
		return tls_failed(rc, e, "write a key");
	buf_add(out, pem.data, pem.size);
	gnutls_memset(pem.data, 0, pem.size);
	gnutls_free(pem.data);
	return buf_check(out, e);
}

/* --- making it --- */

static int sign_itself(struct tls_ca *ca, int64_t now_s, struct err *e)
{
	char host[256] = "", name[300];
	gethostname(host, sizeof host - 1);
	/* A common name has at most 64 characters. */
	snprintf(name, sizeof name, "Slipway CA of %.40s", host);
	int rc = gnutls_x509_crt_init(&ca->cert);
	if (rc < 0)
		return tls_failed(rc, e, "make a certificate");
	if (describe(ca->cert, ca->key, name, now_s, CA_DAYS, e))
		return -1;
	rc = gnutls_x509_crt_set_basic_constraints(ca->cert, 1, 0);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_usage(ca->cert, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN);
	if (rc >= 0)
		rc = gnutls_x509_crt_sign2(ca->cert, ca->cert, ca->key, GNUTLS_DIG_SHA256, 0);
	return rc < 0 ? tls_failed(rc, e, "sign a certificate") : 0;
}

static int write_ca(int dir, const struct tls_ca *ca, struct err *e)
{
	CLEAN_BUF struct buf key = BUF_INIT;
	CLEAN_BUF struct buf cert = BUF_INIT;
	if (add_key_pem(ca->key, &key, e) || add_pem(ca->cert, &cert, e) ||
	    fd_replace_file(dir, "ca.key", key.data, key.len, 0600, e) ||
	    fd_replace_file(dir, "ca.crt", cert.data, cert.len, 0644, e))
		return -1;
	return 0;
}

/* Beside its place first, then renamed as a whole: a folder that is there with something in it is another server's, made
 * in the same moment, and stays. */
static int make_ca(const char *dir, struct err *e)
{
	CLEAN(tls_ca_release) struct tls_ca ca = { NULL, NULL };
	CLEAN_BUF struct buf temporary = BUF_INIT;
	buf_addf(&temporary, "%s.XXXXXX", dir);
	if (buf_check(&temporary, e) || make_key(&ca.key, e) || sign_itself(&ca, time(NULL), e))
		return -1;
	if (!mkdtemp(temporary.data))
		return err_sys(e, "make %s", temporary.data);
	CLEAN_FD int fd = open(temporary.data, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? err_sys(e, "open %s", temporary.data) : write_ca(fd, &ca, e);
	if (rc == 0 && rename(temporary.data, dir) && errno != ENOTEMPTY && errno != EEXIST)
		rc = err_sys(e, "rename %s", temporary.data);
	CLEAN_FD int parent = rc == 0 ? openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	if (rc == 0 && (parent < 0 || fsync(parent)))
		rc = err_sys(e, "fsync the folder of %s", dir);
	/* If it is still there. */
	fd_remove_tree(AT_FDCWD, temporary.data, NULL);
	return rc;
}

/* --- reading it --- */

static int read_pem(const char *dir, const char *name, struct buf *out, struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	path_join(&path, dir, name);
	return buf_check(&path, e) ? -1 : fd_read_file(AT_FDCWD, path.data, FILE_LIMIT, out, e);
}

static int read_ca(struct tls_ca *ca, const char *dir, struct err *e)
{
	CLEAN_BUF struct buf key = BUF_INIT;
	CLEAN_BUF struct buf cert = BUF_INIT;
	if (read_pem(dir, "ca.key", &key, e) || read_pem(dir, "ca.crt", &cert, e))
		return -1;
	gnutls_datum_t key_pem = { (unsigned char *)key.data, (unsigned)key.len };
	gnutls_datum_t cert_pem = { (unsigned char *)cert.data, (unsigned)cert.len };
	int rc = gnutls_x509_privkey_init(&ca->key);
	if (rc >= 0)
		rc = gnutls_x509_privkey_import(ca->key, &key_pem, GNUTLS_X509_FMT_PEM);
	if (rc >= 0)
		rc = gnutls_x509_crt_init(&ca->cert);
	if (rc >= 0)
		rc = gnutls_x509_crt_import(ca->cert, &cert_pem, GNUTLS_X509_FMT_PEM);
	gnutls_memset(key.data, 0, key.len);
	return rc < 0 ? tls_failed(rc, e, "read the CA") : 0;
}

int tls_ca_open(struct tls_ca *ca, const char *dir, struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	struct stat st;
	*ca = (struct tls_ca){ NULL, NULL };
	path_join(&path, dir, "ca.crt");
	if (buf_check(&path, e))
		return -1;
	if (stat(path.data, &st) != 0 && errno == ENOENT && make_ca(dir, e))
		return err_wrap(e, "make the CA in %s", dir);
	if (read_ca(ca, dir, e))
		return err_wrap(e, "the CA in %s", dir);
	return 0;
}

void tls_ca_release(struct tls_ca *ca)
{
	if (ca->cert)
		gnutls_x509_crt_deinit(ca->cert);
	if (ca->key)
		gnutls_x509_privkey_deinit(ca->key);
	*ca = (struct tls_ca){ NULL, NULL };
}

/* --- what it signs --- */

static int sign_leaf(const struct tls_ca *ca, gnutls_x509_crt_t leaf, const char *name, struct err *e)
{
	unsigned char id[64];
	size_t id_len = sizeof id;
	int rc = gnutls_x509_crt_get_subject_key_id(ca->cert, id, &id_len, NULL);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_authority_key_id(leaf, id, id_len);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_subject_alt_name(leaf, GNUTLS_SAN_DNSNAME, name,
							  (unsigned)strlen(name), GNUTLS_FSAN_SET);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_basic_constraints(leaf, 0, -1);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_usage(leaf, GNUTLS_KEY_DIGITAL_SIGNATURE);
	if (rc >= 0)
		rc = gnutls_x509_crt_set_key_purpose_oid(leaf, GNUTLS_KP_TLS_WWW_SERVER, 0);
	if (rc >= 0)
		rc = gnutls_x509_crt_sign2(leaf, ca->cert, ca->key, GNUTLS_DIG_SHA256, 0);
	return rc < 0 ? tls_failed(rc, e, "sign a certificate") : 0;
}

int tls_ca_issue(const struct tls_ca *ca, const char *name, int64_t now_s, struct buf *out, struct err *e)
{
	gnutls_x509_privkey_t key = NULL;
	gnutls_x509_crt_t leaf = NULL;
	char common[65];
	snprintf(common, sizeof common, "%s", name);
	int rc = make_key(&key, e);
	if (rc == 0 && (rc = gnutls_x509_crt_init(&leaf)) < 0)
		rc = tls_failed(rc, e, "make a certificate");
	if (rc == 0)
		rc = describe(leaf, key, common, now_s, TLS_LEAF_DAYS, e);
	if (rc == 0)
		rc = sign_leaf(ca, leaf, name, e);
	if (rc == 0)
		rc = add_key_pem(key, out, e) || add_pem(leaf, out, e) || add_pem(ca->cert, out, e) ? -1 : 0;
	if (leaf)
		gnutls_x509_crt_deinit(leaf);
	if (key)
		gnutls_x509_privkey_deinit(key);
	return rc;
}

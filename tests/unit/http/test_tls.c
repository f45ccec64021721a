/* TLS between the client and the server of src/http, over the loopback: who is believed, and who never gets to see a secret. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "http/client.h"
#include "http/server.h"
#include "http/tls.h"

enum { DAY_S = 24 * 3600, PATIENCE_MS = 20000 };

/* A server with a CA of its own. */
struct site {
	char dir[64], ca_dir[96], ca_file[96], url[64];
	struct sockaddr_in at;
	struct tls_server *tls;
	struct http_server *http;
	atomic_int requests, secrets;
};

static void begin(struct http_request *r)
{
	struct site *s = http_request_ctx(r);
	s->requests++;
	if (http_header(r, "Authorization"))
		s->secrets++;
	r->body_limit = 1 << 20;
}

static void handle(struct http_request *r)
{
	struct site *s = http_request_ctx(r);
	struct buf b = BUF_INIT;
	char address[HTTP_ADDRESS_BYTES];
	http_address(r, address);
	assert_string_equal(address, "127.0.0.1");
	assert_false(r->peer.is_local);
	if (strcmp(r->path, "/v1/ca") == 0)
		buf_adds(&b, tls_server_ca(s->tls));
	else
		buf_add(&b, r->body, r->body_len);
	http_answer(r, 200, "text/plain", &b);
}

static void error_body(const struct err *e, struct buf *out)
{
	buf_adds(out, e->text);
}

static int listen_somewhere(struct sockaddr_in *at)
{
	socklen_t len = sizeof *at;
	*at = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_return_code(bind(fd, (struct sockaddr *)at, len), errno);
	assert_return_code(listen(fd, 64), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)at, &len), errno);
	return fd;
}

static void listen_with(struct site *s, int connections_max, int64_t first_request_ms)
{
	struct err e = ERR_INIT;
	const struct http_server_options o = { .listen_fd = listen_somewhere(&s->at),
					       .threads = 2,
					       .connections_max = connections_max,
					       .tls = s->tls,
					       .first_request_ms = first_request_ms,
					       .begin = begin,
					       .handle = handle,
					       .error_body = error_body,
					       .ctx = s };
	if (http_server_start(&s->http, &o, &e))
		fail_msg("%s", e.text);
	snprintf(s->url, sizeof s->url, "https://127.0.0.1:%d", ntohs(s->at.sin_port));
}

static void site_open_tls(struct site *s)
{
	struct err e = ERR_INIT;
	const struct tls_options o = { .ca_dir = s->ca_dir, .own_dir = s->dir, .name = "a.example" };
	if (tls_server_open(&s->tls, &o, &e))
		fail_msg("%s", e.text);
}

static void site_init(struct site *s)
{
	memset(s, 0, sizeof *s);
	snprintf(s->dir, sizeof s->dir, "/tmp/slipway-tls-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->ca_dir, sizeof s->ca_dir, "%s/tls", s->dir);
	snprintf(s->ca_file, sizeof s->ca_file, "%s/kept.pem", s->dir);
	site_open_tls(s);
}

static void site_release(struct site *s)
{
	http_server_free(s->http);
	tls_server_free(s->tls);
	fd_remove_tree(AT_FDCWD, s->dir, NULL);
}

/* A call that carries a secret; the error's code. */
static enum err_code call(const struct site *s, const char *ca_file)
{
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;
	struct client *c;
	assert_int_equal(client_open(&c, s->url, &e), 0);
	assert_true(client_is_remote(c));
	if (ca_file)
		assert_int_equal(client_trust(c, ca_file, &e), 0);
	assert_int_equal(client_set_header(c, "Authorization", "Bearer secret", &e), 0);
	if (client_call(c, "POST", "/echo", "hello", &r, &e) == 0)
		assert_string_equal(r.body.data, "hello");
	client_free(c);
	return e.code;
}

static void test_own_ca_is_believed_by_its_fingerprint(void **state)
{
	struct site s;
	struct err e = ERR_INIT;
	site_init(&s);
	listen_with(&s, 100, 0);
	/* By the machine's store it is nobody. */
	assert_int_equal(call(&s, NULL), ERR_DENIED);
	assert_int_equal(s.requests, 0);
	assert_int_equal(client_fetch_ca(s.url, tls_server_fingerprint(s.tls), s.ca_file, &e), 0);
	assert_int_equal(s.secrets, 0);
	assert_int_equal(call(&s, s.ca_file), ERR_NONE);
	assert_int_equal(s.secrets, 1);
	site_release(&s);
}

static void test_another_ca_never_sees_a_secret(void **state)
{
	struct site s, other;
	struct err e = ERR_INIT;
	site_init(&s);
	site_init(&other);
	listen_with(&s, 100, 0);
	listen_with(&other, 100, 0);
	assert_int_equal(client_fetch_ca(s.url, tls_server_fingerprint(s.tls), s.ca_file, &e), 0);
	/* Who has the right CA's certificate meets another server in its place. */
	assert_int_equal(call(&other, s.ca_file), ERR_DENIED);
	assert_int_equal(other.requests, 0);
	/* Who has only the fingerprint gets the wrong certificate, and keeps nothing. */
	assert_int_equal(client_fetch_ca(other.url, tls_server_fingerprint(s.tls), other.ca_file, &e), -1);
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(access(other.ca_file, F_OK), -1);
	assert_int_equal(other.secrets, 0);
	site_release(&s);
	site_release(&other);
}

static void test_one_certificate_is_wanted(void **state)
{
	struct site s, other;
	struct err e = ERR_INIT;
	char hex[HASH_HEX_BYTES];
	CLEAN_BUF struct buf both = BUF_INIT;
	site_init(&s);
	site_init(&other);
	buf_adds(&both, tls_server_ca(s.tls));
	assert_int_equal(tls_fingerprint(both.data, both.len, hex, NULL, &e), 0);
	assert_string_equal(hex, tls_server_fingerprint(s.tls));
	/* A file that is trusted is trusted whole: a second one must not come in beside the right one. */
	buf_adds(&both, tls_server_ca(other.tls));
	assert_int_equal(tls_fingerprint(both.data, both.len, hex, NULL, &e), -1);
	assert_int_equal(tls_fingerprint("none", 4, hex, NULL, &e), -1);
	site_release(&s);
	site_release(&other);
}

static void *open_again(void *arg)
{
	site_open_tls(arg);
	return NULL;
}

static void test_ca_is_made_once(void **state)
{
	enum { SERVERS = 8 };
	struct site s, more[SERVERS];
	pthread_t threads[SERVERS];
	struct stat st;
	char path[128];
	site_init(&s);
	tls_server_free(s.tls);
	s.tls = NULL;
	fd_remove_tree(AT_FDCWD, s.ca_dir, NULL);
	/* Servers that share the folder and start together. */
	for (int i = 0; i < SERVERS; i++) {
		more[i] = s;
		snprintf(more[i].dir, sizeof more[i].dir, "/tmp/slipway-tls-XXXXXX");
		assert_non_null(mkdtemp(more[i].dir));
		assert_int_equal(pthread_create(&threads[i], NULL, open_again, &more[i]), 0);
	}
	for (int i = 0; i < SERVERS; i++)
		pthread_join(threads[i], NULL);
	site_open_tls(&s);
	snprintf(path, sizeof path, "%s/ca.key", s.ca_dir);
	assert_return_code(stat(path, &st), errno);
	assert_int_equal(st.st_mode & 0777, 0600);
	for (int i = 0; i < SERVERS; i++) {
		assert_string_equal(tls_server_fingerprint(more[i].tls), tls_server_fingerprint(s.tls));
		site_release(&more[i]);
	}
	site_release(&s);
}

/* --- what a handshake shows --- */

static int connect_to(const struct site *s)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(fd, (const struct sockaddr *)&s->at, sizeof s->at), errno);
	return fd;
}

static void shown_by(const struct site *s, char hex[HASH_HEX_BYTES])
{
	gnutls_certificate_credentials_t credentials;
	gnutls_session_t session;
	unsigned n;
	int rc, fd = connect_to(s);
	gnutls_certificate_allocate_credentials(&credentials);
	gnutls_init(&session, GNUTLS_CLIENT);
	gnutls_set_default_priority(session);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
	gnutls_transport_set_int(session, fd);
	do
		rc = gnutls_handshake(session);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	assert_int_equal(rc, 0);
	const gnutls_datum_t *peer = gnutls_certificate_get_peers(session, &n);
	assert_int_equal(n, 2);
	hash_bytes(peer[0].data, peer[0].size, hex);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(credentials);
	close(fd);
}

static void test_renewed_without_a_new_start(void **state)
{
	struct site s;
	struct err e = ERR_INIT;
	bool is_new;
	char first[HASH_HEX_BYTES], again[HASH_HEX_BYTES], renewed[HASH_HEX_BYTES];
	site_init(&s);
	listen_with(&s, 100, 0);
	shown_by(&s, first);
	assert_int_equal(tls_server_renew(s.tls, time(NULL) + 50 * DAY_S, &is_new, &e), 0);
	assert_false(is_new);
	shown_by(&s, again);
	assert_string_equal(first, again);
	assert_int_equal(tls_server_renew(s.tls, time(NULL) + 70 * DAY_S, &is_new, &e), 0);
	assert_true(is_new);
	shown_by(&s, renewed);
	assert_string_not_equal(first, renewed);
	/* The CA is the same: who trusts it goes on. */
	assert_int_equal(client_fetch_ca(s.url, tls_server_fingerprint(s.tls), s.ca_file, &e), 0);
	/* The next start shows the same one. */
	http_server_free(s.http);
	tls_server_free(s.tls);
	site_open_tls(&s);
	listen_with(&s, 100, 0);
	shown_by(&s, again);
	assert_string_equal(again, renewed);
	site_release(&s);
}

static void test_given_files(void **state)
{
	struct site s, given;
	struct err e = ERR_INIT;
	char own[HASH_HEX_BYTES], shown[HASH_HEX_BYTES], pem[96], other[96];
	bool is_new;
	site_init(&s);
	site_init(&given);
	listen_with(&s, 100, 0);
	shown_by(&s, own);
	snprintf(pem, sizeof pem, "%s/server.pem", s.dir);
	snprintf(other, sizeof other, "%s/server.pem", given.dir);
	tls_server_free(given.tls);
	struct tls_options o = { .cert_file = pem, .key_file = other };
	assert_int_equal(tls_server_open(&given.tls, &o, &e), -1);
	assert_non_null(strstr(e.text, "not that of the certificate"));
	o.key_file = pem;
	assert_int_equal(tls_server_open(&given.tls, &o, &e), 0);
	assert_string_equal(tls_server_fingerprint(given.tls), "");
	listen_with(&given, 100, 0);
	shown_by(&given, shown);
	assert_string_equal(shown, own);
	/* The file is replaced, as programs do that renew certificates. */
	assert_int_equal(tls_server_renew(given.tls, time(NULL), &is_new, &e), 0);
	assert_false(is_new);
	assert_int_equal(tls_server_renew(s.tls, time(NULL) + 70 * DAY_S, &is_new, &e), 0);
	assert_int_equal(tls_server_renew(given.tls, time(NULL), &is_new, &e), 0);
	assert_true(is_new);
	shown_by(&given, shown);
	assert_string_not_equal(shown, own);
	site_release(&given);
	site_release(&s);
}

/* --- those who mean no good --- */

static void expect_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char byte;
	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	assert_true(read(fd, &byte, 1) <= 0);
	close(fd);
}

static void test_who_brings_nothing_is_cut_off(void **state)
{
	enum { MANY = 16 };
	struct site s;
	struct err e = ERR_INIT;
	int fds[MANY];
	site_init(&s);
	listen_with(&s, 8, 1000);
	/* More than may be there: those that wait outside get in when the first are cut off. */
	for (int i = 0; i < MANY; i++)
		fds[i] = connect_to(&s);
	/* Garbage is no handshake. */
	assert_int_equal(fd_write_all(fds[0], "GET / HTTP/1.1\r\n\r\n", 18, &e), 0);
	/* The beginning of one, and no more. */
	assert_int_equal(fd_write_all(fds[1], "\x16\x03\x01\x02\x00\x01", 6, &e), 0);
	assert_int_equal(client_fetch_ca(s.url, tls_server_fingerprint(s.tls), s.ca_file, &e), 0);
	for (int i = 0; i < MANY; i++)
		expect_end(fds[i]);
	assert_int_equal(call(&s, s.ca_file), ERR_NONE);
	site_release(&s);
}

/* One that has brought a request may wait for its answer, or be quiet between two, for longer. */
static void test_who_works_is_not_cut_off(void **state)
{
	struct site s;
	struct err e = ERR_INIT;
	struct client *c;
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	site_init(&s);
	listen_with(&s, 8, 1000);
	assert_int_equal(client_fetch_ca(s.url, tls_server_fingerprint(s.tls), s.ca_file, &e), 0);
	assert_int_equal(client_open(&c, s.url, &e), 0);
	assert_int_equal(client_trust(c, s.ca_file, &e), 0);
	assert_int_equal(client_call(c, "POST", "/echo", "one", &r, &e), 0);
	/* As long as it takes until another, who came later, is cut off. */
	expect_end(connect_to(&s));
	/* A POST goes out once: on a connection that was closed it would fail. */
	assert_int_equal(client_call(c, "POST", "/echo", "two", &r, &e), 0);
	client_free(c);
	site_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_ca_is_believed_by_its_fingerprint),
		cmocka_unit_test(test_another_ca_never_sees_a_secret),
		cmocka_unit_test(test_one_certificate_is_wanted),
		cmocka_unit_test(test_ca_is_made_once),
		cmocka_unit_test(test_renewed_without_a_new_start),
		cmocka_unit_test(test_given_files),
		cmocka_unit_test(test_who_brings_nothing_is_cut_off),
		cmocka_unit_test(test_who_works_is_not_cut_off),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

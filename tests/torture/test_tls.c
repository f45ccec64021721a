/* Strangers at the port for other machines: noise, handshakes that are cut, bent or never ended, plain HTTP, sessions that change
 * their keys or bring nonsense. None of them is answered, none gets to keep a place, and who means well comes through all the
 * while; after it a worker joins.
 *
 * SLIPWAY_STRANGERS: how many come one after the other; SLIPWAY_SILENT: how many are there at once. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "http/client.h"
#include "model/token.h"
#include "rig.h"

enum { STRANGERS = 600, SILENT = 300, PATIENCE_S = 30, GOOD_MS = 10000, LONG_BYTES = 70000 };

static struct rig rig;
static struct sockaddr_in at;
static struct buf hello = BUF_INIT; /* the first flight of a client that means well */

static void write_all(int fd, const void *bytes, size_t n)
{
	const char *p = bytes;

	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		/* It may have had enough. */
		if (sent <= 0)
			return;
		p += sent;
		n -= (size_t)sent;
	}
}

static int connect_there(void)
{
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, (const struct sockaddr *)&at, sizeof(at)) < 0)
		tap_die("cannot connect: %s", strerrordesc_np(errno));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	return fd;
}

/* ---- what strangers bring ----------------------------------------------------------------------------------- */

static void bring_noise(int fd)
{
	char bytes[4096];
	size_t n = 1 + chance_below(sizeof(bytes));

	for (size_t i = 0; i < n; i++)
		bytes[i] = (char)chance_below(256);
	write_all(fd, bytes, n);
}

static void bring_cut(int fd)
{
	write_all(fd, hello.data, chance_below(hello.len));
}

static void bring_bent(int fd)
{
	char bytes[4096];
	size_t n = hello.len < sizeof(bytes) ? hello.len : sizeof(bytes);

	memcpy(bytes, hello.data, n);
	for (uint64_t left = 1 + chance_below(8); left; left--)
		bytes[chance_below(n)] ^= (char)(1 + chance_below(255));
	write_all(fd, bytes, n);
}

/* A record that says it is longer than any may be, and is. */
static void bring_long(int fd)
{
	static char bytes[LONG_BYTES] = "\x16\x03\x01\xff\xff\x01\x00\xff\xfb\x03\x03";

	write_all(fd, bytes, sizeof(bytes));
}

/* Its first message in records of a byte each; then empty ones, which no handshake needs. */
static void bring_crumbs(int fd)
{
	static const char empty[] = "\x16\x03\x01\x00";
	char record[6] = "\x16\x03\x01\x00\x01";

	for (size_t i = 5; i < hello.len; i++) {
		record[5] = hello.data[i];
		write_all(fd, record, sizeof(record));
	}
	for (int i = 0; i < 100; i++)
		write_all(fd, empty, sizeof(empty));
}

static void bring_alert(int fd)
{
	write_all(fd, hello.data, hello.len);
	write_all(fd, "\x15\x03\x03\x00\x02\x02\x28", 7);
}

static void bring_plain(int fd)
{
	static const char text[] = "GET /v1/ca HTTP/1.1\r\nHost: here\r\n\r\n";

	write_all(fd, text, sizeof(text) - 1);
}

static void (*const brings[])(int fd) = {
	bring_noise, bring_cut, bring_bent, bring_long, bring_crumbs, bring_alert, bring_plain,
};

/* Read on until the other side ends it. 1: it was HTTP that came; -1: it does not end. */
static int read_out(int fd)
{
	char bytes[4096];
	bool is_first = true;

	for (;;) {
		ssize_t n = recv(fd, bytes, sizeof(bytes), 0);

		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return -1;
		if (n <= 0)
			return 0;
		if (is_first && n >= 4 && memcmp(bytes, "HTTP", 4) == 0)
			return 1;
		is_first = false;
	}
}

static int leave(int fd)
{
	const struct linger reset = { .l_onoff = 1 };
	int rc = 0;

	switch (chance_below(3)) {
	case 0:
		break;
	case 1:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		break;
	default:
		shutdown(fd, SHUT_WR);
		rc = read_out(fd);
	}
	close(fd);
	return rc;
}

/* ---- sessions ----------------------------------------------------------------------------------------------- */

struct session {
	gnutls_session_t tls;
	gnutls_certificate_credentials_t credentials;
	int fd;
};

static void session_init(struct session *s, const char *priorities, const char *name)
{
	gnutls_init(&s->tls, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL);
	gnutls_certificate_allocate_credentials(&s->credentials);
	gnutls_credentials_set(s->tls, GNUTLS_CRD_CERTIFICATE, s->credentials);
	gnutls_priority_set_direct(s->tls, priorities, NULL);
	gnutls_handshake_set_timeout(s->tls, PATIENCE_S * 1000);
	gnutls_record_set_timeout(s->tls, PATIENCE_S * 1000);
	if (name)
		gnutls_server_name_set(s->tls, GNUTLS_NAME_DNS, name, strlen(name));
	s->fd = -1;
}

static void session_release(struct session *s)
{
	gnutls_deinit(s->tls);
	gnutls_certificate_free_credentials(s->credentials);
	if (s->fd >= 0)
		close(s->fd);
}

static int handshake(struct session *s)
{
	int rc;

	do
		rc = gnutls_handshake(s->tls);
	while (rc < 0 && !gnutls_error_is_fatal(rc));
	return rc;
}

static void session_begin(struct session *s, const char *priorities, const char *name)
{
	session_init(s, priorities, name);
	s->fd = connect_there();
	gnutls_transport_set_int(s->tls, s->fd);
	int rc = handshake(s);
	if (rc < 0)
		tap_die("no handshake with %s: %s", priorities, gnutls_strerror(rc));
}

static void say(struct session *s, const char *text)
{
	for (size_t n = strlen(text); n;) {
		ssize_t sent = gnutls_record_send(s->tls, text, n);

		if (sent < 0 && gnutls_error_is_fatal((int)sent))
			return;
		if (sent > 0) {
			text += sent;
			n -= (size_t)sent;
		}
	}
}

/* Everything until the end, of which the beginning is kept; false: it does not end. */
static bool hear(struct session *s, char *text, size_t size)
{
	char bytes[4096];
	size_t len = 0;

	for (;;) {
		ssize_t n = gnutls_record_recv(s->tls, bytes, sizeof(bytes));

		if (n == GNUTLS_E_TIMEDOUT || n == GNUTLS_E_AGAIN)
			return false;
		if (n == 0 || (n < 0 && gnutls_error_is_fatal((int)n)))
			break;
		for (ssize_t i = 0; i < n && len < size - 1; i++)
			text[len++] = bytes[i];
	}
	text[len] = '\0';
	return true;
}

static ssize_t keep(gnutls_transport_ptr_t to, const void *bytes, size_t n)
{
	buf_add(to, bytes, n);
	return (ssize_t)n;
}

static ssize_t nothing_comes(gnutls_transport_ptr_t from, void *bytes, size_t n)
{
	errno = EAGAIN;
	return -1;
}

static void make_hello(void)
{
	struct session s;

	session_init(&s, "NORMAL", "localhost");
	gnutls_handshake_set_timeout(s.tls, 0);
	gnutls_transport_set_ptr(s.tls, &hello);
	gnutls_transport_set_push_function(s.tls, keep);
	gnutls_transport_set_pull_function(s.tls, nothing_comes);
	gnutls_handshake(s.tls);
	session_release(&s);
	if (buf_check(&hello, NULL) < 0 || hello.len < 100)
		tap_die("no first message");
}

/* ---- tests -------------------------------------------------------------------------------------------------- */

/* Somebody who means well; ms it took, -1: nothing came of it. */
static int64_t ask_well(void)
{
	int64_t begun_ms = clock_boot_ms();
	struct session s;
	char text[64];

	session_begin(&s, "NORMAL", NULL);
	say(&s, "GET /v1/ca HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n");
	bool is_answered = hear(&s, text, sizeof(text)) && strncmp(text, "HTTP/1.1 200", 12) == 0;
	session_release(&s);
	return is_answered ? clock_boot_ms() - begun_ms : -1;
}

static int count_files(void)
{
	char path[64];
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)rig.serve);
	CLEAN_DIR DIR *d = opendir(path);
	while (d && readdir(d))
		n++;
	return n;
}

static void test_strangers(int64_t strangers)
{
	int64_t answered = 0, endless = 0;

	for (int64_t i = 0; i < strangers; i++) {
		int fd = connect_there();

		brings[chance_below(ARRAY_LEN(brings))](fd);
		int rc = leave(fd);
		answered += rc > 0;
		endless += rc < 0;
	}
	tap_ok(!answered && !endless, "of %lld strangers none is answered, and each is let go (%lld, %lld)",
	       (long long)strangers, (long long)answered, (long long)endless);
	tap_ok(ask_well() >= 0, "then it answers as before");
}

static void test_sessions(void)
{
	struct session s;
	char text[64];

	/* Its own CA signs nothing but servers of the installation: no name is compared, so none is needed. */
	session_begin(&s, "NORMAL", "elsewhere.example");
	say(&s, "GET /v1/ca HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n");
	tap_ok(hear(&s, text, sizeof(text)) && strncmp(text, "HTTP/1.1 200", 12) == 0,
	       "one who asks for another name is answered, and without a credential keeps no connection");
	session_release(&s);
	session_begin(&s, "NORMAL", NULL);
	say(&s, "GET /v1/nothing HTTP/1.1\r\nHost: here\r\n\r\n");
	tap_ok(hear(&s, text, sizeof(text)) && strncmp(text, "HTTP/1.1 404", 12) == 0,
	       "nor with what does not exist");
	session_release(&s);
	session_begin(&s, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL);
	int rc = handshake(&s);
	tap_ok(rc < 0, "a session is not negotiated anew: %s", gnutls_strerror(rc));
	session_release(&s);
	session_begin(&s, "NORMAL", NULL);
	say(&s, "GET /v1/ca HTTP/1.1\r\nX: ");
	for (int i = 0; i < 100; i++)
		say(&s,
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	say(&s, "\r\n\r\n");
	tap_ok(hear(&s, text, sizeof(text)) && strncmp(text, "HTTP/1.1 200", 12) != 0,
	       "a head that is too long is refused");
	session_release(&s);
	/* In the midst of a session: what is no record. */
	session_begin(&s, "NORMAL", NULL);
	bring_noise(s.fd);
	tap_ok(hear(&s, text, sizeof(text)) && !text[0], "noise in a session ends it");
	session_release(&s);
}

/* They begin and bring no more than a byte now and then. */
static void test_silent(int64_t silent)
{
	int *fds = calloc((size_t)silent, sizeof(*fds));
	int before = count_files();
	int64_t slowest = 0, left = 0;

	for (int64_t i = 0; i < silent; i++) {
		fds[i] = connect_there();
		/* Nothing at all; a part; all of it, and what is answered is not. */
		write_all(fds[i], hello.data,
			  i % 3 == 0   ? 0
			  : i % 3 == 1 ? 1 + chance_below(hello.len - 2)
				       : hello.len);
	}
	tap_ok(count_files() > before, "%lld are there at once", (long long)silent);
	for (int i = 0; i < 10; i++) {
		int64_t ms = ask_well();

		if (ms < 0 || ms > slowest)
			slowest = ms < 0 ? INT64_MAX : ms;
		for (int64_t k = 1; k < silent; k += 3)
			write_all(fds[k], "\x16", 1);
	}
	tap_ok(slowest < GOOD_MS, "who means well is answered all the while, in %lld ms", (long long)slowest);
	for (int64_t i = 0; i < silent; i++) {
		/* One tells enough: all of them would take long. */
		left += !left && read_out(fds[i]) < 0;
		close(fds[i]);
	}
	free(fds);
	tap_ok(!left, "each of them is cut off");
	ask_well();
	tap_ok(count_files() <= before + 8, "and none of them is kept in mind");
}

/* The line that an administrator is given, and what it makes. */
static void test_worker_joins(void)
{
	struct client *c = rig_client(&rig);
	struct err e = ERR_INIT;
	char work[100], path[64];
	json_t *made = rig_call(c, "POST", "/v1/tokens", "{\"role\":\"worker\"}", &e), *job, *shown = NULL;
	const char *argv[] = { "slipway", "worker", "--server", rig.url, "--work", work,
			       "--name",  "good",   "--slots",	"1",	 "--join", text_in(made, "token"),
			       NULL };

	snprintf(work, sizeof(work), "%s/good", rig.dir);
	pid_t worker = rig_spawn(&rig, argv);
	job = rig_call(c, "POST", "/v1/jobs", "{\"argv\":[\"true\"]}", &e);
	snprintf(path, sizeof(path), "/v1/wait?timeout=30&ids=%lld", (long long)number_in(job, "id"));
	json_decref(rig_get(c, path));
	snprintf(path, sizeof(path), "/v1/jobs/%lld", (long long)number_in(job, "id"));
	shown = rig_get(c, path);
	tap_ok(strcmp(text_in(shown, "state"), "succeeded") == 0 &&
		       strcmp(text_in(shown, "worker"), "good") == 0,
	       "a worker joins and does a job");
	rig_stop_worker(worker);
	json_decref(made);
	json_decref(job);
	json_decref(shown);
	client_free(c);
}

static void find_port(void)
{
	const char *port = strrchr(rig.url, ':');

	if (!port)
		tap_die("the server does not say where it listens");
	at = (struct sockaddr_in){ .sin_family = AF_INET,
				   .sin_port = htons((uint16_t)strtol(port + 1, NULL, 10)),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

int main(void)
{
	static const char *const options[] = { "--slots", "0", "--listen", "https://127.0.0.1:0", NULL };
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	tap_plan(13);
	chance_seed();
	rig_make(&rig);
	rig_start(&rig, options);
	find_port();
	make_hello();
	test_strangers(setting("SLIPWAY_STRANGERS", STRANGERS));
	test_sessions();
	test_silent(setting("SLIPWAY_SILENT", SILENT));
	test_worker_joins();
	tap_ok(rig_stop(&rig) == 0 && rig_count_leftovers(&rig) == 0,
	       "the server stops well and leaves nothing");
	buf_release(&hello);
	rig_remove(&rig);
	return tap_status();
}

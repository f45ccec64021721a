/* An HTTP server that a test plays by hand, on a unix socket: take the next request for a path, look at it, answer it
 * when it suits. Requests on several connections may be open at once. Everything that does not come within FAKE_WAIT_MS
 * ends the test with what was waited for. One thread. */
#ifndef SLIPWAY_TESTS_FAKE_SERVER_H
#define SLIPWAY_TESTS_FAKE_SERVER_H

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "test.h"

enum { FAKE_CONNECTIONS = 16, FAKE_WAIT_MS = 20000 };

struct fake_connection {
	int fd; /* -1: free */
	struct buf in;
	bool is_taken; /* the request in `in` is with the test */
	size_t request_len;
};

struct fake_server {
	char path[96];
	char folder[64];
	int fd;
	struct fake_connection connections[FAKE_CONNECTIONS];
	unsigned accepted; /* connections so far */
};

/* A request; good until it is answered. */
struct fake_request {
	struct fake_connection *connection;
	char method[16];
	char path[512];
	const char *head, *body;
	size_t body_len;
};

#define FAKE_UNUSED __attribute__((unused))

FAKE_UNUSED static void fake_listen(struct fake_server *s)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	unlink(s->path);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", s->path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(s->fd, 16), 0);
}

FAKE_UNUSED static void fake_open(struct fake_server *s)
{
	memset(s, 0, sizeof(*s));
	for (int i = 0; i < FAKE_CONNECTIONS; i++)
		s->connections[i] = (struct fake_connection){ .fd = -1, .in = BUF_INIT };
	snprintf(s->folder, sizeof(s->folder), "/tmp/fake_server.XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	snprintf(s->path, sizeof(s->path), "%s/sock", s->folder);
	fake_listen(s);
}

FAKE_UNUSED static void fake_hang_up(struct fake_connection *c)
{
	if (c->fd >= 0)
		close(c->fd);
	buf_release(&c->in);
	*c = (struct fake_connection){ .fd = -1, .in = BUF_INIT };
}

/* Gone, as after a kill: no socket, no connections. */
FAKE_UNUSED static void fake_die(struct fake_server *s)
{
	close(s->fd);
	s->fd = -1;
	unlink(s->path);
	for (int i = 0; i < FAKE_CONNECTIONS; i++)
		fake_hang_up(&s->connections[i]);
}

FAKE_UNUSED static void fake_close(struct fake_server *s)
{
	fake_die(s);
	rmdir(s->folder);
}

/* Length of the whole request in `in`, 0 = not complete. */
static size_t fake_complete(const struct buf *in)
{
	const char *end = strstr(in->data, "\r\n\r\n");
	const char *length = strcasestr(in->data, "\r\nContent-Length:");
	size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
	size_t total;

	if (!end)
		return 0;
	total = (size_t)(end - in->data) + 4 + body;
	return in->len >= total ? total : 0;
}

static void fake_pump(struct fake_server *s, int timeout_ms)
{
	struct pollfd fds[FAKE_CONNECTIONS + 1];

	for (int i = 0; i < FAKE_CONNECTIONS; i++)
		fds[i] = (struct pollfd){ .fd = s->connections[i].fd, .events = POLLIN };
	fds[FAKE_CONNECTIONS] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
	if (poll(fds, FAKE_CONNECTIONS + 1, timeout_ms) <= 0)
		return;
	for (int i = 0; i < FAKE_CONNECTIONS; i++) {
		struct fake_connection *c = &s->connections[i];
		char *at;
		ssize_t n;

		if (!fds[i].revents)
			continue;
		at = buf_reserve(&c->in, 65536);
		assert_non_null(at);
		n = read(c->fd, at, 65536);
		if (n <= 0) {
			fake_hang_up(c);
			continue;
		}
		c->in.len += (size_t)n;
		c->in.data[c->in.len] = '\0';
	}
	if (fds[FAKE_CONNECTIONS].revents)
		for (int i = 0; i < FAKE_CONNECTIONS; i++)
			if (s->connections[i].fd < 0) {
				s->connections[i].fd = accept(s->fd, NULL, NULL);
				s->accepted++;
				break;
			}
}

static bool fake_read(struct fake_connection *c, struct fake_request *r)
{
	char line[600];
	char *path, *end;

	snprintf(line, sizeof(line), "%.*s", (int)strcspn(c->in.data, "\r"), c->in.data);
	path = strchr(line, ' ');
	end = path ? strchr(path + 1, ' ') : NULL;
	if (!end)
		return false;
	*path++ = *end = '\0';
	r->connection = c;
	snprintf(r->method, sizeof(r->method), "%s", line);
	snprintf(r->path, sizeof(r->path), "%s", path);
	r->head = c->in.data;
	r->body = strstr(c->in.data, "\r\n\r\n") + 4;
	r->body_len = c->request_len - (size_t)(r->body - r->head);
	return true;
}

static bool fake_find(struct fake_server *s, const char *path, struct fake_request *r)
{
	for (int i = 0; i < FAKE_CONNECTIONS; i++) {
		struct fake_connection *c = &s->connections[i];

		if (c->fd < 0 || c->is_taken || !(c->request_len = fake_complete(&c->in)))
			continue;
		struct fake_request got;

		if (fake_read(c, &got) && strncmp(got.path, path, strlen(path)) == 0) {
			c->is_taken = true;
			*r = got;
			return true;
		}
	}
	return false;
}

/* The next request whose path begins so. */
FAKE_UNUSED static struct fake_request fake_take(struct fake_server *s, const char *path)
{
	int64_t until = clock_boot_ms() + FAKE_WAIT_MS;
	struct fake_request r;

	while (!fake_find(s, path, &r)) {
		if (clock_boot_ms() > until)
			fail_msg("no request for %s came", path);
		fake_pump(s, 100);
	}
	return r;
}

/* Is there one now, after looking for `ms`? */
FAKE_UNUSED static bool fake_comes(struct fake_server *s, const char *path, int ms, struct fake_request *r)
{
	int64_t until = clock_boot_ms() + ms;

	do {
		if (fake_find(s, path, r))
			return true;
		fake_pump(s, 5);
	} while (clock_boot_ms() < until);
	return fake_find(s, path, r);
}

/* `extra`: more header lines, each with its line end; may be "". */
FAKE_UNUSED static void fake_answer_with(struct fake_request *r, int status, const char *extra,
					 const void *body, size_t len)
{
	struct buf out = BUF_INIT;
	struct fake_connection *c = r->connection;

	buf_addf(&out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n", status, len, extra);
	if (strcmp(r->method, "HEAD") != 0)
		buf_add(&out, body, len);
	/* Who asked may have gone. */
	if (send(c->fd, out.data, out.len, MSG_NOSIGNAL) < 0)
		assert_int_equal(errno, EPIPE);
	buf_release(&out);
	buf_drop(&c->in, c->request_len);
	c->is_taken = false;
}

FAKE_UNUSED static void fake_answer(struct fake_request *r, int status, const char *body)
{
	fake_answer_with(r, status, "Content-Type: application/json\r\n", body, strlen(body));
}

#endif

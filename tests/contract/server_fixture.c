#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pg_fixture.h"
#include "server_fixture.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "server/server.h"

enum { PATIENCE_MS = 20000 };

/* --- the server --- */

static int listen_at(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	unlink(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_true(fd >= 0);
	assert_return_code(bind(fd, (struct sockaddr *)&at, sizeof at), errno);
	assert_return_code(listen(fd, 4096), errno);
	return fd;
}

void sfx_start(struct sfx *fx)
{
	struct err e = ERR_INIT;
	const struct server_options o = { .data_dir = fx->dir,
					  .files_dir = *fx->files_dir ? fx->files_dir : NULL,
					  .db_url = fx->db_url,
					  .lease_ms = fx->lease_ms,
					  .holder_ms = fx->holder_ms };
	if (server_open(&fx->server, &o, &e))
		fail_msg("open: %s", e.text);
	if (server_listen(fx->server, listen_at(fx->socket), &e))
		fail_msg("listen: %s", e.text);
}

void sfx_stop(struct sfx *fx)
{
	server_close(fx->server);
	fx->server = NULL;
}

void sfx_init(struct sfx *fx, int64_t lease_ms)
{
	*fx = (struct sfx){ .lease_ms = lease_ms };
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	const char *base = getenv("TMPDIR");
	snprintf(fx->dir, sizeof fx->dir, "%s/slipway-server-XXXXXX",
		 base && strlen(base) < 32 ? base : "/tmp");
	assert_non_null(mkdtemp(fx->dir));
	snprintf(fx->socket, sizeof fx->socket, "%s/slipway.sock", fx->dir);
	if (pg_is_wanted())
		fx->db_url = pg_new_database();
	sfx_start(fx);
}

void sfx_release(struct sfx *fx)
{
	if (fx->server) {
		json_t *found = sfx_call(fx, NULL, "POST", "/v1/admin/check", "", 200);
		if (json_integer_value(json_object_get(found, "violations")))
			fail_msg("violations: %s", json_dumps(found, 0));
		json_decref(found);
		sfx_stop(fx);
	}
	fd_remove_tree(AT_FDCWD, fx->dir, NULL);
	pg_drop_database(fx->db_url);
	free(fx->db_url);
}

/* --- a client --- */

int sfx_connect(struct sfx *fx)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(at.sun_path, sizeof at.sun_path, "%s", fx->socket);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_return_code(connect(fd, (struct sockaddr *)&at, sizeof at), errno);
	return fd;
}

int sfx_send(struct sfx *fx, const struct sfx_worker *w, const char *method, const char *path,
	     const char *body, size_t len)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	struct err e = ERR_INIT;
	buf_addf(&b, "%s %s HTTP/1.1\r\nHost: slipway\r\nConnection: close\r\n", method, path);
	if (w)
		buf_addf(&b, "Slipway-Worker: %s\r\nSlipway-Session: %s\r\n", w->name, w->session);
	if (body && body[0] == '{' && memchr(body, '\n', len))
		buf_adds(&b, "Content-Type: application/x-ndjson\r\n");
	if (body)
		buf_addf(&b, "Content-Length: %zu\r\n", len);
	buf_adds(&b, "\r\n");
	buf_add(&b, body, body ? len : 0);
	int fd = sfx_connect(fx);
	/* A body that is refused is not read to its end. */
	if (fd_write_all(fd, b.data, b.len, &e) && e.sys != EPIPE)
		fail_msg("%s %s: %s", method, path, e.text);
	return fd;
}

/* More bytes; false at the end. */
static bool receive_some(int fd, struct buf *b)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	if (poll(&p, 1, PATIENCE_MS) != 1)
		fail_msg("no answer came");
	char *at = buf_reserve(b, 65536);
	ssize_t n = read(fd, at, 65536);
	if (n <= 0)
		return false;
	b->len += (size_t)n;
	at[n] = '\0';
	return true;
}

char *sfx_receive(int fd, int *status, size_t *len)
{
	struct buf b = BUF_INIT;
	while (receive_some(fd, &b))
		;
	close(fd);
	const char *end = strstr(b.data, "\r\n\r\n");
	if (strncmp(b.data, "HTTP/1.1 ", 9) != 0 || !end)
		fail_msg("not an answer: %.200s", b.data);
	*status = (int)strtol(b.data + 9, NULL, 10);
	buf_drop(&b, (size_t)(end + 4 - b.data));
	if (len)
		*len = b.len;
	return buf_take(&b);
}

static void take_chunks(struct sfx_stream *s, struct buf *raw, struct buf *plain)
{
	for (;;) {
		char *end = strstr(raw->data, "\r\n");
		if (!end)
			return;
		size_t n = strtoul(raw->data, NULL, 16), head = (size_t)(end + 2 - raw->data);
		if (raw->len < head + n + 2)
			return;
		if (n == 0) {
			s->is_over = true;
			return;
		}
		buf_add(plain, raw->data + head, n);
		buf_drop(raw, head + n + 2);
	}
}

void sfx_stream_read(struct sfx_stream *s, size_t n)
{
	/* Few tests, small logs: what was read so far is gone through anew each time. */
	CLEAN_BUF struct buf raw = BUF_INIT;
	CLEAN_BUF struct buf plain = BUF_INIT;
	buf_add(&plain, s->bytes, s->len);
	while (!s->is_over && plain.len < n) {
		if (!receive_some(s->fd, &raw)) {
			s->is_over = true;
			break;
		}
		char *end = s->has_head ? NULL : strstr(raw.data, "\r\n\r\n");
		if (end) {
			s->has_head = true;
			assert_memory_equal(raw.data, "HTTP/1.1 200", 12);
			buf_drop(&raw, (size_t)(end + 4 - raw.data));
		}
		if (s->has_head)
			take_chunks(s, &raw, &plain);
	}
	assert_int_equal(s->is_over ? 0 : raw.len, 0);
	free(s->bytes);
	s->len = plain.len;
	s->bytes = buf_take(&plain);
}

void sfx_stream_end(struct sfx_stream *s)
{
	close(s->fd);
	free(s->bytes);
	*s = (struct sfx_stream){ .fd = -1 };
}

json_t *sfx_answer(int fd, int expect)
{
	int status;
	size_t len;
	char *text = sfx_receive(fd, &status, &len);
	if (status != expect)
		fail_msg("status %d, not %d: %s", status, expect, text);
	json_error_t why;
	json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
	if (!j)
		fail_msg("not JSON (%s): %s", why.text, text);
	free(text);
	return j;
}

json_t *sfx_call(struct sfx *fx, const struct sfx_worker *w, const char *method, const char *path,
		 const char *body, int expect)
{
	return sfx_answer(sfx_send(fx, w, method, path, body, body ? strlen(body) : 0), expect);
}

/* --- words --- */

int64_t sfx_submit(struct sfx *fx, const char *body)
{
	json_t *a = sfx_call(fx, NULL, "POST", "/v1/jobs", body, 201);
	int64_t id = json_integer_value(json_object_get(a, "id"));
	json_decref(a);
	assert_true(id > 0);
	return id;
}

void sfx_register(struct sfx *fx, const struct sfx_worker *w, int slots)
{
	char body[512];
	snprintf(
		body, sizeof body,
		"{\"name\":\"%s\",\"session\":\"%s\",\"machine\":\"m\",\"boot_id\":\"b\",\"version\":\"0\",\"slots\":%d,"
		"\"isolations\":[\"none\",\"chroot\"],\"tags\":[]}",
		w->name, w->session, slots);
	json_decref(sfx_call(fx, NULL, "POST", "/feed/register", body, 200));
}

int sfx_lease_send(struct sfx *fx, const struct sfx_worker *w, int free, int wait_ms, const char *more)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	buf_addf(&b, "{\"free\":%d,\"wait_ms\":%d%s", free, wait_ms, more ? "," : "");
	buf_adds(&b, more ? more : "");
	buf_addc(&b, '}');
	return sfx_send(fx, w, "POST", "/feed/lease", b.data, b.len);
}

json_t *sfx_lease(struct sfx *fx, const struct sfx_worker *w, int free, int wait_ms, const char *more)
{
	return sfx_answer(sfx_lease_send(fx, w, free, wait_ms, more), 200);
}

int64_t sfx_spec(const json_t *answer, size_t i, int *attempt)
{
	const json_t *spec = json_array_get(json_object_get(answer, "specs"), i);
	if (attempt)
		*attempt = (int)json_integer_value(json_object_get(spec, "attempt"));
	return json_integer_value(json_object_get(spec, "job"));
}

const char *sfx_result(int64_t job, int attempt, const char *outcome, const char *reason)
{
	static char text[512];
	snprintf(
		text, sizeof text,
		"\"results\":[{\"job\":%lld,\"attempt\":%d,\"outcome\":\"%s\",\"reason\":\"%s\",\"exit_code\":%d}]",
		(long long)job, attempt, outcome, reason, reason[0] ? 1 : 0);
	return text;
}

json_t *sfx_show(struct sfx *fx, int64_t job)
{
	char path[64];
	snprintf(path, sizeof path, "/v1/jobs/%lld", (long long)job);
	return sfx_call(fx, NULL, "GET", path, NULL, 200);
}

const char *sfx_state(struct sfx *fx, int64_t job)
{
	static char text[32];
	json_t *j = sfx_show(fx, job);
	snprintf(text, sizeof text, "%s", json_string_value(json_object_get(j, "state")));
	json_decref(j);
	return text;
}

/* The HTTP server by itself: requests that are answered later, from elsewhere, or never. */
#include "test.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/server.h"

struct fixture {
	char dir[64], path[96];
	struct http_server *server;
	struct http_request *kept;
	sem_t is_kept, has_ended, is_freed;
};

static void on_end(struct http_request *r)
{
	sem_post(&((struct fixture *)http_request_ctx(r))->has_ended);
}

static void on_free(struct http_request *r)
{
	sem_post(&((struct fixture *)http_request_ctx(r))->is_freed);
}

static int sink(struct http_request *r, const void *bytes, size_t n, struct err *e)
{
	size_t *sum = r->user;
	*sum += n;
	return *sum > 100000 ? err_set(e, ERR_INVALID, "enough") : 0;
}

static void begin(struct http_request *r)
{
	r->on_end = on_end;
	r->on_free = on_free;
	r->body_limit = 200000;
	if (strcmp(r->path, "/sink") != 0)
		return;
	r->user = arena_alloc(&r->arena, sizeof(size_t));
	r->sink = sink;
}

static void echo(struct http_request *r)
{
	struct buf b = BUF_INIT;
	buf_add(&b, r->body, r->body_len);
	http_answer(r, 200, "text/plain", &b);
}

static void handle(struct http_request *r)
{
	struct fixture *fx = http_request_ctx(r);
	if (strcmp(r->path, "/keep") == 0) {
		fx->kept = http_hold(r);
		http_watch(r);
		sem_post(&fx->is_kept);
	} else if (strcmp(r->path, "/continue") == 0) {
		http_continue(r, echo);
	} else {
		echo(r);
	}
}

static void error_body(const struct err *e, struct buf *out)
{
	buf_adds(out, e->text);
}

static int setup(void **state)
{
	struct fixture *fx = calloc(1, sizeof *fx);
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(fx->dir, sizeof fx->dir, "/tmp/slipway-http-XXXXXX");
	assert_non_null(mkdtemp(fx->dir));
	snprintf(fx->path, sizeof fx->path, "%s/s", fx->dir);
	snprintf(at.sun_path, sizeof at.sun_path, "%s", fx->path);
	sem_init(&fx->is_kept, 0, 0);
	sem_init(&fx->has_ended, 0, 0);
	sem_init(&fx->is_freed, 0, 0);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_return_code(bind(fd, (struct sockaddr *)&at, sizeof at), errno);
	assert_return_code(listen(fd, 64), errno);
	const struct http_server_options o = { .listen_fd = fd,
					       .threads = 2,
					       .connections_max = 100,
					       .begin = begin,
					       .handle = handle,
					       .error_body = error_body,
					       .ctx = fx };
	assert_int_equal(http_server_start(&fx->server, &o, NULL), 0);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fx = *state;
	http_server_free(fx->server);
	unlink(fx->path);
	rmdir(fx->dir);
	free(fx);
	return 0;
}

static int send_to(struct fixture *fx, const char *path, const char *body, size_t len)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	CLEAN_BUF struct buf b = BUF_INIT;
	snprintf(at.sun_path, sizeof at.sun_path, "%s", fx->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(fd, (struct sockaddr *)&at, sizeof at), errno);
	buf_addf(&b, "POST %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n", path,
		 len);
	buf_add(&b, body, len);
	/* What is refused is not read to its end. */
	(void)!send(fd, b.data, b.len, MSG_NOSIGNAL);
	return fd;
}

static void expect(int fd, const char *status, const char *end)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	ssize_t n;
	while (buf_reserve(&b, 4096) && (n = read(fd, b.data + b.len, 4095)) > 0) {
		b.len += (size_t)n;
		b.data[b.len] = '\0';
	}
	close(fd);
	if (strncmp(b.data, status, strlen(status)) != 0 || b.len < strlen(end) ||
	    strcmp(b.data + b.len - strlen(end), end) != 0)
		fail_msg("%s", b.data);
}

static void test_answers_at_once_and_by_continuing(void **state)
{
	expect(send_to(*state, "/echo", "hello", 5), "HTTP/1.1 200", "hello");
	expect(send_to(*state, "/continue", "hello", 5), "HTTP/1.1 200", "hello");
	expect(send_to(*state, "/continue", "", 0), "HTTP/1.1 200", "\r\n\r\n");
}

static void test_is_answered_from_another_thread(void **state)
{
	struct fixture *fx = *state;
	int fd = send_to(fx, "/keep", "hello", 5);
	sem_wait(&fx->is_kept);
	echo(fx->kept);
	/* A second answer is dropped. */
	echo(fx->kept);
	http_drop(fx->kept);
	expect(fd, "HTTP/1.1 200", "hello");
	sem_wait(&fx->has_ended);
}

static void test_client_that_left_is_noticed(void **state)
{
	struct fixture *fx = *state;
	int fd = send_to(fx, "/keep", "hello", 5);
	sem_wait(&fx->is_kept);
	assert_false(http_is_gone(fx->kept));
	close(fd);
	sem_wait(&fx->has_ended);
	assert_true(http_is_gone(fx->kept));
	/* What was held is still there; an answer reaches nobody. */
	assert_string_equal(fx->kept->body, "hello");
	echo(fx->kept);
	assert_int_equal(sem_trywait(&fx->is_freed), -1);
	http_drop(fx->kept);
	sem_wait(&fx->is_freed);
}

static void test_stops_with_a_parked_request(void **state)
{
	struct fixture *fx = *state;
	int fd = send_to(fx, "/keep", "", 0);
	sem_wait(&fx->is_kept);
	http_server_stop(fx->server);
	sem_wait(&fx->has_ended);
	char byte;
	assert_true(read(fd, &byte, 1) <= 0);
	close(fd);
	http_continue(fx->kept, echo);
	http_drop(fx->kept);
	sem_wait(&fx->is_freed);
}

static void test_refuses_long_bodies(void **state)
{
	static char body[300000];
	expect(send_to(*state, "/echo", body, sizeof body), "HTTP/1.1 413", "200000 bytes");
	expect(send_to(*state, "/sink", body, 90000), "HTTP/1.1 200", "\r\n\r\n");
	expect(send_to(*state, "/sink", body, 150000), "HTTP/1.1 400", "enough");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers_at_once_and_by_continuing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_is_answered_from_another_thread, setup, teardown),
		cmocka_unit_test_setup_teardown(test_client_that_left_is_noticed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stops_with_a_parked_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses_long_bodies, setup, teardown),
	};
	return cmocka_run_group_tests_name("http_server", tests, NULL, NULL);
}

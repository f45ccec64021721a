#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "pg_proxy.h"

#include "base/fd.h"

enum { PAIRS_MAX = 64, BYTES = 65536 };

/* The driver's name for its statement COMMIT (src/db/postgres.c), as it stands in a message. */
static const char commit_name[] = "slipway_1_";

struct pair {
	int client, server;
};

static int dial(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	close(fd);
	return -1;
}

static void end_pair(struct pair *x)
{
	close(x->client);
	close(x->server);
	x->client = x->server = -1;
}

/* Until the server has said that it committed. */
static void drop_answer(int fd)
{
	char bytes[BYTES];
	for (size_t n = 0; n < sizeof bytes;) {
		ssize_t got = read(fd, bytes + n, sizeof bytes - n);
		if (got <= 0)
			return;
		n += (size_t)got;
		if (memmem(bytes, n, "COMMIT", sizeof "COMMIT"))
			return;
	}
}

static void from_client(struct pg_proxy *p, struct pair *x)
{
	char bytes[BYTES];
	ssize_t n = read(x->client, bytes, sizeof bytes);
	int cut = p->cut;
	if (n <= 0 || cut == PG_CUT_DOWN) {
		end_pair(x);
		return;
	}
	bool is_cut = cut != PG_CUT_NONE && memmem(bytes, (size_t)n, commit_name, strlen(commit_name));
	if (!is_cut || cut != PG_CUT_BEFORE)
		fd_write_all(x->server, bytes, (size_t)n, NULL);
	if (!is_cut)
		return;
	if (cut == PG_CUT_AFTER)
		drop_answer(x->server);
	p->cut = PG_CUT_NONE;
	p->cuts++;
	end_pair(x);
}

static void from_server(struct pg_proxy *p, struct pair *x)
{
	char bytes[BYTES];
	ssize_t n = read(x->server, bytes, sizeof bytes);
	if (n <= 0 || p->cut == PG_CUT_DOWN || fd_write_all(x->client, bytes, (size_t)n, NULL))
		end_pair(x);
}

static void take_client(struct pg_proxy *p, struct pair *pairs)
{
	int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	for (int i = 0; fd >= 0 && p->cut != PG_CUT_DOWN && i < PAIRS_MAX; i++)
		if (pairs[i].client < 0) {
			pairs[i] = (struct pair){ fd, dial(p->upstream) };
			return;
		}
	close(fd);
}

static void *proxy_main(void *arg)
{
	struct pg_proxy *p = arg;
	struct pair pairs[PAIRS_MAX];
	for (int i = 0; i < PAIRS_MAX; i++)
		pairs[i] = (struct pair){ -1, -1 };
	for (;;) {
		struct pollfd fds[2 + 2 * PAIRS_MAX] = { { p->stop_fds[0], POLLIN, 0 },
							 { p->listen_fd, POLLIN, 0 } };
		for (int i = 0; i < PAIRS_MAX; i++) {
			fds[2 + 2 * i] = (struct pollfd){ pairs[i].client, POLLIN, 0 };
			fds[3 + 2 * i] = (struct pollfd){ pairs[i].server, POLLIN, 0 };
		}
		poll(fds, 2 + 2 * PAIRS_MAX, -1);
		if (fds[0].revents)
			break;
		for (int i = 0; i < PAIRS_MAX; i++) {
			if (pairs[i].client >= 0 && fds[2 + 2 * i].revents)
				from_client(p, &pairs[i]);
			if (pairs[i].client >= 0 && fds[3 + 2 * i].revents)
				from_server(p, &pairs[i]);
		}
		if (fds[1].revents)
			take_client(p, pairs);
	}
	for (int i = 0; i < PAIRS_MAX; i++)
		if (pairs[i].client >= 0)
			end_pair(&pairs[i]);
	return NULL;
}

void pg_proxy_start(struct pg_proxy *p, const char *url)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	*p = (struct pg_proxy){ .listen_fd = -1 };
	snprintf(p->dir, sizeof p->dir, "/tmp/slipway-proxy-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	const char *host = strstr(url, "host=");
	assert_non_null(host);
	host += strlen("host=");
	int len = (int)strcspn(host, "&");
	snprintf(p->upstream, sizeof p->upstream, "%.*s/.s.PGSQL.5432", len, host);
	if (asprintf(&p->url, "%.*s%s%s", (int)(host - url), url, p->dir, host + len) < 0)
		fail_msg("out of memory");
	snprintf(at.sun_path, sizeof at.sun_path, "%s/.s.PGSQL.5432", p->dir);
	p->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(p->listen_fd, (struct sockaddr *)&at, sizeof at), errno);
	assert_return_code(listen(p->listen_fd, 100), errno);
	assert_return_code(pipe2(p->stop_fds, O_CLOEXEC), errno);
	assert_int_equal(pthread_create(&p->thread, NULL, proxy_main, p), 0);
}

void pg_proxy_stop(struct pg_proxy *p)
{
	close(p->stop_fds[1]);
	pthread_join(p->thread, NULL);
	close(p->stop_fds[0]);
	close(p->listen_fd);
	fd_remove_tree(AT_FDCWD, p->dir, NULL);
	free(p->url);
}

/* Many who are connected to a server and want nothing just now, from one process, speaking the protocol by hand.
 *
 *   crowd SOCKET workers N SECONDS          N workers that have registered and wait for work, asking anew as a worker does
 *   crowd SOCKET followers N JOB SECONDS    N who follow the log of a job
 *
 * Prints "ready" when all are there, and ends after so many seconds. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { WAIT_MS = 20000, EVENTS = 64 };

static const char *socket_path;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int dial(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", socket_path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		fail("connect");
	return fd;
}

static void post(int fd, int worker, const char *path, const char *body)
{
	char text[800];
	int n = snprintf(
		text, sizeof(text),
		"POST %s HTTP/1.1\r\nHost: x\r\nSlipway-Worker: crowd%d\r\nSlipway-Session: %032d\r\n"
		"Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		path, worker, worker, strlen(body), body);

	if (write(fd, text, (size_t)n) != n)
		fail("write");
}

/* Small answers, which come in one piece. */
static void receive(int fd)
{
	char text[4096];
	ssize_t n = read(fd, text, sizeof(text) - 1);

	if (n <= 0)
		fail("the server hung up");
	text[n] = '\0';
	if (strncmp(text, "HTTP/1.1 200", 12) != 0) {
		fprintf(stderr, "%s\n", text);
		exit(1);
	}
}

static void ask_for_work(int fd, int worker, int64_t wait_ms)
{
	char body[300];

	snprintf(body, sizeof(body),
		 "{\"free\":1,\"wait_ms\":%lld,\"status\":{\"load_percent\":5,\"cache\":0,\"cache_max\":1,"
		 "\"disk_free\":2,\"disk_min\":1,\"disk_low\":false}}",
		 (long long)wait_ms);
	post(fd, worker, "/feed/lease", body);
}

/* They come one after another, and so ask anew one after another. */
static int come(int worker)
{
	char body[400];
	int fd = dial();

	snprintf(
		body, sizeof(body),
		"{\"name\":\"crowd%d\",\"machine\":\"m\",\"boot_id\":\"b\",\"session\":\"%032d\",\"version\":\"bench\","
		"\"arch\":\"amd64\",\"isolations\":[\"none\"],\"tags\":[],\"slots\":1,\"pid\":1}",
		worker, worker);
	post(fd, worker, "/feed/register", body);
	receive(fd);
	ask_for_work(fd, worker, 1 + WAIT_MS * (int64_t)(worker % 100) / 100);
	return fd;
}

static int follow(const char *job)
{
	char text[300];
	int fd = dial();
	int n = snprintf(text, sizeof(text), "GET /v1/jobs/%s/log?follow=1 HTTP/1.1\r\nHost: x\r\n\r\n", job);

	if (write(fd, text, (size_t)n) != n)
		fail("write");
	receive(fd);
	return fd;
}

static void stay(int epoll, bool is_workers, int64_t until_ms)
{
	struct epoll_event got[EVENTS];
	int64_t left;

	while ((left = until_ms - now_ms()) > 0) {
		int n = epoll_wait(epoll, got, EVENTS, (int)left);

		for (int i = 0; i < n; i++) {
			int fd = (int)(got[i].data.u64 >> 32), worker = (int)(uint32_t)got[i].data.u64;

			if (!is_workers) {
				fputs("the log has ended\n", stderr);
				exit(1);
			}
			receive(fd);
			ask_for_work(fd, worker, WAIT_MS);
		}
	}
}

int main(int argc, char **argv)
{
	bool is_workers = argc == 5 && strcmp(argv[2], "workers") == 0;
	struct rlimit files = { 20000, 20000 };
	int epoll = epoll_create1(0), n;

	if (!is_workers && (argc != 6 || strcmp(argv[2], "followers") != 0)) {
		fputs("crowd SOCKET workers N SECONDS | followers N JOB SECONDS\n", stderr);
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	socket_path = argv[1];
	n = (int)strtol(argv[3], NULL, 10);
	for (int i = 1; i <= n; i++) {
		int fd = is_workers ? come(i) : follow(argv[4]);
		struct epoll_event ev = { .events = EPOLLIN, .data.u64 = (uint64_t)fd << 32 | (uint32_t)i };

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
			fail("epoll");
	}
	puts("ready");
	fflush(stdout);
	stay(epoll, is_workers, now_ms() + 1000 * strtol(argv[argc - 1], NULL, 10));
	return 0;
}

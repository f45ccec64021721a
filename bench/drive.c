/* Loads a server through its socket and prints one JSON line a measurement. Plain HTTP/1.1 with keep-alive, written
 * out here, so that what is measured is the server and not a client library.
 *
 *   drive SOCKET enqueue N CLIENTS     N jobs, one a call, from so many connections at once
 *   drive SOCKET batch N               N jobs in one call
 *   drive SOCKET list ROUNDS           median of a page of 50
 *   drive SOCKET why ID ROUNDS         median of `why`
 *   drive SOCKET lease N PER           a worker of its own leases and finishes N jobs, PER a call: jobs/s
 *
 * The jobs carry a tag no worker has ("bench"), except for `lease`, whose worker offers it. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

struct reply {
	int status;
	char *body;
	size_t len, cap;
};

static const char *socket_path;
static const char job_body[] = "{\"argv\":[\"true\"],\"tags\":[\"bench\"]}";

static double now_s(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int dial(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	if (strlen(socket_path) >= sizeof a.sun_path) {
		errno = ENAMETOOLONG;
		fail(socket_path);
	}
	memcpy(a.sun_path, socket_path, strlen(socket_path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
		fail(socket_path);
	return fd;
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = send(fd, p, n, MSG_NOSIGNAL);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			fail("send");
		p += w;
		n -= (size_t)w;
	}
}

/* Reads one answer with a Content-Length, or chunked ones until the last chunk (body left in its chunked form). */
static void receive(int fd, struct reply *r)
{
	size_t head = 0;
	long want = -1;
	r->len = 0;
	for (;;) {
		if (r->cap - r->len < 65536) {
			r->cap = r->cap * 2 + 131072;
			r->body = realloc(r->body, r->cap);
			if (!r->body)
				fail("realloc");
		}
		ssize_t n = recv(fd, r->body + r->len, r->cap - r->len - 1, 0);
		if (n <= 0)
			fail("recv");
		r->len += (size_t)n;
		r->body[r->len] = '\0';
		if (!head) {
			char *end = strstr(r->body, "\r\n\r\n");
			if (!end)
				continue;
			head = (size_t)(end - r->body) + 4;
			r->status = (int)strtol(r->body + 9, NULL, 10);
			char *length = strcasestr(r->body, "content-length:");
			if (length && length < end)
				want = strtol(length + 15, NULL, 10);
		}
		if (want >= 0 ? r->len - head >= (size_t)want
			      : r->len >= head + 5 && memcmp(r->body + r->len - 5, "0\r\n\r\n", 5) == 0)
			break;
	}
	memmove(r->body, r->body + head, r->len - head + 1);
	r->len -= head;
}

static void call(int fd, const char *method, const char *path, const char *headers, const char *body,
		 size_t len, struct reply *r)
{
	char head[1024];
	int n = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: s\r\n%sContent-Length: %zu\r\n\r\n",
			 method, path, headers, len);
	send_all(fd, head, (size_t)n);
	if (len)
		send_all(fd, body, len);
	receive(fd, r);
	if (r->status >= 300) {
		fprintf(stderr, "drive: %s %s: %d %.300s\n", method, path, r->status, r->body);
		exit(1);
	}
}

#define JSON_TYPE "Content-Type: application/json\r\n"

struct client {
	pthread_t thread;
	int n;
};

static void *enqueue_some(void *arg)
{
	struct client *c = arg;
	struct reply r = { 0 };
	int fd = dial();
	for (int i = 0; i < c->n; i++)
		call(fd, "POST", "/v1/jobs", JSON_TYPE, job_body, sizeof job_body - 1, &r);
	close(fd);
	free(r.body);
	return NULL;
}

static void enqueue(int n, int clients)
{
	struct client *c = calloc((size_t)clients, sizeof *c);
	double t0 = now_s();
	for (int i = 0; i < clients; i++) {
		c[i].n = n / clients;
		if (pthread_create(&c[i].thread, NULL, enqueue_some, &c[i]))
			fail("thread");
	}
	for (int i = 0; i < clients; i++)
		pthread_join(c[i].thread, NULL);
	printf("{\"what\":\"enqueue\",\"clients\":%d,\"n\":%d,\"seconds\":%.4f}\n", clients, n, now_s() - t0);
	free(c);
}

static void batch(int n)
{
	size_t line = sizeof job_body; /* with its newline in place of the NUL */
	char *body = malloc(line * (size_t)n);
	if (!body)
		fail("malloc");
	for (int i = 0; i < n; i++) {
		memcpy(body + (size_t)i * line, job_body, line - 1);
		body[(size_t)i * line + line - 1] = '\n';
	}
	struct reply r = { 0 };
	int fd = dial();
	double t0 = now_s();
	call(fd, "POST", "/v1/jobs", "Content-Type: application/x-ndjson\r\n", body, line * (size_t)n, &r);
	printf("{\"what\":\"batch\",\"n\":%d,\"seconds\":%.4f}\n", n, now_s() - t0);
	free(body);
	free(r.body);
	close(fd);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static void get(const char *what, const char *path, int rounds)
{
	struct reply r = { 0 };
	double *t = calloc((size_t)rounds, sizeof *t);
	int fd = dial();
	for (int i = 0; i < rounds; i++) {
		double t0 = now_s();
		call(fd, "GET", path, "", NULL, 0, &r);
		t[i] = now_s() - t0;
	}
	qsort(t, (size_t)rounds, sizeof *t, by_value);
	printf("{\"what\":\"%s\",\"n\":%d,\"seconds\":%.7f}\n", what, rounds, t[rounds / 2]);
	free(t);
	free(r.body);
	close(fd);
}

/* The results of the specs in the last answer: each spec starts with its "job" and "attempt". What is said of the results
 * that were sent looks alike, and follows. */
static int results_of(const char *specs, char *out, size_t size)
{
	int n = 0;
	size_t used = 0;
	const char *end = specs ? strstr(specs, "],\"results\":") : NULL;
	for (const char *p = specs; p && (p = strstr(p, "{\"job\":")) && (!end || p < end); p++) {
		long long job = 0;
		int attempt = 0;
		if (sscanf(p, "{\"job\":%lld,\"attempt\":%d", &job, &attempt) != 2)
			continue;
		used += (size_t)snprintf(
			out + used, size - used,
			"%s{\"job\":%lld,\"attempt\":%d,\"outcome\":\"succeeded\",\"exit_code\":0}",
			n ? "," : "", job, attempt);
		n++;
	}
	return n;
}

static void lease(int n, int per)
{
	struct reply r = { 0 };
	int fd = dial();
	char body[512];
	snprintf(
		body, sizeof body,
		"{\"name\":\"bench\",\"machine\":\"bench\",\"boot_id\":\"b\",\"session\":\"%016llx\",\"version\":\"0\","
		"\"arch\":\"amd64\",\"isolations\":[\"none\"],\"tags\":[\"bench\"],\"slots\":%d,\"pid\":1}",
		(unsigned long long)(now_s() * 1e6), per);
	call(fd, "POST", "/feed/register", JSON_TYPE, body, strlen(body), &r);
	char headers[256], session[64];
	sscanf(strstr(body, "\"session\":\"") + 11, "%63[^\"]", session);
	snprintf(headers, sizeof headers, JSON_TYPE "Slipway-Worker: bench\r\nSlipway-Session: %s\r\n",
		 session);

	size_t size = (size_t)per * 128 + 256;
	char *results = malloc(size), *ask = malloc(size + 256);
	if (!results || !ask)
		fail("malloc");
	results[0] = '\0';
	int done = 0;
	double t0 = now_s();
	while (done < n) {
		snprintf(ask, size + 256, "{\"free\":%d,\"wait_ms\":1000,\"results\":[%s]}", per, results);
		call(fd, "POST", "/feed/lease", headers, ask, strlen(ask), &r);
		int got = results_of(strstr(r.body, "\"specs\""), results, size);
		if (!got) {
			results[0] = '\0';
			break;
		}
		done += got;
	}
	printf("{\"what\":\"lease\",\"per\":%d,\"n\":%d,\"seconds\":%.5f}\n", per, done, now_s() - t0);
	snprintf(ask, size + 256, "{\"free\":0,\"wait_ms\":0,\"results\":[%s]}", results);
	call(fd, "POST", "/feed/lease", headers, ask, strlen(ask), &r);
	call(fd, "POST", "/feed/leave", headers, "{}", 2, &r);
	free(results);
	free(ask);
	free(r.body);
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		fprintf(stderr,
			"usage: drive SOCKET enqueue N CLIENTS | batch N | list ROUNDS | why ID ROUNDS | lease N PER\n");
		return 2;
	}
	socket_path = argv[1];
	const char *mode = argv[2];
	int n = (int)strtol(argv[3], NULL, 10);
	int m = argc > 4 ? (int)strtol(argv[4], NULL, 10) : 1;
	if (strcmp(mode, "enqueue") == 0) {
		enqueue(n, m);
	} else if (strcmp(mode, "batch") == 0) {
		batch(n);
	} else if (strcmp(mode, "list") == 0) {
		get("list", "/v1/jobs?limit=50", n);
	} else if (strcmp(mode, "why") == 0) {
		char path[64];
		snprintf(path, sizeof path, "/v1/jobs/%d/why", n);
		get("why", path, m);
	} else if (strcmp(mode, "lease") == 0) {
		lease(n, m);
	} else {
		fprintf(stderr, "drive: unknown mode %s\n", mode);
		return 2;
	}
	return 0;
}

/* A bad line between two programs that speak TCP.
 *
 *   line PORT-FILE TO-ADDRESS:PORT [seed=N] [cut=LEAST-MOST] [piece=N] [rate=N]
 *
 * It listens on a free port of 127.0.0.1 and writes the number to PORT-FILE. Each connection is carried to the other address, in
 * pieces of up to `piece` bytes, and breaks after so many bytes of both ways together, reset or closed, as the seed says.
 *   SIGUSR2  from now on `rate` bytes a second go each way, on each connection
 *   SIGUSR1  half open: what the far end says gets lost, and nobody is told; again: as before, for new connections
 *   SIGTERM  ends it; it says on stdout how many connections there were and how many broke. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PAIRS = 200, ROOM = 16384 };

struct pair {
	int fds[2];	    /* who dialled, and the far end; -1: free */
	int64_t left;	    /* bytes until it breaks; -1: never */
	int64_t next_ms[2]; /* no byte of that way before */
	bool is_half;
};

static struct pair pairs[PAIRS];
static volatile sig_atomic_t is_slow, is_half, is_over;
static uint64_t state = 88172645463325252ULL;
static int64_t cut_least, cut_most, piece = ROOM, rate = 1;
static struct sockaddr_in far_end = { .sin_family = AF_INET };
static long connections, breaks;

static uint64_t below(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n ? state % n : 0;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void on_signal(int sig)
{
	if (sig == SIGUSR1)
		is_half = !is_half;
	else if (sig == SIGUSR2)
		is_slow = 1;
	else
		is_over = 1;
}

static void end(struct pair *p, bool is_reset)
{
	const struct linger now = { .l_onoff = 1 };

	for (int i = 0; i < 2; i++) {
		if (is_reset)
			setsockopt(p->fds[i], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		close(p->fds[i]);
		p->fds[i] = -1;
	}
}

static void carry(struct pair *p, int from)
{
	char bytes[ROOM];
	int64_t most = 1 + (int64_t)below((uint64_t)piece);
	ssize_t n, done = 0;

	if (is_slow && most > rate)
		most = rate;
	if (p->left >= 0 && most > p->left)
		most = p->left;
	n = most ? read(p->fds[from], bytes, (size_t)most) : 0;
	if (n < 0 && errno == EAGAIN)
		return;
	if (from == 1 && p->is_half && n > 0)
		return;
	while (n > 0 && done < n) {
		ssize_t m = send(p->fds[!from], bytes + done, (size_t)(n - done), MSG_NOSIGNAL);

		if (m <= 0)
			break;
		done += m;
	}
	if (p->left > 0)
		p->left -= done;
	if (is_slow)
		p->next_ms[from] = now_ms() + 1000 * (int64_t)done / rate;
	if (n <= 0 || done < n || p->left == 0) {
		breaks += p->left == 0;
		end(p, p->left == 0 && below(2));
	}
}

static void take(int listener)
{
	int fd = accept(listener, NULL, NULL);
	struct pair *p = pairs;

	while (p < pairs + PAIRS && p->fds[0] >= 0)
		p++;
	if (fd < 0 || p == pairs + PAIRS) {
		close(fd);
		return;
	}
	*p = (struct pair){ .fds = { fd, socket(AF_INET, SOCK_STREAM, 0) }, .left = -1, .is_half = is_half };
	if (connect(p->fds[1], (struct sockaddr *)&far_end, sizeof(far_end)) < 0) {
		end(p, true);
		return;
	}
	connections++;
	if (cut_most)
		p->left = cut_least + (int64_t)below((uint64_t)(cut_most - cut_least + 1));
}

static void turn(int listener)
{
	struct pollfd fds[2 * PAIRS + 1];
	int64_t now = now_ms();

	for (int i = 0; i < 2 * PAIRS; i++) {
		const struct pair *p = &pairs[i / 2];

		fds[i] = (struct pollfd){ p->next_ms[i % 2] > now ? -1 : p->fds[i % 2], POLLIN, 0 };
	}
	fds[2 * PAIRS] = (struct pollfd){ listener, POLLIN, 0 };
	if (poll(fds, 2 * PAIRS + 1, is_slow ? 20 : 500) <= 0)
		return;
	for (int i = 0; i < 2 * PAIRS; i++)
		if (fds[i].revents && pairs[i / 2].fds[i % 2] == fds[i].fd)
			carry(&pairs[i / 2], i % 2);
	if (fds[2 * PAIRS].revents)
		take(listener);
}

static int read_option(const char *text)
{
	long long a, b;

	if (sscanf(text, "seed=%lld", &a) == 1)
		state = (uint64_t)a * 0x9e3779b97f4a7c15ULL + 1;
	else if (sscanf(text, "cut=%lld-%lld", &a, &b) == 2)
		cut_least = a, cut_most = b;
	else if (sscanf(text, "piece=%lld", &a) == 1 && a > 0 && a <= ROOM)
		piece = a;
	else if (sscanf(text, "rate=%lld", &a) == 1 && a > 0)
		rate = a;
	else
		return -1;
	return 0;
}

static int listen_somewhere(const char *port_file)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	FILE *f = fopen(port_file, "we");

	if (fd < 0 || !f || bind(fd, (struct sockaddr *)&here, len) < 0 || listen(fd, 100) < 0 ||
	    getsockname(fd, (struct sockaddr *)&here, &len) < 0)
		return -1;
	fprintf(f, "%d\n", ntohs(here.sin_port));
	fclose(f);
	return fd;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = on_signal };
	char address[64] = "";
	unsigned port = 0;
	int listener;

	if (argc < 3 || sscanf(argv[2], "%63[^:]:%u", address, &port) != 2 ||
	    inet_pton(AF_INET, address, &far_end.sin_addr) != 1) {
		fputs("line PORT-FILE ADDRESS:PORT [seed=N] [cut=LEAST-MOST] [piece=N] [rate=N]\n", stderr);
		return 2;
	}
	far_end.sin_port = htons((uint16_t)port);
	for (int i = 3; i < argc; i++)
		if (read_option(argv[i]) < 0)
			return 2;
	sigaction(SIGUSR1, &act, NULL);
	sigaction(SIGUSR2, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	for (int i = 0; i < PAIRS; i++)
		pairs[i].fds[0] = pairs[i].fds[1] = -1;
	listener = listen_somewhere(argv[1]);
	if (listener < 0) {
		perror("line");
		return 1;
	}
	while (!is_over)
		turn(listener);
	printf("%ld connections, %ld broke\n", connections, breaks);
	return 0;
}

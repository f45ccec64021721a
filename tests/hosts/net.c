#include "net.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "rig.h"

extern char **environ;

enum { HOSTS_MAX = 16, WORDS_MAX = 32 };

static char bridge[24];
static char names[HOSTS_MAX][24];
static int names_len;

/* A command, split at blanks; its status. What it says is not for the reader unless `is_loud`. */
static int run(bool is_loud, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static int run(bool is_loud, const char *fmt, va_list ap)
{
	char line[300], *words[WORDS_MAX + 1] = { NULL }, *at = line;
	posix_spawn_file_actions_t files;
	int status = -1, n = 0;
	pid_t pid;

	vsnprintf(line, sizeof(line), fmt, ap);
	for (char *word; n < WORDS_MAX && (word = strsep(&at, " "));)
		words[n++] = word;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
	if (!is_loud)
		posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	if (posix_spawnp(&pid, words[0], &files, NULL, words, environ) == 0)
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	posix_spawn_file_actions_destroy(&files);
	return status;
}

static bool can(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static bool can(const char *fmt, ...)
{
	va_list ap;
	int status;

	va_start(ap, fmt);
	status = run(false, fmt, ap);
	va_end(ap);
	return status == 0;
}

static void must(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void must(const char *fmt, ...)
{
	va_list ap;
	int status;

	va_start(ap, fmt);
	status = run(true, fmt, ap);
	va_end(ap);
	if (status != 0)
		tap_die("a command for the network failed: %s", fmt);
}

static void remove_all(void)
{
	while (names_len > 0)
		can("ip netns del %s", names[--names_len]);
}

static void note(const char *name)
{
	if (names_len == HOSTS_MAX)
		tap_die("too many hosts");
	snprintf(names[names_len++], sizeof(names[0]), "%s", name);
}

const char *net_why_not(char *why, size_t room)
{
	char name[24];

	*why = '\0';
	snprintf(name, sizeof(name), "slwtry%d", (int)getpid());
	if (geteuid() != 0)
		snprintf(why, room, "only root may make machines of network namespaces");
	else if (!can("ip -V") || !can("nsenter -V"))
		snprintf(why, room, "iproute2 and util-linux are not installed");
	else if (!can("ip netns add %s", name))
		snprintf(why, room, "no network namespaces can be made here");
	else if (!can("ip -n %s link add br0 type bridge", name) ||
		 !can("ip -n %s link add p-a type veth peer name p-b", name))
		snprintf(why, room, "this kernel has no bridges or no veth");
	can("ip netns del %s", name);
	return why;
}

void net_open(void)
{
	snprintf(bridge, sizeof(bridge), "slw%d-net", (int)getpid());
	atexit(remove_all);
	must("ip netns add %s", bridge);
	note(bridge);
	must("ip -n %s link add br0 type bridge", bridge);
	must("ip -n %s link set br0 up", bridge);
}

void net_add(struct net_host *h, const char *name, int number)
{
	snprintf(h->name, sizeof(h->name), "slw%d-%s", (int)getpid(), name);
	snprintf(h->path, sizeof(h->path), "/run/netns/%s", h->name);
	snprintf(h->port, sizeof(h->port), "p-%s", name);
	snprintf(h->address, sizeof(h->address), "10.77.0.%d", number);
	must("ip netns add %s", h->name);
	note(h->name);
	must("ip -n %s link add %s type veth peer name eth0 netns %s", bridge, h->port, h->name);
	must("ip -n %s link set %s master br0 up", bridge, h->port);
	must("ip -n %s address add %s/24 dev eth0", h->name, h->address);
	must("ip -n %s link set eth0 up", h->name);
	must("ip -n %s link set lo up", h->name);
	h->is_there = true;
}

void net_cut(const struct net_host *h, bool is_cut)
{
	must("ip -n %s link set %s %s", bridge, h->port, is_cut ? "down" : "up");
	/* Who asked for a neighbour just before is told only after seconds that there is none. */
	if (!is_cut)
		can("ip -n %s neighbour flush dev eth0", h->name);
}

void net_deafen(const struct net_host *h, const struct net_host *to, bool is_deaf)
{
	must("ip -n %s route %s blackhole %s/32", h->name, is_deaf ? "add" : "del", to->address);
}

bool net_slow(const struct net_host *h, int kbit)
{
	if (!kbit) {
		can("tc -n %s qdisc del dev eth0 root", h->name);
		can("tc -n %s qdisc del dev %s root", bridge, h->port);
		return true;
	}
	return can("tc -n %s qdisc replace dev eth0 root tbf rate %dkbit burst 4k latency 200ms", h->name,
		   kbit) &&
	       can("tc -n %s qdisc replace dev %s root tbf rate %dkbit burst 4k latency 200ms", bridge,
		   h->port, kbit);
}

bool net_has_netem(void)
{
	bool has = can("tc -n %s qdisc add dev br0 root netem delay 1ms", bridge);

	if (has)
		can("tc -n %s qdisc del dev br0 root", bridge);
	return has;
}

bool net_shuffle(const struct net_host *h, bool is_shuffled)
{
	return is_shuffled
		       ? can("tc -n %s qdisc replace dev eth0 root netem delay 10ms reorder 75%% duplicate 10%%",
			     h->name)
		       : can("tc -n %s qdisc del dev eth0 root", h->name);
}

#include "cli/serve_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/parse.h"

enum { BACKLOG = 4096 };

static bool socket_has_ipv6(void)
{
	CLEAN_FD int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0;
}

/* Servers on one PostgreSQL may share a folder, which is not locked then; but not a socket. */
static bool is_answered(const struct sockaddr_un *at)
{
	CLEAN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;
}

int serve_socket_listen(const char *path, mode_t mode, struct err *e)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	struct stat st;
	if (strlen(path) >= sizeof at.sun_path)
		return err_set(e, ERR_USAGE,
			       "%s: a socket's path has at most %zu bytes; choose a shorter --data", path,
			       sizeof at.sun_path - 1);
	memcpy(at.sun_path, path, strlen(path));
	if (lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_set(e, ERR_CONFLICT, "%s is in the way: it is no socket", path);
	if (is_answered(&at))
		return err_set(e, ERR_BUSY, "%s is another server's; give this one another --listen", path);
	if (unlink(path) && errno != ENOENT)
		return err_sys(e, "remove the old %s", path);
	CLEAN_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) || chmod(path, mode) || listen(fd, BACKLOG))
		return err_sys(e, "listen on %s", path);
	return take_fd(&fd);
}

/* --- TCP --- */

struct tcp_place {
	char host[256], port[16];
	bool is_any;
};

static int parse_place(const char *address, struct tcp_place *p, struct err *e)
{
	const char *colon = strrchr(address, ':');
	int64_t port;
	size_t len = colon ? (size_t)(colon - address) : 0;
	if (!colon || len >= sizeof p->host || parse_int("port", colon + 1, 0, 65535, &port, e))
		return err_set(e, ERR_USAGE, "--listen https://%s: not of the form ADDRESS:PORT", address);
	if (len > 2 && address[0] == '[' && address[len - 1] == ']')
		snprintf(p->host, sizeof p->host, "%.*s", (int)len - 2, address + 1);
	else
		snprintf(p->host, sizeof p->host, "%.*s", (int)len, address);
	snprintf(p->port, sizeof p->port, "%d", (int)port);
	p->is_any = !p->host[0] || strcmp(p->host, "*") == 0 || strcmp(p->host, "0.0.0.0") == 0 ||
		    strcmp(p->host, "::") == 0;
	if (strcmp(p->host, "*") == 0)
		p->host[0] = '\0';
	return 0;
}

static int bind_first(const struct addrinfo *list, const char *address, struct err *e)
{
	const int on = 1, off = 0;
	for (const struct addrinfo *i = list; i; i = i->ai_next) {
		CLEAN_FD int fd = socket(i->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
		/* All of IPv4 too, where all is meant. */
		if (i->ai_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
		if (bind(fd, i->ai_addr, i->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
			return take_fd(&fd);
	}
	return err_sys(e, "listen on https://%s", address);
}

static int write_url(int fd, const struct tcp_place *p, struct buf *url, struct err *e)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = { .v6 = { .sin6_port = 0 } };
	socklen_t len = sizeof at;
	char host[256] = "";
	if (getsockname(fd, &at.any, &len))
		return err_sys(e, "find the port");
	in_port_t port = at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port;
	gethostname(host, sizeof host - 1);
	const char *name = p->is_any ? host : p->host;
	bool is_v6 = strchr(name, ':') != NULL;
	buf_addf(url, "https://%s%s%s:%d", is_v6 ? "[" : "", name, is_v6 ? "]" : "", ntohs(port));
	return buf_check(url, e);
}

int serve_socket_listen_tcp(const char *address, struct buf *url, struct err *e)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
					.ai_socktype = SOCK_STREAM,
					.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	struct tcp_place p = { .is_any = false };
	if (parse_place(address, &p, e))
		return -1;
	/* Of the two addresses that stand for all, IPv6's takes IPv4 along. */
	bool is_all = p.is_any && !p.host[0] && socket_has_ipv6();
	int rc = getaddrinfo(is_all ? "::" : p.host[0] ? p.host : "0.0.0.0", p.port, &hints, &list);
	if (rc != 0)
		return err_set(e, ERR_USAGE, "--listen https://%s: %s", address, gai_strerror(rc));
	CLEAN_FD int fd = bind_first(list, address, e);
	freeaddrinfo(list);
	if (fd < 0 || write_url(fd, &p, url, e))
		return -1;
	return take_fd(&fd);
}

void serve_notify(const char *text)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof at.sun_path)
		return;
	memcpy(at.sun_path, path, strlen(path));
	if (at.sun_path[0] == '@')
		at.sun_path[0] = '\0';
	CLEAN_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	if (fd >= 0)
		(void)!sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&at, len);
}

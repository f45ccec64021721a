/* Addresses of servers, as a user gives them. */
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "http/client_priv.h"

static int open_unix(struct client_address *a, const char *path, struct err *e)
{
	struct sockaddr_un sa;

	if (!*path)
		return err_set(e, ERR_USAGE, "server address \"%s\" names no socket", a->text);
	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(e, ERR_USAGE, "server address %s: the path of a socket has at most %zu bytes",
			       a->text, sizeof(sa.sun_path) - 1);
	a->socket_path = strdup(path);
	if (!a->socket_path)
		return err_set(e, ERR_NOMEM, "out of memory");
	return 0;
}

/* HOST or HOST:PORT; what would be a part of a path or a name and password is a slip. */
static int open_https(struct client_address *a, struct err *e)
{
	size_t len = strlen(a->text);

	while (len > 8 && a->text[len - 1] == '/')
		a->text[--len] = '\0';
	if (len == 8 || strpbrk(a->text + 8, "/@?#%\\ "))
		return err_set(e, ERR_USAGE, "server address %s is not of the form https://HOST:PORT",
			       a->text);
	return 0;
}

static int add_address(struct client *c, const char *text, size_t len, struct err *e)
{
	struct client_address *grown = reallocarray(c->addresses, c->addresses_len + 1, sizeof(*grown));
	struct client_address *a;

	if (!grown)
		return err_set(e, ERR_NOMEM, "out of memory");
	c->addresses = grown;
	a = &grown[c->addresses_len++];
	*a = (struct client_address){ .text = strndup(text, len) };
	if (!a->text)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (strncmp(a->text, "unix:", 5) == 0)
		return open_unix(a, a->text + 5, e);
	if (strncmp(a->text, "https://", 8) == 0)
		return open_https(a, e);
	return err_set(e, ERR_USAGE, "server address \"%s\" is not of the form unix:PATH or https://HOST",
		       a->text);
}

static bool is_address(const char *text)
{
	return strncmp(text, "unix:", 5) == 0 || strncmp(text, "https://", 8) == 0;
}

/* The length of the first address, and in *next where the one after it begins. */
static size_t first_address(const char *text, const char **next)
{
	static const char between[] = ", \t\n";

	for (size_t len = 0;; len++) {
		size_t gap = strspn(text + len, between);

		if (text[len] && (!gap || (text[len + gap] && !is_address(text + len + gap))))
			continue;
		*next = text + len + gap;
		return len;
	}
}

int client_add_addresses(struct client *c, const char *server, struct err *e)
{
	server += strspn(server, ", \t\n");
	do {
		const char *next;
		size_t len = first_address(server, &next);

		if (add_address(c, server, len, e) < 0)
			return -1;
		server = next;
	} while (*server);
	return 0;
}

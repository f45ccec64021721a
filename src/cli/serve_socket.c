#include "cli/serve_socket.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"

enum { BACKLOG = 4096 };

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

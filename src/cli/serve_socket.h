/* The socket that serve answers on, and the word to who started it. Main thread only. */
#ifndef SLIPWAY_CLI_SERVE_SOCKET_H
#define SLIPWAY_CLI_SERVE_SOCKET_H

#include <sys/types.h>

struct err;

/* Listens on a unix socket at `path`. A file that is in the way is removed: the caller holds the lock of the folder,
 * so nobody answers there. -1 on failure. */
int serve_socket_listen(const char *path, mode_t mode, struct err *e);
/* The protocol of systemd's services ("READY=1"); nothing happens if no NOTIFY_SOCKET is set. */
void serve_notify(const char *text);

#endif

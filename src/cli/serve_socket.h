/* The socket that serve answers on, and the word to who started it. Main thread only. */
#ifndef SLIPWAY_CLI_SERVE_SOCKET_H
#define SLIPWAY_CLI_SERVE_SOCKET_H

#include <sys/types.h>

struct buf;
struct err;

/* Listens on a unix socket at `path`. A file that is in the way is removed: the caller holds the lock of the folder,
 * so nobody answers there. -1 on failure. */
int serve_socket_listen(const char *path, mode_t mode, struct err *e);
/* Listens for TCP at "HOST:PORT": a name, an address, [an IPv6 address], or * for all of this machine's. Port 0: the kernel
 * chooses. `url` gets https://HOST:PORT as others may reach it: with this machine's name for an address that stands for all. */
int serve_socket_listen_tcp(const char *address, struct buf *url, struct err *e);
/* The protocol of systemd's services ("READY=1"); nothing happens if no NOTIFY_SOCKET is set. */
void serve_notify(const char *text);

#endif

/* The server: the /v1 API and the /feed of workers over one store.
 *
 * Life: server_open (opens the store, loads build types), server_listen (answers on a socket), server_drain (gives
 * out nothing more), server_close. One at a time in a process; these calls come from one thread. Inside, nothing
 * waits: HTTP threads hand tasks to the store and park the request (http/server.h); one thread keeps time, one does
 * what takes long (big batches).
 * Read next: server_priv.h, route.h. */
#ifndef SLIPWAY_SERVER_SERVER_H
#define SLIPWAY_SERVER_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct buf;
struct err;
struct server;
struct tls_server;

struct server_options {
	const char *data_dir;  /* this server's alone */
	const char *files_dir; /* blobs and logs, shared by all servers on one database; NULL = data_dir */
	const char *db_url;
	const char *types_dir; /* folder of build types; NULL = none */
	int64_t lease_ms;      /* 0 = 20 s; a worker renews four times as often */
	int64_t holder_ms; /* status names a transaction open for so long that holds back vacuum; 0 = 5 min */
	int http_threads;  /* 0 = 2 */
};

/* ERR_UNREACHABLE: the database is not there (yet); whoever can wait tries again. */
int server_open(struct server **out, const struct server_options *o, struct err *e);
/* Takes the listening descriptor, of a unix socket. */
int server_listen(struct server *s, int listen_fd, struct err *e);
/* The same for the network. `tls` is borrowed, and the same at all calls; `public_url` is where workers and people on other
 * machines are told to come to (the first call's). */
int server_listen_tls(struct server *s, int listen_fd, struct tls_server *tls, const char *public_url,
		      struct err *e);
/* Unlike any other server's on the same database; the own worker has it as well. The machine's, if it can be. */
const char *server_name(const struct server *s);
/* The process that is this server's own worker, 0 = none now. What it held before is lost with it; but what a worker
 * of an earlier server held is released: the server's end, not the job, was the cause. */
void server_set_own_worker(struct server *s, pid_t pid);
/* Parked leases are answered, no more work is given out; everything else goes on. */
void server_drain(struct server *s);
/* NULL is fine. */
void server_close(struct server *s);

/* docs/API.md, from the table of routes. */
void server_api_doc(struct buf *out);

#endif

/* Stands between a store and its PostgreSQL and loses what it is told to lose. */
#ifndef SLIPWAY_TESTS_PG_PROXY_H
#define SLIPWAY_TESTS_PG_PROXY_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

enum pg_cut {
	PG_CUT_NONE,
	PG_CUT_BEFORE,	/* the next commit never reaches the server */
	PG_CUT_AFTER,	/* the server commits, and its answer is lost */
	PG_CUT_AT_ONCE, /* either: nobody waits for the answer */
	PG_CUT_DOWN,	/* nothing gets through, until it is told otherwise */
};

struct pg_proxy {
	char dir[64], upstream[108];
	char *url; /* of the database, by way of the proxy */
	int listen_fd, stop_fds[2];
	pthread_t thread;
	_Atomic int cut; /* enum pg_cut; back to none once it was done */
	_Atomic int cuts;
};

void pg_proxy_start(struct pg_proxy *p, const char *url);
void pg_proxy_stop(struct pg_proxy *p);

#endif

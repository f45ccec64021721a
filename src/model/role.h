/* Who may do what: one table of roles and of the kinds of access that routes ask for (src/server/routes.c). What the table
 * does not allow is denied. Pure; any thread. */
#ifndef SLIPWAY_MODEL_ROLE_H
#define SLIPWAY_MODEL_ROLE_H

#include <stdbool.h>

/* Numbers are stored (table token). */
enum role {
	ROLE_NOBODY, /* brings no credential */
	ROLE_ADMIN, /* everything that people may do; and, on the server's own machine, the feed under any name */
	ROLE_SUBMITTER, /* reads, submits, and changes jobs of his own */
	ROLE_READER,	/* reads */
	ROLE_WORKER,	/* the feed, under its own name */
	ROLE_JOIN,	/* may become a worker, once */
	ROLES,
};

enum access {
	ACCESS_OPEN,	 /* anybody, without a credential */
	ACCESS_READ,	 /* people's reading */
	ACCESS_SUBMIT,	 /* people's writing; the handler looks at owners */
	ACCESS_ADMIN,	 /* what concerns everybody */
	ACCESS_WORKER,	 /* the feed, with the headers of a session */
	ACCESS_REGISTER, /* the feed without a session: register, rotate */
	ACCESS_JOIN,	 /* a join token becomes a worker's credential */
	ACCESSES,
};

bool role_may(enum role r, enum access a);
const char *role_name(enum role r);
/* -1: there is no such role. */
int role_parse(const char *name);

#endif

/* Hearing what others say by NOTIFY. */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>

#include "db/postgres_priv.h"

static void deliver(PGconn *c, db_heard_fn *fn, void *ctx)
{
	PGnotify *n;
	while ((n = PQnotifies(c))) {
		fn(ctx, n->extra);
		PQfreemem(n);
	}
}

int postgres_wait(struct db *db, int wake_fd, int timeout_ms, db_heard_fn *fn, void *ctx, struct err *e)
{
	PGconn *c = postgres_connection(db);
	if (db->is_lost)
		return err_set(e, ERR_BUSY, "database: the connection is lost");
	/* What came along with an answer. */
	deliver(c, fn, ctx);
	struct pollfd fds[2] = { { .fd = PQsocket(c), .events = POLLIN },
				 { .fd = wake_fd, .events = POLLIN } };
	if (poll(fds, 2, timeout_ms) < 0 && errno != EINTR)
		return err_sys(e, "wait for the database");
	if (fds[0].revents && !PQconsumeInput(c)) {
		pg_error_connection(c, "wait", ERR_BUSY, e);
		db->is_lost = db->must_repeat = true;
		return -1;
	}
	deliver(c, fn, ctx);
	return 0;
}

/* A database behind a connection: it can break, and with it the answer to a commit; and others write into it.
 *
 * Each transaction that writes begins by giving its number to this server's row in the table writer. The row stays
 * locked until the transaction has ended, whoever hears of that. So after a lost answer one look at it, which waits for
 * the lock, tells what became of the commit: the number is there, or the one before. */
#include "base/clock.h"
#include "store/store_priv.h"

enum {
	CONNECT_PATIENCE_MS = 5000, /* a call waits so long for a database that has gone */
	FATE_PATIENCE_MS = 30000,   /* and so long to learn whether it was done */
	CLOCK_STEP_MS = 1000,	    /* the database's clock going back by less is the network's delay */
};

bool store_is_shared(const struct store *s)
{
	return db_caps(s->writer.db) & DB_REMOTE;
}

/* The time of the database's machine is the store's, so that servers agree. An answer comes late, never early:
 * the least late one so far is the best. */
static void note_clock(struct store *s, const struct db *db)
{
	int64_t offset = db_began_ms(db) - clock_boot_ms(), known = s->clock_offset_ms;
	if (offset > known || offset < known - CLOCK_STEP_MS)
		s->clock_offset_ms = offset;
}

/* Where there is no connection, a new one. */
static int connect_again(struct tx *tx, int64_t patience_ms, struct err *e)
{
	struct remote *r = &tx->remote;
	int64_t until_ms = clock_boot_ms() + patience_ms;
	/* Who comes late waits no longer than those before him have waited together. */
	if (r->lost_ms)
		until_ms = r->lost_ms + patience_ms;
	else
		r->lost_ms = clock_boot_ms();
	for (int i = 0; db_is_lost(tx->db); i++) {
		if (i)
			dbserver_pause(i);
		if (db_reconnect(tx->db, e) < 0 && clock_boot_ms() >= until_ms) {
			err_wrap(e, "try again later");
			if (e)
				e->code = ERR_BUSY;
			return -1;
		}
	}
	r->lost_ms = 0;
	err_clear(e);
	return 0;
}

int remote_begin(struct tx *tx, struct err *e)
{
	struct remote *r = &tx->remote;
	for (int i = 0;; i++) {
		if (db_is_lost(tx->db) && connect_again(tx, CONNECT_PATIENCE_MS, e) < 0)
			return -1;
		int rc = r->writer ? db_begin_with(tx->db, STMT_WRITER_MARK,
						   DB_ARGS(db_int(r->writer), db_int(r->n + 1),
							   db_int(store_now_ms(tx->store))),
						   e)
				   : db_begin(tx->db, e);
		if (rc == 0)
			break;
		db_rollback(tx->db);
		/* A connection that was idle may have died long ago: that is found out now. */
		if (!db_must_repeat(tx->db) || i == 4)
			return -1;
		dbserver_pause(i);
	}
	err_clear(e);
	r->n++;
	note_clock(tx->store, tx->db);
	return 0;
}

/* 1 committed, 0 aborted, -1 not known (yet). */
static int ask_fate(struct tx *tx, struct err *e)
{
	const struct remote *r = &tx->remote;
	int64_t n = -1;
	if (db_is_lost(tx->db) && connect_again(tx, FATE_PATIENCE_MS, e) < 0)
		return -1;
	int rc = db_begin(tx->db, e);
	if (rc == 0)
		rc = tx_get_int(tx, STMT_WRITER_MARKED, DB_ARGS(db_int(r->writer)), &n, e);
	db_rollback(tx->db);
	if (rc < 0)
		return -1;
	if (n < 0)
		return err_set(e, ERR_UNCERTAIN, "the database no longer knows this server");
	return n == r->n;
}

int remote_commit(struct tx *tx, struct err *e)
{
	int64_t until_ms = clock_boot_ms() + FATE_PATIENCE_MS;
	struct err why = ERR_INIT;
	int rc = db_commit(tx->db, &why);
	if (rc == 0 || why.code != ERR_UNCERTAIN) {
		if (rc < 0)
			*e = why;
		return rc;
	}
	for (int i = 0;; i++) {
		int fate = ask_fate(tx, e);
		if (fate == 1)
			return 0;
		if (fate == 0) {
			/* As if it had broken before the commit. */
			tx->remote.is_aborted = true;
			return err_set(e, ERR_BUSY, "%s", why.text);
		}
		if (clock_boot_ms() >= until_ms || (e && e->code == ERR_UNCERTAIN))
			return err_set(e, ERR_UNCERTAIN, "nobody knows whether this was done: %s", why.text);
		dbserver_pause(i);
	}
}

bool remote_must_repeat(struct tx *tx)
{
	return db_must_repeat(tx->db) || tx->remote.is_aborted;
}

int remote_begin_reading(struct tx *tx, struct err *e)
{
	for (int i = 0;; i++) {
		if (db_is_lost(tx->db) && connect_again(tx, CONNECT_PATIENCE_MS, e) < 0)
			return -1;
		if (db_begin(tx->db, e) == 0)
			break;
		db_rollback(tx->db);
		if (!db_must_repeat(tx->db) || i == 4)
			return -1;
	}
	err_clear(e);
	note_clock(tx->store, tx->db);
	return 0;
}

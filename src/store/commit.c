/* How tasks become transactions. */
#include "store/store_priv.h"

enum {
	GROUP_TRIES = 3,
	ALONE_TRIES = 8,
	READ_TRIES = 2,
};

static void finish_all(struct store_task *head)
{
	while (head) {
		/* done() may free the task. */
		struct store_task *next = head->next;
		head->done(head);
		head = next;
	}
}

static void fail_one(struct store_task *t, const struct err *why)
{
	t->rc = -1;
	t->err = *why;
}

/* The tasks that went well so far share the fate of the transaction; those that failed keep their own
 * reason. */
static void fail_all(struct store_task *head, const struct err *why)
{
	for (struct store_task *t = head; t; t = t->next)
		if (t->rc >= 0)
			fail_one(t, why);
}

static int run_task(struct tx *tx, struct store_task *t)
{
	tx->now_ms = store_now_ms(tx->store);
	t->err = ERR_INIT;
	t->rc = t->run(tx, t, &t->err);
	if (t->rc < 0 && t->err.code == ERR_NONE)
		err_set(&t->err, ERR_INTERNAL, "a task failed without saying why");
	return t->rc;
}

/* One of several: alone in a savepoint. -1: the whole transaction is gone. */
static int run_among(struct tx *tx, struct store_task *t, bool *is_done, struct err *why)
{
	struct tx_mark before;
	tx_mark(tx, &before);
	if (db_savepoint(tx->db, why) < 0)
		return -1;
	if (run_task(tx, t) >= 0) {
		/* What was held back is done now, and may fail now. */
		if (db_release(tx->db, &t->err) == 0) {
			*is_done = true;
			return 0;
		}
		t->rc = -1;
	}
	tx_undo(tx, &before);
	if (!db_is_in_transaction(tx->db) || db_must_repeat(tx->db)) {
		*why = t->err;
		return -1;
	}
	return db_rollback_to(tx->db, why);
}

static int run_tasks(struct tx *tx, struct store_task *head, bool *is_done, struct err *why)
{
	if (!head->next) {
		*is_done = run_task(tx, head) >= 0;
		if (!db_must_repeat(tx->db))
			return 0;
		*why = head->err;
		if (why->code == ERR_NONE)
			err_set(why, ERR_BUSY, "another transaction was in the way; try again");
		return -1;
	}
	for (struct store_task *t = head; t; t = t->next)
		if (run_among(tx, t, is_done, why) < 0)
			return -1;
	return 0;
}

/* Everything that is to be durable, or an error and nothing. */
static int write_group(struct tx *tx, struct store_task *head, struct err *why)
{
	bool is_done = false, is_remote = store_is_shared(tx->store);
	if ((is_remote ? remote_begin(tx, why) : db_begin(tx->db, why)) < 0 ||
	    run_tasks(tx, head, &is_done, why) < 0)
		return -1;
	if (!is_done) {
		db_rollback(tx->db);
		return 0;
	}
	if (tx_flush(tx, why) < 0)
		return -1;
	return is_remote ? remote_commit(tx, why) : db_commit(tx->db, why);
}

static int try_group(struct store *s, struct store_task *head, struct err *why)
{
	struct tx *tx = &s->writer;
	struct tx_mark start;
	*why = ERR_INIT;
	tx->remote.is_aborted = false;
	tx_mark(tx, &start);
	int rc = write_group(tx, head, why);
	if (rc < 0)
		db_rollback(tx->db);
	/* A lone task that failed leaves something to undo as well. */
	if (rc < 0 || (head->rc < 0 && !head->next))
		tx_undo(tx, &start);
	return rc;
}

/* What was undone by bad luck is run again, from the beginning. There is at least one task. */
static int try_often(struct store *s, struct store_task *head, int tries, struct err *why)
{
	for (int i = 0;; i++) {
		struct store_task *t = head;
		do
			t->rc = 0;
		while ((t = t->next));
		if (try_group(s, head, why) == 0)
			return 0;
		if (i == tries || why->code == ERR_UNCERTAIN || !remote_must_repeat(&s->writer))
			return -1;
		/* A value that is taken may be another's who was faster; twice in a row it hardly is. */
		if (why->code == ERR_CONFLICT && i >= 2)
			return -1;
		dbserver_pause(i);
	}
}

static void tell(struct store *s)
{
	struct tx *tx = &s->writer;
	if (tx->changes_len && s->watch)
		s->watch(s->ctx, tx->changes, tx->changes_len);
	tx_settle(tx);
}

/* Each by itself: one of them is in the way of all. */
static void write_alone(struct store *s, struct store_task *head)
{
	for (struct store_task *next; head; head = next) {
		struct err why;
		next = head->next;
		head->next = NULL;
		if (try_often(s, head, ALONE_TRIES, &why) < 0)
			fail_all(head, &why);
		tell(s);
		finish_all(head);
	}
}

/* Would the tasks fare better without each other? Not if the database is what is missing. */
static bool is_anothers_fault(const struct store *s, const struct store_task *head, const struct err *why)
{
	if (!store_is_shared(s) || !head->next || why->code == ERR_UNCERTAIN)
		return false;
	return why->code != ERR_BUSY || db_must_repeat(s->writer.db);
}

void store_run_writes(struct store *s, struct store_task *head)
{
	struct err why = s->broken;
	if (why.code != ERR_NONE) {
		fail_all(head, &why);
		finish_all(head);
		return;
	}
	if (try_often(s, head, GROUP_TRIES, &why) < 0) {
		if (is_anothers_fault(s, head, &why)) {
			write_alone(s, head);
			return;
		}
		fail_all(head, &why);
	}
	/* After a failed write or fsync nobody knows what the disk holds. To try again would be to guess. */
	if (db_is_broken(s->writer.db))
		err_set(&s->broken, ERR_SYSTEM, "the store takes no more writes until it is opened anew: %s",
			why.text);
	tell(s);
	finish_all(head);
}

static int begin_reading(struct tx *tx, struct err *e)
{
	return store_is_shared(tx->store) ? remote_begin_reading(tx, e) : db_begin(tx->db, e);
}

void store_run_reads(struct store *s, struct store_task *head)
{
	struct err why = ERR_INIT;
	struct db *db = s->reader.db;
	struct store_task *t = head;
	/* A snapshot that is lost half-way is taken again for those that are left. */
	for (int i = 0; t; i++) {
		bool is_undone = false;
		if (begin_reading(&s->reader, &why) < 0) {
			fail_all(t, &why);
			break;
		}
		while (t && !is_undone) {
			is_undone = run_task(&s->reader, t) < 0 && db_is_undone(db);
			if (!is_undone || !db_must_repeat(db) || i >= READ_TRIES)
				t = t->next;
		}
		db_rollback(db);
	}
	tx_settle(&s->reader);
	finish_all(head);
}

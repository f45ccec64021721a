/* How tasks become transactions. */
#include "store/store_priv.h"

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
		*is_done = true;
		return db_release(tx->db, why);
	}
	tx_undo(tx, &before);
	if (!db_is_in_transaction(tx->db)) {
		*why = t->err;
		return -1;
	}
	return db_rollback_to(tx->db, why);
}

static int run_tasks(struct tx *tx, struct store_task *head, bool *is_done, struct err *why)
{
	if (!head->next) {
		*is_done = run_task(tx, head) >= 0;
		return 0;
	}
	for (struct store_task *t = head; t; t = t->next)
		if (run_among(tx, t, is_done, why) < 0)
			return -1;
	return 0;
}

/* Everything that is to be durable, or an error and nothing. */
static int write_group(struct tx *tx, struct store_task *head, struct err *why)
{
	bool is_done = false;
	if (db_begin(tx->db, why) < 0 || run_tasks(tx, head, &is_done, why) < 0)
		return -1;
	if (!is_done) {
		db_rollback(tx->db);
		return 0;
	}
	if (tx_flush(tx, why) < 0)
		return -1;
	return db_commit(tx->db, why);
}

void store_run_writes(struct store *s, struct store_task *head)
{
	struct tx *tx = &s->writer;
	struct tx_mark start;
	struct err why = s->broken;
	if (why.code != ERR_NONE) {
		fail_all(head, &why);
		finish_all(head);
		return;
	}
	tx_mark(tx, &start);
	if (write_group(tx, head, &why) < 0) {
		fail_all(head, &why);
		db_rollback(tx->db);
		tx_undo(tx, &start);
	}
	/* A lone task that failed leaves something to undo as well. */
	if (head->rc < 0 && !head->next)
		tx_undo(tx, &start);
	/* After a failed write or fsync nobody knows what the disk holds. To try again would be to guess. */
	if (db_is_broken(tx->db))
		err_set(&s->broken, ERR_SYSTEM, "the store takes no more writes until it is opened anew: %s",
			why.text);
	if (tx->changes_len && s->watch)
		s->watch(s->ctx, tx->changes, tx->changes_len);
	tx_settle(tx);
	finish_all(head);
}

void store_run_reads(struct store *s, struct store_task *head)
{
	struct err why = ERR_INIT;
	if (db_begin(s->reader.db, &why) < 0) {
		fail_all(head, &why);
	} else {
		for (struct store_task *t = head; t; t = t->next)
			run_task(&s->reader, t);
		db_rollback(s->reader.db);
	}
	tx_settle(&s->reader);
	finish_all(head);
}

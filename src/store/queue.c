/* Threads that work off tasks: many wait, one runs; what arrives meanwhile is taken together. */
#include "store/store_priv.h"

#include <string.h>

static struct store_task *take_tasks(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	while (!q->head && !q->is_stopping)
		pthread_cond_wait(&q->wake, &q->lock);
	struct store_task *first = q->head, **at = &q->head;
	for (int i = 0; *at && i < q->limit; i++)
		at = &(*at)->next;
	q->head = *at;
	*at = NULL;
	if (!q->head)
		q->tail = &q->head;
	pthread_mutex_unlock(&q->lock);
	return first;
}

static void *queue_main(void *arg)
{
	struct queue *q = arg;
	struct store_task *head;
	while ((head = take_tasks(q)))
		q->work(q->store, head);
	return NULL;
}

int queue_start(struct queue *q, struct store *s, void (*work)(struct store *, struct store_task *),
		int limit, struct err *e)
{
	q->store = s;
	q->work = work;
	q->limit = limit;
	q->tail = &q->head;
	pthread_mutex_init(&q->lock, NULL);
	pthread_cond_init(&q->wake, NULL);
	int rc = pthread_create(&q->thread, NULL, queue_main, q);
	if (rc)
		return err_set(e, ERR_SYSTEM, "start a thread of the store: error %d", rc);
	q->is_running = true;
	return 0;
}

void queue_stop(struct queue *q)
{
	if (!q->is_running)
		return;
	pthread_mutex_lock(&q->lock);
	q->is_stopping = true;
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
	pthread_join(q->thread, NULL);
	pthread_mutex_destroy(&q->lock);
	pthread_cond_destroy(&q->wake);
	q->is_running = false;
}

void queue_add(struct queue *q, struct store_task *t)
{
	t->next = NULL;
	t->rc = 0;
	t->err = ERR_INIT;
	pthread_mutex_lock(&q->lock);
	bool was_empty = !q->head;
	*q->tail = t;
	q->tail = &t->next;
	if (was_empty)
		pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

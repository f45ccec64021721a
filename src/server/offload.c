#include <stdlib.h>

#include "server/server_priv.h"

struct offload_item {
	struct ask *ask;
	void (*fn)(struct ask *a);
	struct offload_item *next;
};

static void run_item(struct offload_item *item)
{
	struct http_request *req = item->ask->req;
	item->fn(item->ask);
	http_drop(req);
	free(item);
}

static void *offload_loop(void *arg)
{
	struct offload *o = arg;
	pthread_mutex_lock(&o->lock);
	for (;;) {
		while (!o->head && !o->is_stopping)
			pthread_cond_wait(&o->cond, &o->lock);
		struct offload_item *item = o->head;
		if (!item)
			break;
		o->head = item->next;
		if (!o->head)
			o->tail = &o->head;
		pthread_mutex_unlock(&o->lock);
		run_item(item);
		pthread_mutex_lock(&o->lock);
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}

static int start(struct offload *o, struct err *e)
{
	o->tail = &o->head;
	if (pthread_create(&o->thread, NULL, offload_loop, o))
		return err_set(e, ERR_SYSTEM, "start the thread for long work");
	o->has_thread = true;
	return 0;
}

int offload_start(struct server *s, struct err *e)
{
	return start(&s->offload, e) || start(&s->archive, e) ? -1 : 0;
}

static void stop(struct offload *o)
{
	pthread_mutex_lock(&o->lock);
	o->is_stopping = true;
	pthread_cond_signal(&o->cond);
	pthread_mutex_unlock(&o->lock);
	if (o->has_thread)
		pthread_join(o->thread, NULL);
	o->has_thread = false;
}

void offload_stop(struct server *s)
{
	stop(&s->offload);
	stop(&s->archive);
}

static void add(struct offload *o, struct ask *a, void (*fn)(struct ask *a))
{
	struct offload_item *item = calloc(1, sizeof *item);
	if (!item) {
		struct err e = ERR_INIT;
		err_set(&e, ERR_NOMEM, "no memory for a request");
		ask_fail(a, &e);
		return;
	}
	item->ask = a;
	item->fn = fn;
	http_hold(a->req);
	pthread_mutex_lock(&o->lock);
	*o->tail = item;
	o->tail = &item->next;
	pthread_cond_signal(&o->cond);
	pthread_mutex_unlock(&o->lock);
}

void offload_ask(struct ask *a, void (*fn)(struct ask *a))
{
	add(&a->server->offload, a, fn);
}

void offload_archive(struct ask *a, void (*fn)(struct ask *a))
{
	add(&a->server->archive, a, fn);
}

#include <string.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "model/blame.h"
#include "server/peers.h"
#include "server/server_priv.h"
#include "store/blobs.h"
#include "store/jobs.h"
#include "store/records.h"
#include "store/servers.h"

/* A connection over TLS costs a few times as much as one on the socket. */
enum { CONNECTIONS_MAX = 20000, TLS_CONNECTIONS_MAX = 10000 };

int64_t server_beat_ms(const struct server *s)
{
	return s->lease_ms / BLAME_BEATS_MISSED_MAX;
}

/* --- start --- */

/* The files of build types are inputs like any others: the worker finds them as blobs. */
static int store_type_files(struct server *s, struct err *e)
{
	const struct build_type *t;
	for (size_t i = 0; s->types && (t = build_types_at(s->types, i)); i++) {
		for (size_t k = 0; k < t->files_len; k++) {
			char sha256[65];
			if (blob_put(s->store, t->files[k].content, t->files[k].len, sha256, e))
				return err_wrap(e, "build type %s: store %s", t->name, t->files[k].name);
		}
	}
	return 0;
}

static int start_parts(struct server *s, const struct server_options *o, struct err *e)
{
	struct store_options so = {
		.data_dir = o->data_dir,
		.files_dir = o->files_dir,
		.db_url = o->db_url,
		.is_create = true,
		.is_serving = true,
		.watch = hub_watch,
		.ctx = s,
	};
	if (store_open(&s->store, &so, e))
		return -1;
	if (build_types_load(o->types_dir, &s->types, e))
		return err_wrap(e, "build types");
	if (store_type_files(s, e))
		return -1;
	if (leases_begin(s, e)) {
		if (o->db_url && e->code == ERR_BUSY)
			e->code = ERR_UNREACHABLE;
		return err_wrap(e, "extend leases");
	}
	return access_start(s, e) || tick_start(s, e) || offload_start(s, e) || peers_start(s, e) ? -1 : 0;
}

static void init_tick(struct tick *t)
{
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&t->cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
	pthread_mutex_init(&t->lock, NULL);
}

int server_open(struct server **out, const struct server_options *o, struct err *e)
{
	struct server *s = calloc(1, sizeof *s);
	if (!s)
		return err_set(e, ERR_NOMEM, "no memory for a server");
	s->uid = geteuid();
	s->lease_ms = o->lease_ms ? o->lease_ms : LEASE_MS_DEFAULT;
	s->holder_ms = o->holder_ms;
	s->http_threads = o->http_threads ? o->http_threads : 2;
	s->started_wall_ms = clock_wall_ms();
	s->started_boot_ms = clock_boot_ms();
	s->is_own_fresh = true;
	s->data_dir = strdup(o->data_dir);
	hub_init(s);
	init_tick(&s->tick);
	access_init(s);
	pthread_mutex_init(&s->offload.lock, NULL);
	pthread_mutex_init(&s->peers.lock, NULL);
	pthread_cond_init(&s->offload.cond, NULL);
	pthread_mutex_init(&s->archive.lock, NULL);
	pthread_cond_init(&s->archive.cond, NULL);
	if (start_parts(s, o, e)) {
		server_close(s);
		return -1;
	}
	*out = s;
	return 0;
}

static int listen_at(struct server *s, int listen_fd, struct tls_server *tls, struct err *e)
{
	struct http_server_options o = {
		.listen_fd = listen_fd,
		.threads = s->http_threads,
		.connections_max = tls ? TLS_CONNECTIONS_MAX : CONNECTIONS_MAX,
		.tls = tls,
		.begin = route_begin,
		.handle = route_handle,
		.error_body = route_error_body,
		.ctx = s,
	};
	if (s->http_len == LISTEN_MAX) {
		close(listen_fd);
		return err_set(e, ERR_USAGE, "a server listens at %d places at most", LISTEN_MAX);
	}
	if (http_server_start(&s->http[s->http_len], &o, e))
		return -1;
	s->http_len++;
	return 0;
}

int server_listen(struct server *s, int listen_fd, struct err *e)
{
	return listen_at(s, listen_fd, NULL, e);
}

int server_listen_tls(struct server *s, int listen_fd, struct tls_server *tls, const char *public_url,
		      struct err *e)
{
	/* Before anybody can ask for it. */
	if (!s->public_url && !(s->public_url = strdup(public_url))) {
		close(listen_fd);
		return err_set(e, ERR_NOMEM, "no memory for an address");
	}
	s->tls = tls;
	return listen_at(s, listen_fd, tls, e);
}

const char *server_name(const struct server *s)
{
	return store_server_name(s->store);
}

void server_set_own_worker(struct server *s, pid_t pid)
{
	pthread_mutex_lock(&s->lock);
	s->own_pid = pid;
	pthread_mutex_unlock(&s->lock);
}

/* --- end --- */

void server_drain(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	s->is_draining = true;
	pthread_mutex_unlock(&s->lock);
	hub_expire(s, 0, true);
}

/* First what makes tasks, then what runs them, then what they used. */
void server_close(struct server *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->http_len; i++)
		http_server_stop(s->http[i]);
	peers_stop(s);
	tick_stop(s);
	offload_stop(s);
	store_close(s->store);
	hub_release(s);
	for (size_t i = 0; i < s->http_len; i++)
		http_server_free(s->http[i]);
	build_types_free(s->types);
	arena_release(&s->lanes.arena);
	access_release(s);
	pthread_mutex_destroy(&s->offload.lock);
	pthread_mutex_destroy(&s->peers.lock);
	pthread_cond_destroy(&s->offload.cond);
	pthread_mutex_destroy(&s->archive.lock);
	pthread_cond_destroy(&s->archive.cond);
	pthread_mutex_destroy(&s->tick.lock);
	pthread_cond_destroy(&s->tick.cond);
	free(s->public_url);
	free(s->data_dir);
	free(s);
}

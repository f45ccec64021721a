/* Log chunks and artifacts of a held attempt, and the blobs a worker fetches. The fence is the table of held
 * attempts in memory; only one that this server has not given out itself is looked up in the store. */
#include "server/feed.h"

#include <string.h>

#include "base/hash.h"
#include "server/log_follow.h"
#include "server/routes_priv.h"
#include "store/blobs.h"
#include "store/logs.h"
#include "store/records.h"

static void log_store(struct ask *a)
{
	struct server *s = a->server;
	struct err e = ERR_INIT;
	int64_t job = ask_int(a, "job", 0), size = ask_int(a, "size", -1);
	int attempt = (int)ask_int(a, "attempt", 0);
	struct json_writer w = ask_writer(a);
	if (size < 0 && log_append(s->store, job, attempt, ask_int(a, "offset", 0), a->req->body,
				   a->req->body_len, &size, &e)) {
		ask_fail(a, &e);
		return;
	}
	log_has_grown(s, job);
	jw_begin_object(&w);
	jw_kint(&w, "size", size);
	jw_end_object(&w);
	ask_answer(a, 200);
}

static int fence_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct worker w;
	return workers_find_session(tx, a->worker, a->session, a->arena, &w, e) ||
			       attempts_check_lease(tx, ask_int(a, "job", 0), (int)ask_int(a, "attempt", 0),
						    w.id, e)
		       ? -1
		       : 0;
}

/* then() if the attempt holds the lease, else an answer. */
static void fenced(struct ask *a, void (*then)(struct ask *a))
{
	if (hub_holds(a->server, a->worker, a->session, ask_int(a, "job", 0), (int)ask_int(a, "attempt", 0)))
		then(a);
	else
		ask_read(a, fence_run, then);
}

void feed_log(struct ask *a)
{
	fenced(a, log_store);
}

/* --- blobs, for both APIs --- */

static int upload_part(struct http_request *r, const void *bytes, size_t n, struct err *e)
{
	return blob_upload_add(ask_of(r)->data, bytes, n, e);
}

static void upload_free(struct ask *a)
{
	if (a->data)
		blob_upload_abort(a->data);
}

static void take_upload(struct ask *a, struct blob_upload *u)
{
	a->data = u;
	a->data_free = upload_free;
	a->req->sink = upload_part;
}

static int check_address(const char *sha256, struct err *e)
{
	return hash_is_hex(sha256) ? 0 : err_set(e, ERR_INVALID, "a blob is named by 64 hexadecimal digits");
}

int blob_sink_begin(struct ask *a, struct err *e)
{
	struct blob_upload *u;
	if (check_address(a->name, e) ||
	    blob_upload_begin(a->server->store, a->name, a->route->body_limit, &u, e))
		return -1;
	take_upload(a, u);
	return 0;
}

/* What an attempt brings goes on where it broke off. The session is part of the key, so that nobody else can go on with it. */
static int artifact_key(struct ask *a, char key[HASH_HEX_BYTES], struct err *e)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	const char *sha256 = ask_text(a, "sha256", "");
	if (check_address(sha256, e))
		return -1;
	buf_addf(&text, "%s\n%s\n%lld\n%lld\n%s", a->worker, a->session, (long long)ask_int(a, "job", 0),
		 (long long)ask_int(a, "attempt", 0), sha256);
	if (buf_check(&text, e))
		return -1;
	hash_bytes(text.data, text.len, key);
	return 0;
}

int artifact_sink_begin(struct ask *a, struct err *e)
{
	struct blob_upload *u;
	char key[HASH_HEX_BYTES];
	if (artifact_key(a, key, e) ||
	    blob_upload_resume(a->server->store, key, ask_text(a, "sha256", ""), ask_int(a, "offset", 0),
			       a->route->body_limit, &u, e))
		return -1;
	take_upload(a, u);
	return 0;
}

/* On the offload thread: it syncs to the disk. */
static void upload_commit(struct ask *a)
{
	struct err e = ERR_INIT;
	char sha256[HASH_HEX_BYTES];
	int64_t size;
	struct blob_upload *u = a->data;
	bool was_there = blob_exists(a->server->store, a->name ? a->name : ask_text(a, "sha256", ""), &size);
	a->data = NULL;
	if (blob_upload_commit(u, sha256, &size, &e)) {
		ask_fail(a, &e);
		return;
	}
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kstr(&w, "sha256", sha256);
	jw_kint(&w, "size", size);
	jw_end_object(&w);
	ask_answer(a, was_there ? 200 : 201);
}

void blob_put_route(struct ask *a)
{
	offload_ask(a, upload_commit);
}

static void artifact_commit(struct ask *a)
{
	offload_ask(a, upload_commit);
}

void feed_artifact(struct ask *a)
{
	fenced(a, artifact_commit);
}

static void artifact_state(struct ask *a)
{
	struct err e = ERR_INIT;
	char key[HASH_HEX_BYTES];
	int64_t size;
	bool is_whole;
	if (artifact_key(a, key, &e) ||
	    blob_upload_size(a->server->store, key, ask_text(a, "sha256", ""), &size, &is_whole, &e)) {
		ask_fail(a, &e);
		return;
	}
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "size", size);
	jw_kbool(&w, "whole", is_whole);
	jw_end_object(&w);
	ask_answer(a, 200);
}

void feed_artifact_state(struct ask *a)
{
	fenced(a, artifact_state);
}

void blob_get_route(struct ask *a)
{
	struct err e = ERR_INIT;
	int64_t size;
	int fd = check_address(a->name, &e) ? -1 : blob_open(a->server->store, a->name, &size, &e);
	if (fd < 0)
		ask_fail(a, &e);
	else
		http_answer_file(a->req, "application/octet-stream", fd, size);
}

#include "http/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/fd.h"
#include "http/client_priv.h"
#include "text/json.h"

void client_reply_release(struct client_reply *r)
{
	buf_release(&r->body);
	buf_release(&r->headers);
	r->status = 0;
}

bool client_reply_header(const struct client_reply *r, const char *name, char *out, size_t size)
{
	size_t name_len = strlen(name);
	const char *line = r->headers.data;

	while (*line) {
		size_t len = strcspn(line, "\r\n");

		if (len > name_len && line[name_len] == ':' && strncasecmp(line, name, name_len) == 0) {
			const char *value = line + name_len + 1;

			value += strspn(value, " \t");
			snprintf(out, size, "%.*s", (int)(line + len - value), value);
			return true;
		}
		line += len;
		line += strspn(line, "\r\n");
	}
	return false;
}

int client_sink_fd(void *ctx, const void *bytes, size_t n, struct err *e)
{
	return fd_write_all(*(int *)ctx, bytes, n, e);
}

void client_add_escaped(struct buf *out, const char *text)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *text; text++) {
		if (strchr(plain, *text))
			buf_addc(out, *text);
		else
			buf_addf(out, "%%%02X", (unsigned char)*text);
	}
}

/* ---- the client ------------------------------------------------------------------------------------------- */

int client_open(struct client **out, const char *server, struct err *e)
{
	struct client *c = calloc(1, sizeof(*c));
	int rc;

	*out = NULL;
	if (!c)
		return err_set(e, ERR_NOMEM, "out of memory");
	c->epoll_fd = -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		rc = err_set(e, ERR_INTERNAL, "libcurl cannot be set up");
	else
		rc = client_add_addresses(c, server, e);
	if (rc < 0) {
		client_free(c);
		return -1;
	}
	*out = c;
	return 0;
}

size_t client_servers(const struct client *c)
{
	return c->addresses_len;
}

const char *client_server(const struct client *c)
{
	return c->addresses[c->at].text;
}

bool client_is_remote(const struct client *c)
{
	for (size_t i = 0; i < c->addresses_len; i++)
		if (!c->addresses[i].socket_path)
			return true;
	return false;
}

void client_next(struct client *c)
{
	c->at = (c->at + 1) % c->addresses_len;
}

static void lists_release(struct client *c)
{
	curl_slist_free_all(c->json_list);
	curl_slist_free_all(c->bytes_list);
	curl_slist_free_all(c->bare_list);
	c->json_list = c->bytes_list = c->bare_list = NULL;
}

static void header_free(struct client_header *h)
{
	free(h->name);
	free(h->line);
	free(h);
}

void client_free(struct client *c)
{
	if (!c)
		return;
	client_multi_release(c);
	if (c->blocking.easy)
		curl_easy_cleanup(c->blocking.easy);
	lists_release(c);
	for (size_t i = 0; i < c->retired_len; i++)
		curl_slist_free_all(c->retired[i]);
	free(c->retired);
	while (c->headers) {
		struct client_header *next = c->headers->next;

		header_free(c->headers);
		c->headers = next;
	}
	for (size_t i = 0; i < c->addresses_len; i++) {
		free(c->addresses[i].socket_path);
		free(c->addresses[i].text);
	}
	free(c->addresses);
	free(c->ca_file);
	free(c->store_file);
	free(c);
}

/* Transfers under way may still use the lists. */
static int lists_retire(struct client *c, struct err *e)
{
	struct curl_slist **grown = reallocarray(c->retired, c->retired_len + 3, sizeof(*grown));

	if (!grown)
		return err_set(e, ERR_NOMEM, "out of memory");
	c->retired = grown;
	grown[c->retired_len++] = c->json_list;
	grown[c->retired_len++] = c->bytes_list;
	grown[c->retired_len++] = c->bare_list;
	c->json_list = c->bytes_list = c->bare_list = NULL;
	return 0;
}

static struct client_header *header_new(const char *name, const char *value)
{
	struct client_header *h = calloc(1, sizeof(*h));
	struct buf line = BUF_INIT;

	if (!h)
		return NULL;
	buf_addf(&line, "%s: %s", name, value);
	h->name = strdup(name);
	h->line = buf_take(&line);
	if (!h->name || !h->line) {
		header_free(h);
		return NULL;
	}
	return h;
}

int client_set_header(struct client *c, const char *name, const char *value, struct err *e)
{
	struct client_header **at = &c->headers;
	struct client_header *h = NULL;

	if (value && strpbrk(value, "\r\n"))
		return err_set(e, ERR_INVALID, "header %s: a value has one line", name);
	if (value && !(h = header_new(name, value)))
		return err_set(e, ERR_NOMEM, "out of memory");
	if (lists_retire(c, e) < 0) {
		if (h)
			header_free(h);
		return -1;
	}
	while (*at && strcasecmp((*at)->name, name) != 0)
		at = &(*at)->next;
	if (*at) {
		struct client_header *old = *at;

		*at = old->next;
		header_free(old);
	}
	if (h) {
		h->next = c->headers;
		c->headers = h;
	}
	return 0;
}

/* An empty "Expect:" keeps libcurl from waiting for "100 Continue" before a large body. */
static struct curl_slist *list_make(const struct client *c, const char *content_type)
{
	struct curl_slist *list = curl_slist_append(NULL, "Expect:");

	if (list && content_type) {
		struct buf line = BUF_INIT;
		struct curl_slist *more;

		buf_addf(&line, "Content-Type: %s", content_type);
		more = curl_slist_append(list, line.data);
		buf_release(&line);
		if (!more)
			curl_slist_free_all(list);
		list = more;
	}
	for (const struct client_header *h = c->headers; list && h; h = h->next) {
		struct curl_slist *more = curl_slist_append(list, h->line);

		if (!more)
			curl_slist_free_all(list);
		list = more;
	}
	return list;
}

static struct curl_slist *list_get(struct client *c, const struct client_request *q)
{
	if (q->content_type) {
		/* Rare (a batch of jobs): made for this call and kept until the client goes. */
		struct curl_slist *list = list_make(c, q->content_type);
		struct curl_slist **grown = reallocarray(c->retired, c->retired_len + 1, sizeof(*grown));

		if (!list || !grown) {
			curl_slist_free_all(list);
			if (grown)
				c->retired = grown;
			return NULL;
		}
		c->retired = grown;
		return c->retired[c->retired_len++] = list;
	}
	if (q->file)
		return c->bytes_list ? c->bytes_list
				     : (c->bytes_list = list_make(c, "application/octet-stream"));
	if (q->body)
		return c->json_list ? c->json_list : (c->json_list = list_make(c, "application/json"));
	return c->bare_list ? c->bare_list : (c->bare_list = list_make(c, NULL));
}

/* ---- one transfer ----------------------------------------------------------------------------------------- */

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	/* The last answer counts, not a "100 Continue" before it. */
	if (n * size > 5 && strncmp(bytes, "HTTP/", 5) == 0)
		buf_reset(&t->reply->headers);
	buf_add(&t->reply->headers, bytes, n * size);
	return n * size;
}

static int on_bytes(struct transfer *t, const char *bytes, size_t n, struct err *e)
{
	size_t limit = t->request.reply_limit ? t->request.reply_limit : CLIENT_REPLY_LIMIT;

	if (!t->reply->status) {
		long status = 0;

		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
		t->reply->status = (int)status;
	}
	if (t->request.sink && t->reply->status < 400)
		return t->request.sink(t->request.sink_ctx, bytes, n, e);
	if (t->reply->body.len + n > limit)
		return err_set(e, ERR_TOO_LARGE, "the answer has more than %zu bytes", limit);
	buf_add(&t->reply->body, bytes, n);
	return buf_check(&t->reply->body, e);
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	return on_bytes(t, bytes, n * size, &t->err) < 0 ? CURL_WRITEFUNC_ERROR : n * size;
}

static size_t on_file_read(char *out, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	int64_t left = t->file.offset + t->file.size_bytes - t->file_at;
	size_t want = n * size;
	ssize_t got;

	if ((int64_t)want > left)
		want = (size_t)left;
	if (!want)
		return 0;
	do
		got = pread(t->file.fd, out, want, t->file_at);
	while (got < 0 && errno == EINTR);
	if (got <= 0) {
		if (got < 0)
			err_sys(&t->err, "read what is to be sent");
		else
			err_set(&t->err, ERR_CONFLICT, "a file became shorter while it was being sent");
		return CURL_READFUNC_ABORT;
	}
	t->file_at += got;
	return (size_t)got;
}

static int on_file_seek(void *ctx, curl_off_t offset, int origin)
{
	struct transfer *t = ctx;

	if (origin != SEEK_SET || offset < 0 || offset > t->file.size_bytes)
		return CURL_SEEKFUNC_FAIL;
	t->file_at = t->file.offset + offset;
	return CURL_SEEKFUNC_OK;
}

/* libcurl sends a request again, without asking, when a connection it kept closes before an answer. The server may
 * have done the work by then: what is not repeatable ends here instead. */
static int on_send(void *ctx, char *a, char *b, int c, int d)
{
	struct transfer *t = ctx;

	if (t->sent++ && !t->is_repeatable)
		return CURL_PREREQFUNC_ABORT;
	return CURL_PREREQFUNC_OK;
}

static void set_common(struct transfer *t)
{
	CURL *h = t->easy;

	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_NOPROXY, "*");
	if (t->to->socket_path)
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, t->to->socket_path);
	else
		client_set_tls(t->client, h);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)CLIENT_CONNECT_TIMEOUT_MS);
	curl_easy_setopt(h, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(h, CURLOPT_PREREQFUNCTION, on_send);
	curl_easy_setopt(h, CURLOPT_PREREQDATA, t);
	curl_easy_setopt(h, CURLOPT_PRIVATE, t);
}

static void set_body(struct transfer *t, const struct client_request *q)
{
	CURL *h = t->easy;

	if (q->file) {
		curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
		curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE, (curl_off_t)q->file->size_bytes);
		curl_easy_setopt(h, CURLOPT_READFUNCTION, on_file_read);
		curl_easy_setopt(h, CURLOPT_READDATA, t);
		curl_easy_setopt(h, CURLOPT_SEEKFUNCTION, on_file_seek);
		curl_easy_setopt(h, CURLOPT_SEEKDATA, t);
	} else if (q->body || strcmp(q->method, "POST") == 0 || strcmp(q->method, "PUT") == 0) {
		curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body_len);
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, q->body ? q->body : "");
	} else if (strcmp(q->method, "HEAD") == 0) {
		curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
		return;
	}
	if (strcmp(q->method, "GET") != 0)
		curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, q->method);
}

static void set_limits(struct transfer *t, const struct client_request *q)
{
	if (q->from_bytes)
		curl_easy_setopt(t->easy, CURLOPT_RESUME_FROM_LARGE, (curl_off_t)q->from_bytes);
	if (q->timeout_ms)
		curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, (long)q->timeout_ms);
	if (q->stall_ms) {
		curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
		curl_easy_setopt(t->easy, CURLOPT_LOW_SPEED_TIME, (long)(q->stall_ms / 1000));
	}
}

int transfer_begin(struct transfer *t, struct client *c, const struct client_request *q,
		   struct client_reply *r, struct err *e)
{
	struct curl_slist *list = list_get(c, q);
	struct buf url = BUF_INIT;

	if (!t->easy)
		t->easy = curl_easy_init();
	else
		curl_easy_reset(t->easy);
	t->to = &c->addresses[c->at];
	buf_adds(&url, t->to->socket_path ? "http://slipway" : t->to->text);
	buf_adds(&url, q->path);
	if (!t->easy || !list || url.is_failed) {
		buf_release(&url);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	t->client = c;
	t->request = *q;
	t->has_file = q->file != NULL;
	if (q->file)
		t->file = *q->file;
	t->file_at = t->file.offset;
	t->is_repeatable = strcmp(q->method, "POST") != 0 && !q->is_resumed_by_caller;
	t->sent = 0;
	t->reply = r;
	t->err = ERR_INIT;
	r->status = 0;
	buf_reset(&r->body);
	buf_reset(&r->headers);
	set_common(t);
	set_body(t, q);
	curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, list);
	curl_easy_setopt(t->easy, CURLOPT_URL, url.data);
	set_limits(t, q);
	buf_release(&url);
	return 0;
}

/* No answer came, or only a part of one. */
static int broken(const struct transfer *t, CURLcode rc, struct err *e)
{
	const char *server = t->to->text;
	long sys = 0;

	if (rc == CURLE_COULDNT_CONNECT) {
		curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &sys);
		err_set(e, ERR_UNREACHABLE, "no server answers at %s%s%s — start one with: slipway serve%s",
			server, sys ? ": " : "", sys ? strerrordesc_np((int)sys) : "",
			t->to->socket_path ? "" : " --listen https://…");
	} else if (rc == CURLE_PEER_FAILED_VERIFICATION) {
		err_set(e, ERR_DENIED,
			"who answers at %s is not the server that this credential is for, or its certificate is not valid "
			"now; nothing was sent to it",
			server);
	} else if (rc == CURLE_COULDNT_RESOLVE_HOST) {
		err_set(e, ERR_UNREACHABLE, "%s: no machine of that name is known", server);
	} else if (rc == CURLE_SSL_CONNECT_ERROR) {
		err_set(e, ERR_UNREACHABLE, "who answers at %s does not speak TLS as it should", server);
	} else if (rc == CURLE_OPERATION_TIMEDOUT) {
		err_set(e, ERR_UNREACHABLE, "the server at %s did not answer in time", server);
	} else if (rc == CURLE_RANGE_ERROR) {
		err_set(e, ERR_UNSUPPORTED, "the server at %s gives no part of it", server);
	} else if (rc == CURLE_OUT_OF_MEMORY) {
		err_set(e, ERR_NOMEM, "out of memory");
	} else {
		err_set(e, ERR_UNREACHABLE, "the server at %s went away before it had answered (%s)%s",
			server, curl_easy_strerror(rc),
			t->is_repeatable ? "" : "; whether it did what was asked is not known");
	}
	if (e)
		e->sys = (int)sys;
	return -1;
}

static int refused(const struct transfer *t, struct err *e)
{
	const struct client_reply *r = t->reply;
	CLEAN_JSON json_t *body = json_parse("answer", r->body.data, r->body.len, NULL);
	json_t *error = json_object_get(body, "error");
	const char *code = json_string_value(json_object_get(error, "code"));
	const char *message = json_string_value(json_object_get(error, "message"));

	if (!code)
		return err_set(e, r->status == 404 ? ERR_NOT_FOUND : ERR_INTERNAL,
			       "the server answers with status %d to %s", r->status, t->request.method);
	return err_set(e, err_code_parse(code), "%s", message ? message : code);
}

int transfer_end(struct transfer *t, CURLcode rc, struct err *e)
{
	long status = 0;

	if (t->err.code) {
		if (e)
			*e = t->err;
		return -1;
	}
	if (rc != CURLE_OK)
		return broken(t, rc, e);
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	t->reply->status = (int)status;
	if (buf_check(&t->reply->headers, e) < 0)
		return -1;
	return status >= 400 ? refused(t, e) : 0;
}

/* ---- blocking --------------------------------------------------------------------------------------------- */

int client_do(struct client *c, const struct client_request *q, struct client_reply *r, struct err *e)
{
	for (size_t i = 1;; i++) {
		CURLcode rc;

		if (transfer_begin(&c->blocking, c, q, r, e) < 0)
			return -1;
		rc = curl_easy_perform(c->blocking.easy);
		/* Nothing was sent: another one may be asked. */
		if ((rc != CURLE_COULDNT_CONNECT && rc != CURLE_COULDNT_RESOLVE_HOST) ||
		    i >= c->addresses_len)
			return transfer_end(&c->blocking, rc, e);
		client_next(c);
	}
}

int client_call(struct client *c, const char *method, const char *path, const char *json,
		struct client_reply *r, struct err *e)
{
	const struct client_request q = {
		.method = method,
		.path = path,
		.body = json,
		.body_len = json ? strlen(json) : 0,
	};

	return client_do(c, &q, r, e);
}

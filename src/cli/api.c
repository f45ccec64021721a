#include "cli/api.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/parse.h"
#include "cli/place.h"
#include "http/client.h"
#include "model/token.h"
#include "text/json.h"

enum { RETRY_PAUSE_MS = 200, IDS_MAX = 1000000 };

/* The token says who asks, and which servers are the right ones. */
static int use_token(struct api *a, struct err *e)
{
	CLEAN_BUF struct buf ca_file = BUF_INIT;
	CLEAN_BUF struct buf header = BUF_INIT;
	struct token_text t;
	const char *text = place_token();
	if (!text && client_is_remote(a->client))
		return err_set(
			e, ERR_CREDENTIAL,
			"%s: a token is needed: set SLIPWAY_TOKEN to one that an administrator has made there with "
			"slipway token create",
			a->server);
	if (!text)
		return 0;
	if (token_parse(text, &t, e) < 0)
		return err_wrap(e, "SLIPWAY_TOKEN");
	if (place_tls_ca() && client_set_store(a->client, place_tls_ca(), e) < 0)
		return -1;
	if (t.fingerprint[0] && client_is_remote(a->client) &&
	    (place_ca_file(t.fingerprint, &ca_file, e) < 0 ||
	     client_fetch_ca(a->server, t.fingerprint, ca_file.data, e) < 0 ||
	     client_trust(a->client, ca_file.data, e) < 0))
		return -1;
	buf_addf(&header, "Bearer %s", t.secret);
	return buf_check(&header, e) < 0 ? -1 : client_set_header(a->client, "Authorization", header.data, e);
}

int api_open(struct api **out, const char *server, struct err *e)
{
	CLEAN_BUF struct buf address = BUF_INIT;
	if (place_server(server, &address, e) < 0)
		return -1;
	struct api *a = calloc(1, sizeof *a);
	if (!a)
		return err_set(e, ERR_NOMEM, "out of memory");
	a->server = buf_take(&address);
	if (client_open(&a->client, a->server, e) < 0 || use_token(a, e) < 0) {
		api_free(a);
		return -1;
	}
	*out = a;
	return 0;
}

void api_free(struct api *a)
{
	if (!a)
		return;
	client_free(a->client);
	free(a->server);
	free(a);
}

static json_t *call(struct api *a, const char *method, const char *path, const char *body, const char *what,
		    struct err *e)
{
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	if (client_call(a->client, method, path, body, &reply, e) < 0) {
		/* The server names the job itself; what it cannot know is which of many words was meant. */
		if (what && e->code != ERR_UNREACHABLE && !strstr(e->text, what))
			err_wrap(e, "%s", what);
		return NULL;
	}
	if (reply.body.len == 0)
		return json_object();
	return json_parse("the server's answer", reply.body.data, reply.body.len, e);
}

json_t *api_get(struct api *a, const char *path, const char *what, struct err *e)
{
	return call(a, "GET", path, NULL, what, e);
}

json_t *api_post(struct api *a, const char *path, const struct buf *body, const char *what, struct err *e)
{
	if (buf_check(body, e) < 0)
		return NULL;
	return call(a, "POST", path, body->data, what, e);
}

json_t *api_call(struct api *a, const char *method, const char *path, const char *what, struct err *e)
{
	return call(a, method, path, NULL, what, e);
}

/* ---- patience */

bool api_may_retry(struct api *a, const struct err *e)
{
	if (e->code != ERR_UNREACHABLE && e->code != ERR_BUSY)
		return false;
	int64_t now = clock_boot_ms();
	if (a->gone_since_ms == 0) {
		a->gone_since_ms = now;
		fprintf(stderr, "slipway: the server at %s does not answer; trying again for %d s\n",
			a->server, API_PATIENCE_MS / 1000);
	}
	if (now - a->gone_since_ms > API_PATIENCE_MS)
		return false;
	nanosleep(&(struct timespec){ .tv_nsec = RETRY_PAUSE_MS * 1000000L }, NULL);
	return true;
}

void api_is_back(struct api *a)
{
	if (a->gone_since_ms != 0)
		fputs("slipway: the server answers again\n", stderr);
	a->gone_since_ms = 0;
}

/* ---- files */

int api_upload(struct api *a, int fd, const char *path, char sha256[65], int64_t *size_bytes, struct err *e)
{
	if (hash_fd(fd, sha256, size_bytes, e) < 0)
		return err_wrap(e, "read %s", path);
	char url[128];
	snprintf(url, sizeof url, "/v1/blobs/%s", sha256);
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	struct err head = ERR_INIT;
	if (client_call(a->client, "HEAD", url, NULL, &reply, &head) == 0)
		return 0;
	if (reply.status != 404) {
		*e = head;
		return err_wrap(e, "upload %s", path);
	}
	struct client_file file = { .fd = fd, .size_bytes = *size_bytes };
	struct client_request put = { .method = "PUT", .path = url, .file = &file };
	if (client_do(a->client, &put, &reply, e) < 0)
		return err_wrap(e, "upload %s", path);
	return 0;
}

/* ---- numbers of jobs */

static int add_id(int64_t id, int64_t **ids, size_t *n, struct err *e)
{
	if ((*n & (*n - 1)) == 0) {
		int64_t *more = realloc(*ids, (*n ? *n * 2 : 1) * sizeof *more);
		if (!more)
			return err_set(e, ERR_NOMEM, "out of memory");
		*ids = more;
	}
	(*ids)[(*n)++] = id;
	return 0;
}

int api_parse_ids(const char *text, int64_t **ids, size_t *n, struct err *e)
{
	char first_text[24];
	const char *dash = strchr(text, '-');
	int64_t first, last;
	size_t len = dash ? (size_t)(dash - text) : strlen(text);
	if (len >= sizeof first_text)
		return err_set(e, ERR_USAGE, "no number of a job: %s", text);
	memcpy(first_text, text, len);
	first_text[len] = '\0';
	const char *digits = first_text + (first_text[0] == '#');
	if (parse_int("job", digits, 1, INT64_MAX, &first, e) < 0 ||
	    (dash && parse_int("job", dash + 1 + (dash[1] == '#'), 1, INT64_MAX, &last, e) < 0))
		return err_set(e, ERR_USAGE, "no number of a job: %s", text);
	if (!dash)
		last = first;
	if (last < first || last - first >= IDS_MAX)
		return err_set(e, ERR_USAGE, "no range of jobs: %s", text);
	for (int64_t id = first; id <= last; id++)
		if (add_id(id, ids, n, e) < 0)
			return -1;
	return 0;
}

int api_parse_id(const char *text, int64_t *id, struct err *e)
{
	CLEAN_FREE int64_t *ids = NULL;
	size_t n = 0;
	if (api_parse_ids(text, &ids, &n, e) < 0)
		return -1;
	if (n != 1)
		return err_set(e, ERR_USAGE, "one job, not many: %s", text);
	*id = ids[0];
	return 0;
}

#include "worker/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/random.h"
#include "http/client.h"
#include "text/json.h"
#include "worker/worker_priv.h"

enum { FILE_LIMIT = 64 * 1024, CALL_TIMEOUT_MS = 20000, UNKNOWN_TRIES = 4, UNKNOWN_PAUSE_MS = 700 };

static const char file_name[] = "identity.json";

/* ---- the file ----------------------------------------------------------------------------------------------- */

static int path_of(const struct identity *i, const char *name, struct buf *out, struct err *e)
{
	path_join(out, i->dir, name);
	return buf_check(out, e);
}

static int get_hex(const json_t *json, const char *key, char out[HASH_HEX_BYTES], struct err *e)
{
	const char *text;

	if (json_get_str(json, key, "", &text, e) < 0)
		return -1;
	if (*text && !hash_is_hex(text))
		return err_set(e, ERR_CORRUPT, "%s is not what it must be", key);
	memcpy(out, text, strlen(text) + 1);
	return 0;
}

static int decode(struct identity *i, const json_t *json, struct err *e)
{
	const char *name, *servers;

	if (json_get_str(json, "name", "", &name, e) < 0 ||
	    json_get_str(json, "servers", "", &servers, e) < 0 || get_hex(json, "secret", i->secret, e) < 0 ||
	    get_hex(json, "next", i->next, e) < 0 || get_hex(json, "fingerprint", i->fingerprint, e) < 0 ||
	    get_hex(json, "token", i->token_hash, e) < 0 ||
	    json_get_bool(json, "joined", false, &i->is_joined, e) < 0 ||
	    json_get_int(json, "since", 0, INT64_MAX, 0, &i->since_ms, e) < 0)
		return -1;
	i->name = strdup(name);
	i->servers = strdup(servers);
	if (!i->name || !i->servers)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (i->is_joined && (!*name || !*servers || !i->secret[0]))
		return err_set(e, ERR_CORRUPT, "it is not whole");
	return 0;
}

int identity_open(struct identity *i, const char *work_dir, struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	CLEAN_BUF struct buf text = BUF_INIT;

	*i = (struct identity){ .dir = strdup(work_dir) };
	if (!i->dir)
		return err_set(e, ERR_NOMEM, "out of memory");
	if (path_of(i, file_name, &path, e) < 0)
		return -1;
	if (access(path.data, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR))
		return 0;
	if (fd_read_file(AT_FDCWD, path.data, FILE_LIMIT, &text, e) < 0)
		return -1;
	CLEAN_JSON json_t *json = json_parse("identity", text.data, text.len, e);
	if (!json || decode(i, json, e) < 0)
		return err_wrap(e, "%s: remove it and join anew", path.data);
	return 0;
}

void identity_release(struct identity *i)
{
	free(i->dir);
	free(i->name);
	free(i->servers);
	*i = (struct identity){ .dir = NULL };
}

int identity_save(const struct identity *i, struct err *e)
{
	CLEAN_BUF struct buf path = BUF_INIT;
	CLEAN_BUF struct buf text = BUF_INIT;
	struct json_writer w;

	jw_init(&w, &text);
	jw_begin_object(&w);
	jw_kstr(&w, "name", i->name);
	jw_kstr(&w, "servers", i->servers);
	jw_kstr(&w, "secret", i->secret);
	jw_kstr(&w, "next", i->next);
	jw_kstr(&w, "fingerprint", i->fingerprint);
	jw_kstr(&w, "token", i->token_hash);
	jw_kbool(&w, "joined", i->is_joined);
	jw_kint(&w, "since", i->since_ms);
	jw_end_object(&w);
	buf_addc(&text, '\n');
	if (buf_check(&text, e) < 0 || path_of(i, file_name, &path, e) < 0 || fd_mkdirs(i->dir, 0700, e) < 0)
		return -1;
	return fd_replace_file(AT_FDCWD, path.data, text.data, text.len, 0600, e);
}

/* ---- joining ------------------------------------------------------------------------------------------------ */

static int set_text(char **at, const char *text, struct err *e)
{
	char *copy = strdup(text);

	if (!copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	free(*at);
	*at = copy;
	return 0;
}

static int use_secret(const struct identity *i, const char *secret, struct client *c, struct err *e)
{
	CLEAN_BUF struct buf ca_file = BUF_INIT;
	CLEAN_BUF struct buf header = BUF_INIT;

	buf_addf(&header, "Bearer %s", secret);
	if (path_of(i, "ca.pem", &ca_file, e) < 0 || buf_check(&header, e) < 0)
		return -1;
	if (i->fingerprint[0] && client_is_remote(c) && client_trust(c, ca_file.data, e) < 0)
		return -1;
	if (i->tls_ca && client_set_store(c, i->tls_ca, e) < 0)
		return -1;
	return client_set_header(c, "Authorization", header.data, e);
}

int identity_use(const struct identity *i, struct client *c, struct err *e)
{
	return i->is_joined ? use_secret(i, i->secret, c, e) : 0;
}

static int call_join(const struct identity *i, const char *token_secret, struct err *e)
{
	CLEAN_BUF struct buf ca_file = BUF_INIT;
	CLEAN_BUF struct buf body = BUF_INIT;
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	char hash[HASH_HEX_BYTES];
	struct json_writer w;
	struct client *c;
	int rc;

	token_hash(i->secret, hash);
	jw_init(&w, &body);
	jw_begin_object(&w);
	jw_kstr(&w, "name", i->name);
	jw_kstr(&w, "hash", hash);
	jw_end_object(&w);
	if (path_of(i, "ca.pem", &ca_file, e) < 0 || buf_check(&body, e) < 0 ||
	    client_open(&c, i->servers, e) < 0)
		return -1;
	const struct client_request q = { .method = "POST",
					  .path = "/feed/join",
					  .body = body.data,
					  .body_len = body.len,
					  .timeout_ms = CALL_TIMEOUT_MS };
	rc = i->fingerprint[0] && client_is_remote(c)
		     ? client_fetch_ca(i->servers, i->fingerprint, ca_file.data, e)
		     : 0;
	if (rc == 0)
		rc = use_secret(i, token_secret, c, e);
	if (rc == 0)
		rc = client_do(c, &q, &reply, e);
	client_free(c);
	return rc;
}

static void pause_ms(int64_t ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

/* A token that one of several servers has just made is known to the others a moment later. */
static int join_until_answered(const struct identity *i, const char *token_secret, struct err *e)
{
	int unknown = 0;

	for (unsigned failures = 1;; failures++) {
		err_clear(e);
		if (call_join(i, token_secret, e) == 0)
			return 0;
		if (e->code == ERR_CREDENTIAL && ++unknown < UNKNOWN_TRIES) {
			pause_ms(UNKNOWN_PAUSE_MS);
			continue;
		}
		if (!err_info_get(e->code)->is_retryable)
			return err_wrap(e, "join %s", i->servers);
		if (failures == 1)
			log_err(e, "cannot join yet, trying again");
		pause_ms(worker_backoff_ms(failures));
	}
}

/* What is to be known before the first call; the same if this token was begun with already. */
static int prepare(struct identity *i, const struct token_text *t, const char *hash, const char *servers,
		   const char *name, struct err *e)
{
	bool is_begun = strcmp(i->token_hash, hash) == 0 && i->secret[0] && i->name;

	if (!is_begun || strcmp(i->name, name) != 0) {
		if (set_text(&i->name, name, e) < 0 || random_hex(i->secret, RANDOM_TOKEN_BYTES, e) < 0)
			return -1;
		i->next[0] = '\0';
		i->since_ms = clock_wall_ms();
	}
	i->is_joined = false;
	memcpy(i->token_hash, hash, HASH_HEX_BYTES);
	memcpy(i->fingerprint, t->fingerprint, HASH_HEX_BYTES);
	if (set_text(&i->servers, servers, e) < 0)
		return -1;
	return identity_save(i, e);
}

int identity_join(struct identity *i, const char *token, const char *servers, const char *name, struct err *e)
{
	struct token_text t;
	char hash[HASH_HEX_BYTES];

	if (token_parse(token, &t, e) < 0)
		return err_wrap(e, "--join");
	token_hash(t.secret, hash);
	if (i->is_joined && strcmp(i->token_hash, hash) == 0)
		return 0;
	if (prepare(i, &t, hash, servers, name, e) < 0 || join_until_answered(i, t.secret, e) < 0)
		return -1;
	i->is_joined = true;
	if (identity_save(i, e) < 0)
		return -1;
	log_line(LOG_LEVEL_INFO, "joined %s as %s", i->servers, i->name);
	return 0;
}

/* ---- a new secret ------------------------------------------------------------------------------------------- */

int identity_make_next(struct identity *i, struct err *e)
{
	if (i->next[0])
		return 0;
	return random_hex(i->next, RANDOM_TOKEN_BYTES, e) < 0 ? -1 : identity_save(i, e);
}

int identity_take_next(struct identity *i, struct err *e)
{
	memcpy(i->secret, i->next, sizeof(i->secret));
	i->next[0] = '\0';
	i->since_ms = clock_wall_ms();
	return identity_save(i, e);
}

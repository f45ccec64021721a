/* Credentials: making, listing and revoking tokens; and how a worker gets its own and replaces its secret. */
#include "server/routes_priv.h"

#include <string.h>

#include "base/path.h"
#include "base/random.h"
#include "http/tls.h"
#include "model/name.h"
#include "model/token.h"
#include "server/feed.h"
#include "server/server_priv.h"
#include "store/servers.h"
#include "store/tokens.h"

enum { NAME_MAX_BYTES = 100, ZONES_MAX = 32, JOIN_MS = 3600 * 1000 };

/* A change of the table on its way. */
struct change {
	struct token token;
	struct token_text text;
	const char *actor;
	char hash[HASH_HEX_BYTES];
	struct credentials_read read;
};

static void change_free(struct ask *a)
{
	struct change *c = a->data;
	access_unread(&c->read);
}

/* NULL: the request was answered. */
static struct change *change_new(struct ask *a)
{
	struct err e = ERR_INIT;
	struct change *c = arena_alloc(a->arena, sizeof *c);
	const char *actor = arena_printf(a->arena, "%s:%s", a->role == ROLE_WORKER ? "worker" : "owner",
					 a->who);
	if (!c || !actor) {
		err_set(&e, ERR_NOMEM, "no memory for a token");
		ask_fail(a, &e);
		return NULL;
	}
	c->actor = actor;
	a->data = c;
	a->data_free = change_free;
	return c;
}

/* What was changed is in use when the answer goes out. */
static void change_after(struct ask *a)
{
	struct change *c = a->data;
	access_loaded(a->server, &c->read);
	ask_answer(a, a->status);
}

static int read_table(struct ask *a, struct tx *tx, struct err *e)
{
	return access_read(tx, &((struct change *)a->data)->read, e);
}

/* --- making --- */

static int decode_zones(struct ask *a, const json_t *body, const char **out, struct err *e)
{
	const json_t *list;
	CLEAN_BUF struct buf joined = BUF_INIT;
	if (json_get_array(body, "zones", &list, e))
		return -1;
	size_t n = list ? json_array_size(list) : 0;
	if (n > ZONES_MAX)
		return err_set(e, ERR_INVALID, "a worker is in at most %d zones", ZONES_MAX);
	for (size_t i = 0; i < n; i++) {
		const char *zone = json_string_value(json_array_get(list, i));
		if (!zone || !name_is_tag(zone))
			return err_set(e, ERR_INVALID, "a zone is a word of letters, digits and . _ + -");
		buf_adds(&joined, i ? "," : "");
		buf_adds(&joined, zone);
	}
	*out = joined.is_failed ? NULL : arena_strdup(a->arena, joined.data);
	return *out ? 0 : err_set(e, ERR_NOMEM, "no memory for zones");
}

static int decode_role(const char *name, enum role *out, struct err *e)
{
	int role = role_parse(name);
	if (role != ROLE_ADMIN && role != ROLE_SUBMITTER && role != ROLE_READER && role != ROLE_WORKER)
		return err_set(e, ERR_INVALID, "role must be admin, submitter, reader or worker");
	/* Who has it may become one. */
	*out = role == ROLE_WORKER ? ROLE_JOIN : (enum role)role;
	return 0;
}

static int decode_token(struct ask *a, struct token *t, struct err *e)
{
	static const char *const fields[] = { "role", "name", "zones", "expires", NULL };
	const char *role;
	int64_t in_ms;
	const json_t *body = ask_body(a, fields, e);
	if (!body || json_get_str(body, "role", "", &role, e) || decode_role(role, &t->role, e) ||
	    json_get_str(body, "name", "", &t->name, e) || decode_zones(a, body, &t->zones, e) ||
	    json_get_seconds(body, "expires", t->role == ROLE_JOIN ? JOIN_MS : 0, &in_ms, e))
		return -1;
	bool is_name = t->role == ROLE_JOIN ? !t->name[0] || path_is_safe_name(t->name) : t->name[0] != '\0';
	if (!is_name || !name_is_line(t->name, NAME_MAX_BYTES))
		return err_set(e, ERR_INVALID, "%s",
			       t->role == ROLE_JOIN ? "name cannot be the name of a worker"
						    : "a token needs a name, of one line: whose it is");
	if (t->zones[0] && t->role != ROLE_JOIN)
		return err_set(e, ERR_INVALID, "only workers are in zones");
	if (t->role == ROLE_JOIN && !a->server->tls)
		return err_set(
			e, ERR_CONFLICT,
			"this server listens on the local socket only: start it with --listen https://ADDRESS:PORT");
	t->expires_ms = in_ms ? store_now_ms(a->server->store) + in_ms : 0;
	t->maker = a->who;
	return 0;
}

static int create_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct change *c = a->data;
	char text[TOKEN_TEXT_BYTES];
	if (tokens_add(tx, &c->token, c->actor, &c->token.id, e))
		return -1;
	token_format(&c->text, text);
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "id", c->token.id);
	jw_kstr(&w, "role", role_name(c->token.role == ROLE_JOIN ? ROLE_WORKER : c->token.role));
	jw_kstr(&w, "name", c->token.name);
	jw_kstr(&w, "token", text);
	jw_ktime(&w, "expires", c->token.expires_ms);
	jw_kstr(&w, "server", a->server->public_url);
	jw_end_object(&w);
	a->status = 201;
	return read_table(a, tx, e);
}

void token_create_route(struct ask *a)
{
	struct err e = ERR_INIT;
	struct change *c = change_new(a);
	if (!c)
		return;
	if (decode_token(a, &c->token, &e) || random_hex(c->text.secret, RANDOM_TOKEN_BYTES, &e)) {
		ask_fail(a, &e);
		return;
	}
	token_hash(c->text.secret, c->token.hash);
	if (a->server->tls)
		memcpy(c->text.fingerprint, tls_server_fingerprint(a->server->tls),
		       strlen(tls_server_fingerprint(a->server->tls)) + 1);
	ask_write(a, create_run, change_after);
}

/* --- listing --- */

static const char *state_of(const struct token *t, int64_t now_ms)
{
	if (t->revoked_ms)
		return "revoked";
	if (t->born)
		return "used";
	return t->expires_ms && t->expires_ms <= now_ms ? "expired" : "good";
}

static void write_token(struct json_writer *w, const struct token *t, int64_t now_ms)
{
	jw_begin_object(w);
	jw_kint(w, "id", t->id);
	jw_kstr(w, "role", role_name(t->role));
	jw_kstr(w, "name", t->name);
	jw_kstr(w, "state", state_of(t, now_ms));
	jw_kstr(w, "zones", t->zones);
	jw_kstr(w, "maker", t->maker);
	jw_ktime(w, "created", t->created_ms);
	jw_ktime(w, "expires", t->expires_ms);
	jw_ktime(w, "used", t->used_ms);
	jw_end_object(w);
}

static int list_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct token *tokens;
	size_t n;
	if (tokens_list(tx, false, a->arena, &tokens, &n, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_key(&w, "tokens");
	jw_begin_array(&w);
	for (size_t i = 0; i < n; i++)
		write_token(&w, &tokens[i], tx_now_ms(tx));
	jw_end_array(&w);
	jw_end_object(&w);
	return 0;
}

void tokens_list_route(struct ask *a)
{
	ask_read(a, list_run, NULL);
}

/* --- revoking --- */

static int revoke_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct change *c = a->data;
	if (tokens_get(tx, a->id, a->arena, &c->token, e) || tokens_revoke(tx, a->id, c->actor, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kint(&w, "revoked", a->id);
	jw_end_object(&w);
	return read_table(a, tx, e);
}

/* A worker that has lost its credential learns it at its next call, which is to be now. What it runs is not given away:
 * nobody knows yet that it is dead. It cannot be renewed any more, and the lease ends. */
static void revoke_after(struct ask *a)
{
	struct change *c = a->data;
	struct server *s = a->server;
	access_loaded(s, &c->read);
	if (c->token.role == ROLE_WORKER) {
		pthread_mutex_lock(&s->lock);
		hub_session_remove(s, c->token.name);
		pthread_mutex_unlock(&s->lock);
	}
	ask_answer(a, 200);
}

void token_revoke_route(struct ask *a)
{
	if (change_new(a))
		ask_write(a, revoke_run, revoke_after);
}

/* --- the CA --- */

void ca_route(struct ask *a)
{
	struct err e = ERR_INIT;
	const struct tls_server *tls = a->server->tls;
	if (!tls || !tls_server_fingerprint(tls)[0]) {
		err_set(&e, ERR_NOT_FOUND, "this server has no CA of its own");
		ask_fail(a, &e);
		return;
	}
	buf_adds(&a->reply, tls_server_ca(tls));
	http_answer(a->req, 200, "application/x-pem-file", &a->reply);
}

/* --- workers --- */

/* The names of the servers' own workers are taken. */
static int check_is_free(struct ask *a, struct tx *tx, const char *name, struct err *e)
{
	struct server_row *servers;
	size_t n;
	if (servers_list(tx, a->arena, &servers, &n, e))
		return -1;
	bool is_taken = strcmp(name, server_name(a->server)) == 0;
	for (size_t i = 0; i < n; i++)
		is_taken = is_taken || strcmp(name, servers[i].name) == 0;
	return is_taken ? err_set(e, ERR_CONFLICT,
				  "%s is the name of a server's own worker: give this one another (--name)",
				  name)
			: 0;
}

static int join_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct change *c = a->data;
	int64_t born;
	if (check_is_free(a, tx, c->token.name, e) ||
	    tokens_join(tx, a->token, c->token.name, c->hash, &born, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_kstr(&w, "name", c->token.name);
	jw_kstr(&w, "zones", a->zones);
	jw_end_object(&w);
	return read_table(a, tx, e);
}

static int decode_hash(const json_t *body, char out[HASH_HEX_BYTES], struct err *e)
{
	const char *hash;
	if (json_get_str(body, "hash", "", &hash, e))
		return -1;
	if (!hash_is_hex(hash))
		return err_set(e, ERR_INVALID,
			       "hash is the SHA-256 of the new secret, in 64 lower-case digits");
	memcpy(out, hash, HASH_HEX_BYTES);
	return 0;
}

void feed_join(struct ask *a)
{
	static const char *const fields[] = { "name", "hash", NULL };
	struct err e = ERR_INIT;
	struct change *c = change_new(a);
	if (!c)
		return;
	const json_t *body = ask_body(a, fields, &e);
	if (body && json_get_str(body, "name", "", &c->token.name, &e) == 0 &&
	    decode_hash(body, c->hash, &e) == 0 &&
	    (!path_is_safe_name(c->token.name) || strlen(c->token.name) > NAME_MAX_BYTES))
		err_set(&e, ERR_INVALID, "name cannot be the name of a worker");
	if (e.code)
		ask_fail(a, &e);
	else
		ask_write(a, join_run, change_after);
}

static int rotate_run(struct ask *a, struct tx *tx, struct err *e)
{
	struct change *c = a->data;
	/* Asked again with the new one: it is in use. */
	if (strcmp(c->hash, a->secret_hash) != 0 && tokens_set_next(tx, a->token, c->hash, e))
		return -1;
	struct json_writer w = ask_writer(a);
	jw_begin_object(&w);
	jw_end_object(&w);
	return read_table(a, tx, e);
}

void feed_rotate(struct ask *a)
{
	static const char *const fields[] = { "hash", NULL };
	struct err e = ERR_INIT;
	struct change *c = change_new(a);
	if (!c)
		return;
	const json_t *body = ask_body(a, fields, &e);
	if (body && decode_hash(body, c->hash, &e) == 0 && a->role != ROLE_WORKER)
		err_set(&e, ERR_INVALID, "only a worker's credential has a secret that can be replaced");
	if (e.code)
		ask_fail(a, &e);
	else
		ask_write(a, rotate_run, change_after);
}

#include "server/access.h"

#include <pwd.h>
#include <string.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/log.h"
#include "model/token.h"
#include "server/peers.h"
#include "server/server_priv.h"
#include "store/tokens.h"

enum {
	SECRET_MAX = 256,
	SAY_MS = 60000,	       /* between two words about refusals */
	USED_MS = 3600 * 1000, /* between two notes of the last use */
};

struct credential {
	int64_t id;
	enum role role;
	char hash[HASH_HEX_BYTES], next_hash[HASH_HEX_BYTES];
	int64_t expires_ms, used_ms;
	struct credential *next;
	char *zones;
	char name[]; /* and behind it the zones */
};

void access_init(struct server *s)
{
	pthread_mutex_init(&s->credentials.lock, NULL);
}

static void free_all(struct credential *c)
{
	while (c) {
		struct credential *next = c->next;
		free(c);
		c = next;
	}
}

void access_release(struct server *s)
{
	size_t at = 0;
	int64_t uid;
	void *name;
	while (idmap_next(&s->credentials.users, &at, &uid, &name))
		free(name);
	idmap_release(&s->credentials.users);
	map_release(&s->credentials.by_hash);
	free_all(s->credentials.all);
	pthread_mutex_destroy(&s->credentials.lock);
}

/* --- the table, in memory --- */

static struct credential *credential_new(const struct token *t)
{
	size_t name_len = strlen(t->name) + 1, zones_len = strlen(t->zones) + 1;
	struct credential *c = calloc(1, sizeof *c + name_len + zones_len);
	if (!c)
		return NULL;
	c->id = t->id;
	c->role = t->role;
	c->expires_ms = t->expires_ms;
	c->used_ms = t->used_ms;
	memcpy(c->hash, t->hash, sizeof c->hash);
	memcpy(c->next_hash, t->next_hash, sizeof c->next_hash);
	memcpy(c->name, t->name, name_len);
	c->zones = c->name + name_len;
	memcpy(c->zones, t->zones, zones_len);
	return c;
}

int access_read(struct tx *tx, struct credentials_read *r, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct token *tokens;
	size_t n;
	/* It may run again. */
	access_unread(r);
	if (tokens_version(tx, &r->version, e) || tokens_list(tx, true, &a, &tokens, &n, e))
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct credential *c = credential_new(&tokens[i]);
		if (!c)
			return err_set(e, ERR_NOMEM, "no memory for credentials");
		c->next = r->all;
		r->all = c;
	}
	return 0;
}

void access_unread(struct credentials_read *r)
{
	free_all(r->all);
	r->all = NULL;
}

void access_loaded(struct server *s, struct credentials_read *r)
{
	struct credentials *k = &s->credentials;
	struct map by_hash = MAP_INIT;
	for (struct credential *c = r->all; c; c = c->next) {
		/* Without memory somebody is not known: he asks again. */
		map_set(&by_hash, c->hash, c, NULL);
		if (c->next_hash[0])
			map_set(&by_hash, c->next_hash, c, NULL);
	}
	pthread_mutex_lock(&k->lock);
	/* One that was read earlier may come later. */
	if (r->version >= k->version) {
		struct map old_map = k->by_hash;
		struct credential *old = k->all;
		k->by_hash = by_hash;
		k->all = r->all;
		k->version = r->version;
		by_hash = old_map;
		r->all = old;
	}
	pthread_mutex_unlock(&k->lock);
	map_release(&by_hash);
	access_unread(r);
}

struct load_task {
	struct store_task task;
	struct credentials_read read;
};

static int load_run(struct tx *tx, struct store_task *t, struct err *e)
{
	return access_read(tx, &container_of(t, struct load_task, task)->read, e);
}

static int load(struct server *s, struct err *e)
{
	struct load_task k = { .task = { .run = load_run } };
	if (store_read_wait(s->store, &k.task)) {
		access_unread(&k.read);
		*e = k.task.err;
		return -1;
	}
	access_loaded(s, &k.read);
	return 0;
}

int access_start(struct server *s, struct err *e)
{
	return load(s, e) ? err_wrap(e, "read the credentials") : 0;
}

int access_look(struct server *s, int64_t version, struct err *e)
{
	pthread_mutex_lock(&s->credentials.lock);
	bool is_same = version == s->credentials.version;
	pthread_mutex_unlock(&s->credentials.lock);
	return !is_same && load(s, e) ? err_wrap(e, "look for new credentials") : 0;
}

/* --- what its use changes --- */

/* Not part of any request: it is tried once, and the next use tries again. */
struct use_task {
	struct store_task task;
	struct server *server;
	int64_t id;
	char next_hash[HASH_HEX_BYTES]; /* "": only that it was used */
	struct credentials_read read;
};

static int use_run(struct tx *tx, struct store_task *t, struct err *e)
{
	struct use_task *u = container_of(t, struct use_task, task);
	if (!u->next_hash[0])
		return tokens_used(tx, u->id, e);
	return tokens_promote(tx, u->id, u->next_hash, e) || access_read(tx, &u->read, e) ? -1 : 0;
}

static void use_done(struct store_task *t)
{
	struct use_task *u = container_of(t, struct use_task, task);
	if (t->rc)
		log_err(&t->err, "note the use of token %lld", (long long)u->id);
	else if (u->next_hash[0])
		access_loaded(u->server, &u->read);
	access_unread(&u->read);
	free(u);
}

static void post_use(struct server *s, int64_t id, const char *next_hash)
{
	struct use_task *u = calloc(1, sizeof *u);
	if (!u)
		return;
	u->task = (struct store_task){ .run = use_run, .done = use_done };
	u->server = s;
	u->id = id;
	memcpy(u->next_hash, next_hash, strlen(next_hash) + 1);
	store_write(s->store, &u->task);
}

/* --- who asks --- */

static char *look_up_user(uid_t uid)
{
	char space[4096], number[32];
	struct passwd pw, *found = NULL;
	if (getpwuid_r(uid, &pw, space, sizeof space, &found) == 0 && found)
		return strdup(found->pw_name);
	snprintf(number, sizeof number, "uid:%u", (unsigned)uid);
	return strdup(number);
}

/* Names are looked up once each: that may ask the network. */
static int identify_user(struct ask *a, struct err *e)
{
	struct credentials *k = &a->server->credentials;
	uint32_t uid = a->req->peer.uid;
	pthread_mutex_lock(&k->lock);
	char *name = idmap_find(&k->users, (int64_t)uid + 1);
	if (!name) {
		name = look_up_user(uid);
		if (name && idmap_set(&k->users, (int64_t)uid + 1, name, NULL)) {
			free(name);
			name = NULL;
		}
	}
	pthread_mutex_unlock(&k->lock);
	a->who = name ? arena_strdup(a->arena, name) : NULL;
	a->role = uid == 0 || uid == a->server->uid ? ROLE_ADMIN : ROLE_SUBMITTER;
	return a->who ? 0 : err_set(e, ERR_NOMEM, "no memory for a user's name");
}

/* The same words whatever is wrong with it, so that nothing is learned from them. */
static int refuse_credential(struct ask *a, struct err *e)
{
	struct credentials *k = &a->server->credentials;
	char address[HTTP_ADDRESS_BYTES];
	int64_t now_ms = clock_boot_ms(), refused = 0;
	http_address(a->req, address);
	pthread_mutex_lock(&k->lock);
	k->refused++;
	if (!k->refused_ms || now_ms - k->refused_ms >= SAY_MS) {
		refused = k->refused;
		k->refused = 0;
		k->refused_ms = now_ms;
	}
	pthread_mutex_unlock(&k->lock);
	if (refused)
		log_line(LOG_LEVEL_WARN,
			 "refused %lld calls without a credential that is known; the last came from %s",
			 (long long)refused, address[0] ? address : "this machine");
	http_set_header(a->req, "WWW-Authenticate", "Bearer");
	return err_set(
		e, ERR_CREDENTIAL,
		"the credential is missing, wrong, expired, used up or revoked: an administrator makes a new one with "
		"slipway token create");
}

/* What was found is copied: the table may be replaced at any time. */
static bool find(struct ask *a, const char *hash, int64_t now_ms, bool *is_next, bool *is_use_due)
{
	struct credentials *k = &a->server->credentials;
	pthread_mutex_lock(&k->lock);
	struct credential *c = map_find(&k->by_hash, hash);
	if (c && c->expires_ms && c->expires_ms <= now_ms)
		c = NULL;
	if (c) {
		a->role = c->role;
		a->token = c->id;
		a->who = arena_strdup(a->arena, c->name);
		a->zones = arena_strdup(a->arena, c->zones);
		*is_next = strcmp(c->next_hash, hash) == 0;
		*is_use_due = now_ms - c->used_ms >= USED_MS;
		if (*is_use_due)
			c->used_ms = now_ms;
		/* The old secret has had its time. */
		if (*is_next)
			map_remove(&k->by_hash, c->hash);
	}
	pthread_mutex_unlock(&k->lock);
	return c != NULL;
}

static int identify_bearer(struct ask *a, const char *header, struct err *e)
{
	static const char scheme[] = "Bearer ";
	bool is_next, is_use_due;
	if (strncmp(header, scheme, sizeof scheme - 1) != 0 || strlen(header) > SECRET_MAX)
		return refuse_credential(a, e);
	token_hash(header + sizeof scheme - 1, a->secret_hash);
	if (!find(a, a->secret_hash, store_now_ms(a->server->store), &is_next, &is_use_due)) {
		/* Another server may have given it out, and a worker that is refused is out for good. */
		if (peers_were_out(a->server, 0))
			return err_set(e, ERR_BUSY,
				       "the database cannot be asked for this credential; try again later");
		return refuse_credential(a, e);
	}
	if (!a->who || !a->zones)
		return err_set(e, ERR_NOMEM, "no memory for a name");
	/* What uses up a join token notes it by itself. */
	if (is_next)
		post_use(a->server, a->token, a->secret_hash);
	if (is_use_due && a->role != ROLE_JOIN)
		post_use(a->server, a->token, "");
	return 0;
}

int access_identify(struct ask *a, struct err *e)
{
	const char *header = http_header(a->req, "Authorization");
	int rc = 0;
	a->zones = "";
	a->who = "nobody";
	a->role = ROLE_NOBODY;
	if (header)
		rc = identify_bearer(a, header, e);
	else if (a->req->peer.is_local)
		rc = identify_user(a, e);
	a->is_admin = a->role == ROLE_ADMIN;
	/* Places are limited: who has no credential asks once, and cannot hold one by asking slowly. */
	if (a->role == ROLE_NOBODY && !a->req->peer.is_local)
		http_set_header(a->req, "Connection", "close");
	return rc;
}

int access_refuse(struct ask *a, struct err *e)
{
	if (a->role == ROLE_NOBODY)
		return refuse_credential(a, e);
	return err_set(e, ERR_DENIED, "%s (%s) is not allowed to do this",
		       a->who[0] ? a->who : "a join token", role_name(a->role));
}

int access_check_worker(const struct ask *a, const char *worker, struct err *e)
{
	if (a->role != ROLE_WORKER || strcmp(a->who, worker) == 0)
		return 0;
	return err_set(e, ERR_DENIED, "this credential is worker %s's, not %s's", a->who, worker);
}

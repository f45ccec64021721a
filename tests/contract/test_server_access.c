/* Who may call what, over the network: every route by every role. And what is said to those who are not known. */
#include "test.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "http/client.h"
#include "http/tls.h"
#include "model/protocol.h"
#include "model/token.h"
#include "server/route.h"
#include "server/server.h"
#include "server_fixture.h"

static const char worker_secret[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

struct site {
	struct sfx fx;
	struct tls_server *tls;
	char url[64], ca_file[96];
};

static int listen_tcp(struct site *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_return_code(bind(fd, (struct sockaddr *)&at, len), errno);
	assert_return_code(listen(fd, 64), errno);
	assert_return_code(getsockname(fd, (struct sockaddr *)&at, &len), errno);
	snprintf(s->url, sizeof s->url, "https://127.0.0.1:%d", ntohs(at.sin_port));
	return fd;
}

static void site_init(struct site *s)
{
	struct err e = ERR_INIT;
	char ca_dir[96];
	memset(s, 0, sizeof *s);
	sfx_init(&s->fx, 0);
	snprintf(ca_dir, sizeof ca_dir, "%s/tls", s->fx.dir);
	snprintf(s->ca_file, sizeof s->ca_file, "%s/kept.pem", s->fx.dir);
	const struct tls_options o = { .ca_dir = ca_dir, .own_dir = s->fx.dir, .name = "a" };
	if (tls_server_open(&s->tls, &o, &e))
		fail_msg("%s", e.text);
	int fd = listen_tcp(s);
	assert_int_equal(server_listen_tls(s->fx.server, fd, s->tls, s->url, &e), 0);
	assert_int_equal(client_fetch_ca(s->url, tls_server_fingerprint(s->tls), s->ca_file, &e), 0);
}

static void site_release(struct site *s)
{
	sfx_release(&s->fx);
	tls_server_free(s->tls);
}

static struct client *client_new(struct site *s, const char *secret)
{
	struct err e = ERR_INIT;
	struct client *c;
	char bearer[128];
	assert_int_equal(client_open(&c, s->url, &e), 0);
	assert_int_equal(client_trust(c, s->ca_file, &e), 0);
	snprintf(bearer, sizeof bearer, "Bearer %s", secret ? secret : "");
	assert_int_equal(client_set_header(c, "Authorization", secret ? bearer : NULL, &e), 0);
	assert_int_equal(client_set_header(c, "Slipway-Worker", "w", &e), 0);
	assert_int_equal(client_set_header(c, "Slipway-Session", "no session of this name", &e), 0);
	return c;
}

/* The status; *text (may be NULL) gets the error's. */
static int call(struct client *c, const char *method, const char *path, const char *body, struct err *e)
{
	CLEAN_REPLY struct client_reply r = CLIENT_REPLY_INIT;
	struct err own = ERR_INIT;
	client_call(c, method, path, body, &r, e ? e : &own);
	return r.status;
}

static json_t *make_token(struct site *s, const char *body)
{
	return sfx_call(&s->fx, NULL, "POST", "/v1/tokens", body, 201);
}

static struct token_text make_secret(struct site *s, const char *body)
{
	struct token_text t;
	json_t *made = make_token(s, body);
	assert_int_equal(token_parse(json_string_value(json_object_get(made, "token")), &t, NULL), 0);
	assert_string_equal(t.fingerprint, tls_server_fingerprint(s->tls));
	json_decref(made);
	return t;
}

static void join(struct site *s, const char *name, const char *secret)
{
	struct err e = ERR_INIT;
	char hash[HASH_HEX_BYTES], body[256];
	struct token_text t = make_secret(s, "{\"role\":\"worker\"}");
	struct client *c = client_new(s, t.secret);
	token_hash(secret, hash);
	snprintf(body, sizeof body, "{\"name\":\"%s\",\"hash\":\"%s\"}", name, hash);
	if (call(c, "POST", "/feed/join", body, &e) != 200)
		fail_msg("join: %s", e.text);
	client_free(c);
}

/* --- every route by every role --- */

/* n nobody, a admin, s submitter, r reader, w worker, j with a join token. A route that is not here is nobody's. */
static const char letters[ROLES] = {
	[ROLE_NOBODY] = 'n', [ROLE_ADMIN] = 'a',  [ROLE_SUBMITTER] = 's',
	[ROLE_READER] = 'r', [ROLE_WORKER] = 'w', [ROLE_JOIN] = 'j',
};
static const struct {
	const char *method, *pattern, *may;
} expected[] = {
	{ "POST", "/feed/lease", "aw" },
	{ "POST", "/feed/log", "aw" },
	{ "POST", "/feed/beat", "aw" },
	{ "PUT", "/feed/artifact", "aw" },
	{ "GET", "/feed/blob/{name}", "aw" },
	{ "GET", "/feed/artifact", "aw" },
	{ "POST", "/feed/join", "j" },
	{ "POST", "/feed/rotate", "aw" },
	{ "POST", "/feed/register", "aw" },
	{ "POST", "/feed/leave", "aw" },
	{ "POST", "/v1/jobs", "as" },
	{ "GET", "/v1/jobs", "asr" },
	{ "GET", "/v1/jobs/{id}", "asr" },
	{ "GET", "/v1/jobs/{id}/why", "asr" },
	{ "GET", "/v1/jobs/{id}/log", "asr" },
	{ "GET", "/v1/jobs/{id}/artifacts", "asr" },
	{ "GET", "/v1/jobs/{id}/artifacts/{path}", "asr" },
	{ "POST", "/v1/jobs/cancel", "as" },
	{ "POST", "/v1/jobs/retry", "as" },
	{ "POST", "/v1/jobs/rerun", "as" },
	{ "POST", "/v1/jobs/suspend", "as" },
	{ "POST", "/v1/jobs/resume", "as" },
	{ "POST", "/v1/jobs/priority", "as" },
	{ "GET", "/v1/wait", "asr" },
	{ "GET", "/v1/blobs/{name}", "asr" },
	{ "HEAD", "/v1/blobs/{name}", "asr" },
	{ "PUT", "/v1/blobs/{name}", "as" },
	{ "GET", "/v1/status", "asr" },
	{ "GET", "/v1/workers", "asr" },
	{ "POST", "/v1/workers/{name}", "a" },
	{ "GET", "/v1/targets", "asr" },
	{ "GET", "/v1/targets/{name}", "asr" },
	{ "DELETE", "/v1/targets/{name}", "a" },
	{ "GET", "/v1/types", "asr" },
	{ "GET", "/v1/ca", "nasrwj" },
	{ "GET", "/v1/tokens", "a" },
	{ "POST", "/v1/tokens", "a" },
	{ "DELETE", "/v1/tokens/{id}", "a" },
	{ "GET", "/v1/events", "a" },
	{ "POST", "/v1/admin/check", "a" },
	{ "POST", "/v1/admin/gc", "a" },
	{ "GET", "/v1/owners", "a" },
	{ "POST", "/v1/owners/{name}", "a" },
	{ "POST", "/v1/admin/backup", "a" },
};

static const char *find_expected(const struct route *r)
{
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
		if (strcmp(expected[i].method, r->method) == 0 &&
		    strcmp(expected[i].pattern, r->pattern) == 0)
			return expected[i].may;
	fail_msg("%s %s: say in this test who may call it", r->method, r->pattern);
	return "";
}

/* With something for each brace, of which there is none. */
static void fill_in(const char *pattern, struct buf *out)
{
	while (*pattern) {
		if (*pattern != '{') {
			buf_addc(out, *pattern++);
			continue;
		}
		buf_adds(out, strncmp(pattern, "{id}", 4) == 0 ? "987654321" : "none");
		pattern = strchr(pattern, '}') + 1;
	}
}

static void check_route(struct client *c, const struct route *r, enum role role)
{
	struct err e = ERR_INIT;
	CLEAN_BUF struct buf path = BUF_INIT;
	fill_in(r->pattern, &path);
	bool has_body = strcmp(r->method, "POST") == 0 || strcmp(r->method, "PUT") == 0;
	int status = call(c, r->method, path.data, has_body ? "{}" : NULL, &e);
	bool may = strchr(find_expected(r), letters[role]) != NULL;
	int refused = role == ROLE_NOBODY ? 401 : 403;
	if (status == 0)
		fail_msg("%s %s by %s: %s", r->method, r->pattern, role_name(role), e.text);
	if (may && (status == 401 || status == 403))
		fail_msg("%s %s: %s may call it, but: %s", r->method, r->pattern, role_name(role), e.text);
	if (!may && status != refused)
		fail_msg("%s %s: %s may not call it, but got %d", r->method, r->pattern, role_name(role),
			 status);
}

static void test_every_route_by_every_role(void **state)
{
	struct site s;
	struct client *clients[ROLES] = { NULL };
	site_init(&s);
	join(&s, "w", worker_secret);
	clients[ROLE_NOBODY] = client_new(&s, NULL);
	clients[ROLE_ADMIN] = client_new(&s, make_secret(&s, "{\"role\":\"admin\",\"name\":\"ada\"}").secret);
	clients[ROLE_SUBMITTER] = client_new(
		&s, make_secret(&s, "{\"role\":\"submitter\",\"name\":\"sue\"}").secret);
	clients[ROLE_READER] = client_new(&s,
					  make_secret(&s, "{\"role\":\"reader\",\"name\":\"rob\"}").secret);
	clients[ROLE_WORKER] = client_new(&s, worker_secret);
	clients[ROLE_JOIN] = client_new(&s, make_secret(&s, "{\"role\":\"worker\"}").secret);
	size_t n = 0;
	for (const struct route *r = routes; r->method; r++, n++)
		for (int role = 0; role < ROLES; role++)
			check_route(clients[role], r, (enum role)role);
	/* None was forgotten there that is gone from the table. */
	assert_int_equal(n, sizeof expected / sizeof expected[0]);
	for (int role = 0; role < ROLES; role++)
		client_free(clients[role]);
	site_release(&s);
}

/* --- what a credential is good for --- */

static void test_a_worker_is_itself_only(void **state)
{
	struct site s;
	struct err e = ERR_INIT;
	site_init(&s);
	join(&s, "w", worker_secret);
	struct client *c = client_new(&s, worker_secret);
	const char *body =
		"{\"name\":\"other\",\"session\":\"0123456789abcdef\",\"version\":\"0\",\"slots\":1,\"isolations\":[\"none\"],"
		"\"tags\":[]}";
	assert_int_equal(call(c, "POST", "/feed/register", body, &e), 403);
	assert_int_equal(client_set_header(c, "Slipway-Worker", "other", &e), 0);
	assert_int_equal(call(c, "POST", "/feed/beat", "{\"running\":[]}", &e), 403);
	assert_non_null(strstr(e.text, "is worker w's, not other's"));
	client_free(c);
	site_release(&s);
}

static void test_a_submitter_has_his_own_jobs_only(void **state)
{
	struct site s;
	struct err e = ERR_INIT;
	char body[64];
	site_init(&s);
	struct client *c = client_new(&s,
				      make_secret(&s, "{\"role\":\"submitter\",\"name\":\"sue\"}").secret);
	int64_t others = sfx_submit(&s.fx, "{\"argv\":[\"true\"]}");
	snprintf(body, sizeof body, "{\"ids\":[%lld]}", (long long)others);
	assert_int_equal(call(c, "POST", "/v1/jobs/cancel", body, &e), 200);
	assert_string_equal(sfx_state(&s.fx, others), "waiting");
	assert_int_equal(call(c, "POST", "/v1/jobs", "{\"argv\":[\"true\"],\"owner\":\"root\"}", &e), 403);
	assert_int_equal(call(c, "POST", "/v1/jobs", "{\"argv\":[\"true\"]}", &e), 201);
	json_t *own = sfx_show(&s.fx, others + 1);
	assert_string_equal(json_string_value(json_object_get(own, "owner")), "sue");
	json_decref(own);
	snprintf(body, sizeof body, "{\"ids\":[%lld]}", (long long)others + 1);
	assert_int_equal(call(c, "POST", "/v1/jobs/cancel", body, &e), 200);
	assert_string_equal(sfx_state(&s.fx, others + 1), "cancelled");
	client_free(c);
	site_release(&s);
}

/* Whatever is wrong with it, the words are the same. */
static void test_what_is_not_known(void **state)
{
	static const char *const wrong[] = {
		"", "x", "0000000000000000000000000000000000000000000000000000000000000000"
	};
	struct site s;
	struct err first = ERR_INIT;
	site_init(&s);
	struct client *c = client_new(&s, NULL);
	assert_int_equal(call(c, "GET", "/v1/status", NULL, &first), 401);
	assert_int_equal(first.code, ERR_CREDENTIAL);
	client_free(c);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct err e = ERR_INIT;
		c = client_new(&s, wrong[i]);
		assert_int_equal(call(c, "GET", "/v1/status", NULL, &e), 401);
		assert_string_equal(e.text, first.text);
		client_free(c);
	}
	/* Revoked: at once. */
	json_t *made = make_token(&s, "{\"role\":\"reader\",\"name\":\"rob\"}");
	struct token_text t;
	char path[64];
	struct err e = ERR_INIT;
	assert_int_equal(token_parse(json_string_value(json_object_get(made, "token")), &t, NULL), 0);
	snprintf(path, sizeof path, "/v1/tokens/%lld",
		 (long long)json_integer_value(json_object_get(made, "id")));
	json_decref(made);
	c = client_new(&s, t.secret);
	assert_int_equal(call(c, "GET", "/v1/status", NULL, &e), 200);
	json_decref(sfx_call(&s.fx, NULL, "DELETE", path, NULL, 200));
	assert_int_equal(call(c, "GET", "/v1/status", NULL, &e), 401);
	assert_string_equal(e.text, first.text);
	client_free(c);
	/* Expired. */
	c = client_new(&s,
		       make_secret(&s, "{\"role\":\"reader\",\"name\":\"rob\",\"expires\":0.001}").secret);
	while (call(c, "GET", "/v1/status", NULL, &e) == 200)
		;
	assert_string_equal(e.text, first.text);
	client_free(c);
	site_release(&s);
}

/* --- joining --- */

static int try_join(struct site *s, const char *token, const char *name, const char *secret, struct err *e)
{
	char hash[HASH_HEX_BYTES], body[256];
	struct client *c = client_new(s, token);
	token_hash(secret, hash);
	snprintf(body, sizeof body, "{\"name\":\"%s\",\"hash\":\"%s\"}", name, hash);
	err_clear(e);
	int status = call(c, "POST", "/feed/join", body, e);
	client_free(c);
	return status;
}

static void test_a_join_token_is_good_once(void **state)
{
	static const char other[] = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
	struct site s;
	struct err e = ERR_INIT;
	site_init(&s);
	struct token_text t = make_secret(&s, "{\"role\":\"worker\",\"zones\":[\"a\",\"b\"]}");
	assert_int_equal(try_join(&s, t.secret, "w", worker_secret, &e), 200);
	/* The answer may have been lost: the same call again is no error … */
	assert_int_equal(try_join(&s, t.secret, "w", worker_secret, &e), 200);
	/* … another one is. */
	assert_int_equal(try_join(&s, t.secret, "w", other, &e), 403);
	assert_non_null(strstr(e.text, "used already, by worker w"));
	assert_int_equal(try_join(&s, t.secret, "w2", worker_secret, &e), 403);
	/* The name is taken, but for a token that names it: then the older credential is good no more. */
	t = make_secret(&s, "{\"role\":\"worker\"}");
	assert_int_equal(try_join(&s, t.secret, "w", other, &e), 409);
	assert_non_null(strstr(e.text, "--name"));
	t = make_secret(&s, "{\"role\":\"worker\",\"name\":\"w\"}");
	assert_int_equal(try_join(&s, t.secret, "w2", other, &e), 403);
	assert_int_equal(try_join(&s, t.secret, "w", other, &e), 200);
	struct client *c = client_new(&s, worker_secret);
	assert_int_equal(call(c, "POST", "/feed/beat", "{}", &e), 401);
	client_free(c);
	c = client_new(&s, other);
	assert_int_equal(call(c, "POST", "/feed/beat", "{}", &e), 409);
	client_free(c);
	/* The server's own worker's name is nobody else's. */
	t = make_secret(&s, "{\"role\":\"worker\"}");
	assert_int_equal(try_join(&s, t.secret, server_name(s.fx.server), other, &e), 409);
	site_release(&s);
}

static void test_a_secret_is_replaced_when_the_new_one_is_used(void **state)
{
	static const char next[] = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";
	struct site s;
	struct err e = ERR_INIT;
	char hash[HASH_HEX_BYTES], body[128];
	site_init(&s);
	join(&s, "w", worker_secret);
	struct client *old = client_new(&s, worker_secret), *new = client_new(&s, next);
	assert_int_equal(call(new, "POST", "/feed/beat", "{}", &e), 401);
	token_hash(next, hash);
	snprintf(body, sizeof body, "{\"hash\":\"%s\"}", hash);
	/* The answer may be lost, and the call repeated. */
	assert_int_equal(call(old, "POST", "/feed/rotate", body, &e), 200);
	assert_int_equal(call(old, "POST", "/feed/rotate", body, &e), 200);
	assert_int_equal(call(old, "POST", "/feed/beat", "{}", &e), 409);
	assert_int_equal(call(new, "POST", "/feed/beat", "{}", &e), 409);
	assert_int_equal(call(old, "POST", "/feed/beat", "{}", &e), 401);
	assert_int_equal(call(new, "POST", "/feed/rotate", body, &e), 200);
	assert_int_equal(call(new, "POST", "/feed/beat", "{}", &e), 409);
	/* Also after a new start. */
	client_free(old);
	client_free(new);
	sfx_stop(&s.fx);
	sfx_start(&s.fx);
	assert_int_equal(server_listen_tls(s.fx.server, listen_tcp(&s), s.tls, s.url, &e), 0);
	old = client_new(&s, worker_secret);
	new = client_new(&s, next);
	assert_int_equal(call(old, "POST", "/feed/beat", "{}", &e), 401);
	assert_int_equal(call(new, "POST", "/feed/beat", "{}", &e), 409);
	client_free(old);
	client_free(new);
	site_release(&s);
}

/* --- registering --- */

/* `more` goes before the rest of the body. */
static int do_register(struct site *s, const char *session, const char *more, struct err *e)
{
	CLEAN_BUF struct buf body = BUF_INIT;
	struct client *c = client_new(s, worker_secret);
	buf_addf(&body,
		 "{%s\"name\":\"w\",\"session\":\"%s\",\"machine\":\"m\",\"version\":\"9.9.9\",\"slots\":1,"
		 "\"isolations\":[\"none\"],\"tags\":[]}",
		 more, session);
	err_clear(e);
	int status = call(c, "POST", "/feed/register", body.data, e);
	client_free(c);
	return status;
}

static void test_versions_apart(void **state)
{
	static const char session[] = "session-of-16-or-more";
	struct site s;
	struct err e = ERR_INIT;
	char more[64];
	site_init(&s);
	join(&s, "w", worker_secret);
	for (int apart = -1; apart <= 1; apart++) {
		snprintf(more, sizeof more, "\"protocol\":%d,", PROTOCOL + apart);
		if (do_register(&s, session, more, &e) != 200)
			fail_msg("%d apart: %s", apart, e.text);
	}
	/* From before there were numbers. */
	assert_int_equal(do_register(&s, session, "", &e), 200);
	snprintf(more, sizeof more, "\"protocol\":%d,", PROTOCOL + 2);
	assert_int_equal(do_register(&s, session, more, &e), 501);
	assert_non_null(strstr(e.text, "version 9.9.9"));
	assert_non_null(strstr(e.text, SLIPWAY_VERSION));
	assert_non_null(strstr(e.text, "upgrade the server"));
	site_release(&s);
}

static void test_who_was_there_first_gives_way(void **state)
{
	struct site s;
	struct err e = ERR_INIT;
	site_init(&s);
	join(&s, "w", worker_secret);
	assert_int_equal(do_register(&s, "session-of-the-first", "", &e), 200);
	/* A process that registers anew, or that does not know whether it was heard. */
	assert_int_equal(do_register(&s, "session-2-of-the-first", "\"after\":\"session-of-the-first\",", &e),
			 200);
	assert_int_equal(do_register(&s, "session-2-of-the-first", "\"after\":\"session-of-the-first\",", &e),
			 200);
	/* Another one takes the name, … */
	assert_int_equal(do_register(&s, "session-of-the-second", "", &e), 200);
	/* … and the first does not take it back … */
	assert_int_equal(
		do_register(&s, "session-3-of-the-first", "\"after\":\"session-2-of-the-first\",", &e), 409);
	assert_non_null(strstr(e.text, "two have one identity"));
	assert_non_null(strstr(e.text, "from machine m"));
	/* … until the other has gone. */
	struct client *c = client_new(&s, worker_secret);
	assert_int_equal(client_set_header(c, "Slipway-Session", "session-of-the-second", &e), 0);
	assert_int_equal(call(c, "POST", "/feed/leave", "{}", &e), 200);
	client_free(c);
	assert_int_equal(
		do_register(&s, "session-3-of-the-first", "\"after\":\"session-2-of-the-first\",", &e), 200);
	site_release(&s);
}

/* What a join token says of zones is the worker's, and stays so. */
static void test_zones_come_with_the_credential(void **state)
{
	struct site s;
	struct err e = ERR_INIT;
	site_init(&s);
	struct token_text t = make_secret(&s, "{\"role\":\"worker\",\"zones\":[\"b\",\"a\"]}");
	assert_int_equal(try_join(&s, t.secret, "w", worker_secret, &e), 200);
	assert_int_equal(do_register(&s, "session-of-16-or-more", "", &e), 200);
	json_t *tokens = sfx_call(&s.fx, NULL, "GET", "/v1/tokens", NULL, 200);
	const json_t *first = json_array_get(json_object_get(tokens, "tokens"), 0);
	assert_string_equal(json_string_value(json_object_get(first, "role")), "worker");
	assert_string_equal(json_string_value(json_object_get(first, "zones")), "b,a");
	assert_null(json_object_get(first, "hash"));
	json_decref(tokens);
	/* A zone is for machines. */
	json_decref(sfx_call(&s.fx, NULL, "POST", "/v1/tokens",
			     "{\"role\":\"admin\",\"name\":\"ada\",\"zones\":[\"a\"]}", 400));
	json_decref(sfx_call(&s.fx, NULL, "POST", "/v1/tokens", "{\"role\":\"worker\",\"zones\":[\"a,b\"]}",
			     400));
	json_decref(sfx_call(&s.fx, NULL, "POST", "/v1/tokens", "{\"role\":\"join\"}", 400));
	json_decref(sfx_call(&s.fx, NULL, "POST", "/v1/tokens", "{\"role\":\"reader\"}", 400));
	site_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_route_by_every_role),
		cmocka_unit_test(test_a_worker_is_itself_only),
		cmocka_unit_test(test_a_submitter_has_his_own_jobs_only),
		cmocka_unit_test(test_what_is_not_known),
		cmocka_unit_test(test_a_join_token_is_good_once),
		cmocka_unit_test(test_a_secret_is_replaced_when_the_new_one_is_used),
		cmocka_unit_test(test_versions_apart),
		cmocka_unit_test(test_who_was_there_first_gives_way),
		cmocka_unit_test(test_zones_come_with_the_credential),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

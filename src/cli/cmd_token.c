/* token: credentials for machines and for people of other machines. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/parse.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/table.h"
#include "text/json.h"

static const struct table_column columns[] = {
	{ .title = "ID", .importance = 100, .is_right = true },
	{ .title = "ROLE", .importance = 90 },
	{ .title = "NAME", .importance = 95, .width_min = 8 },
	{ .title = "STATE", .importance = 80 },
	{ .title = "ZONES", .importance = 30, .width_min = 6 },
	{ .title = "MADE BY", .importance = 20, .width_min = 6 },
	{ .title = "CREATED", .importance = 40 },
	{ .title = "EXPIRES", .importance = 60 },
	{ .title = "USED", .importance = 50 },
};

static void write_zones(const struct args *a, struct json_writer *w)
{
	const char *value;
	size_t at = 0;
	jw_key(w, "zones");
	jw_begin_array(w);
	while ((value = args_next(a, "zone", &at))) {
		while (*value) {
			size_t len = strcspn(value, ",");
			if (len)
				jw_strn(w, value, len);
			value += len + (value[len] == ',');
		}
	}
	jw_end_array(w);
}

static int write_create(const struct args *a, struct buf *out, struct err *e)
{
	struct json_writer w;
	if (!args_has(a, "role"))
		return err_set(e, ERR_USAGE,
			       "token create: --role worker, admin, submitter or reader is needed");
	jw_init(&w, out);
	jw_begin_object(&w);
	jw_kstr(&w, "role", args_text(a, "role", ""));
	jw_kstr(&w, "name", args_text(a, "name", ""));
	write_zones(a, &w);
	if (args_has(a, "expires")) {
		jw_key(&w, "expires");
		jw_seconds(&w, args_duration(a, "expires", 0));
	}
	jw_end_object(&w);
	return 0;
}

/* What is to be typed elsewhere goes to standard output alone. */
static void print_token(const json_t *answer)
{
	const char *token = field_text(answer, "token"), *server = field_text(answer, "server");
	const char *name = field_text(answer, "name");
	if (strcmp(field_text(answer, "role"), "worker") != 0) {
		puts(token);
		if (*server)
			fprintf(stderr,
				"slipway: use it elsewhere with SLIPWAY_SERVER=%s and SLIPWAY_TOKEN\n",
				server);
		return;
	}
	printf("slipway worker --server %s%s%s --join %s\n", server, *name ? " --name " : "", name, token);
}

static int create(struct cli *c, struct err *e)
{
	CLEAN_BUF struct buf body = BUF_INIT;
	if (write_create(&c->args, &body, e) < 0)
		return -1;
	CLEAN_JSON json_t *answer = api_post(c->api, "/v1/tokens", &body, NULL, e);
	if (!answer)
		return -1;
	if (args_has(&c->args, "json"))
		show_json(answer);
	else
		print_token(answer);
	return 0;
}

static void add_row(struct table *t, const json_t *token)
{
	char text[SHOW_BYTES];
	bool is_join = strcmp(field_text(token, "role"), "join") == 0;
	table_addf(t, "%lld", (long long)field_int(token, "id"));
	table_add(t, field_text(token, "role"));
	table_add(t, is_join && !*field_text(token, "name") ? "(any)" : field_text(token, "name"));
	table_add(t, field_text(token, "state"));
	table_add(t, field_text(token, "zones"));
	table_add(t, field_text(token, "maker"));
	table_add(t, show_time(field_time(token, "created"), text));
	table_add(t, show_time(field_time(token, "expires"), text));
	table_add(t, show_time(field_time(token, "used"), text));
}

static int list(struct cli *c, struct err *e)
{
	CLEAN_JSON json_t *answer = api_get(c->api, "/v1/tokens", NULL, e);
	if (!answer)
		return -1;
	if (args_has(&c->args, "json")) {
		show_json(json_object_get(answer, "tokens"));
		return 0;
	}
	struct table t CLEAN(table_release);
	table_init(&t, columns, ARRAY_LEN(columns));
	for (size_t i = 0; i < field_count(answer, "tokens"); i++)
		add_row(&t, field_at(answer, "tokens", i));
	table_print(&t);
	return 0;
}

static int revoke_tokens(struct cli *c, struct err *e)
{
	if (!c->args.words[1])
		return err_set(e, ERR_USAGE, "token revoke: which? slipway token list shows their numbers");
	for (char **word = c->args.words + 1; *word; word++) {
		CLEAN_BUF struct buf path = BUF_INIT;
		int64_t id;
		if (parse_int("token", *word, 1, INT64_MAX, &id, e) < 0)
			return err_set(e, ERR_USAGE, "no number of a token: %s", *word);
		buf_addf(&path, "/v1/tokens/%lld", (long long)id);
		CLEAN_JSON json_t *answer = api_call(c->api, "DELETE", path.data, NULL, e);
		if (!answer)
			return -1;
	}
	return 0;
}

int cmd_token(struct cli *c, struct err *e)
{
	static const struct {
		const char *word;
		command_fn *run;
		bool takes_ids;
	} verbs[] = { { "create", create, false },
		      { "list", list, false },
		      { "revoke", revoke_tokens, true } };
	const char *word = c->args.words[0];
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].word, word) != 0)
			continue;
		if (!verbs[i].takes_ids && c->args.words[1])
			return err_set(e, ERR_USAGE, "token %s takes no more words: %s", word,
				       c->args.words[1]);
		return verbs[i].run(c, e);
	}
	return err_set(e, ERR_USAGE, "token: create, list or revoke, not %s", word);
}

/* docs/API.md out of the table of routes. */
#include <string.h>

#include "base/err.h"
#include "model/state.h"
#include "server/route.h"
#include "server/server.h"

static const char head[] =
	"# The API\n"
	"\n"
	"This page is made from the table of routes (`src/server/routes.c`) by `slipway api-doc`; do not edit it.\n"
	"\n"
	"Slipway answers HTTP/1.1 on the unix socket `slipway.sock` in its data folder, and over TLS where `serve --listen\n"
	"https://…` says:\n"
	"\n"
	"```\n"
	"curl --unix-socket /var/lib/slipway/slipway.sock http://slipway/v1/status\n"
	"```\n"
	"\n"
	"Bodies and answers are JSON unless a row says otherwise. Times are RFC 3339 in UTC, intervals seconds, sizes\n"
	"bytes. Query parameters and fields that are not known are refused.\n"
	"\n"
	"Who asks is told by the header `Authorization: Bearer SECRET` (the first 64 digits of a token after `slw_`), or, on\n"
	"the socket, by the kernel: root and the user that runs the server are administrators, all others submitters. A\n"
	"credential that is not known gets 401, one that does not allow the route 403.\n"
	"\n"
	"The body that asks for a job is described in `src/model/submit.h`, specs and outcomes of the feed in `src/model/spec.h`.\n"
	"\n"
	"## Errors\n"
	"\n"
	"An error has a status of 400 or more and the body `{\"error\":{\"code\":\"not_found\",\"message\":\"…\"}}`.\n"
	"\n"
	"| code | status | may be tried again |\n"
	"|---|---|---|\n";

static const char *const access_texts[ACCESSES] = {
	[ACCESS_OPEN] = "anybody, without a credential",
	[ACCESS_READ] = "whoever may read (all but workers)",
	[ACCESS_SUBMIT] = "submitters, for jobs of their own; administrators for all",
	[ACCESS_ADMIN] = "administrators",
	[ACCESS_WORKER] =
		("workers under their own name, and administrators; with the headers Slipway-Worker and Slipway-Session. A session "
		 "that is not the worker's newest gets 409 `stale`"),
	[ACCESS_REGISTER] = "workers under their own name, and administrators",
	[ACCESS_JOIN] = "who has a join token",
};

static void add_params(const struct route *r, struct buf *out)
{
	if (!r->params)
		return;
	buf_adds(out, "\n| parameter | |\n|---|---|\n");
	for (const struct route_param *p = r->params; p->name; p++)
		buf_addf(out, "| `%s` | %s |\n", p->name, p->help);
}

static void add_example(const char *what, const char *text, struct buf *out)
{
	if (!text)
		return;
	bool is_json = text[0] == '{';
	if (is_json)
		buf_addf(out, "\n%s:\n\n```json\n%s\n```\n", what, text);
	else
		buf_addf(out, "\n%s: %s.\n", what, text);
}

static void add_route(const struct route *r, struct buf *out)
{
	buf_addf(out, "\n### %s %s\n\n%s\n", r->method, r->pattern, r->summary);
	buf_addf(out, "\nFor: %s.\n", access_texts[r->access]);
	add_params(r, out);
	add_example("Body", r->body, out);
	add_example("Answer", r->answer, out);
}

static void add_part(const char *title, const char *prefix, struct buf *out)
{
	buf_addf(out, "\n## %s\n", title);
	for (const struct route *r = routes; r->method; r++)
		if (strncmp(r->pattern, prefix, strlen(prefix)) == 0)
			add_route(r, out);
}

void server_api_doc(struct buf *out)
{
	buf_adds(out, head);
	for (int c = ERR_NONE + 1; c <= ERR_INTERNAL; c++) {
		const struct err_info *i = err_info_get((enum err_code)c);
		buf_addf(out, "| `%s` | %d | %s |\n", i->name, i->http_status,
			 i->is_retryable ? "yes" : "no");
	}
	add_part("For people and programs: /v1", "/v1", out);
	add_part("For workers: /feed", "/feed", out);
}

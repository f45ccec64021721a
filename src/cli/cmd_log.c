/* log: the log of an attempt, once or as it grows. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/follow.h"
#include "cli/log_view.h"
#include "http/client.h"

static int show_bytes(void *ctx, const void *bytes, size_t n, struct err *e)
{
	return log_view_write(ctx, bytes, n, e);
}

static int show_once(struct cli *c, int64_t id, int attempt, struct err *e)
{
	struct log_view view;
	log_view_init(&view, STDOUT_FILENO, args_has(&c->args, "raw"));
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_addf(&path, "/v1/jobs/%lld/log", (long long)id);
	if (attempt > 0)
		buf_addf(&path, "?attempt=%d", attempt);
	struct client_request q = {
		.method = "GET", .path = path.data, .sink = show_bytes, .sink_ctx = &view
	};
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	fflush(stdout);
	int rc = client_do(c->api->client, &q, &reply, e);
	return rc < 0 ? rc : log_view_end(&view, e);
}

int cmd_log(struct cli *c, struct err *e)
{
	int64_t id, attempt = args_int(&c->args, "attempt", 0);
	if (api_parse_id(c->args.words[0], &id, e) < 0)
		return -1;
	if (args_has(&c->args, "attempt") && (attempt < 1 || attempt > INT32_MAX))
		return err_set(e, ERR_USAGE, "log: --attempt counts from 1");
	if (!args_has(&c->args, "follow"))
		return show_once(c, id, (int)attempt, e);
	struct follow f = { .api = c->api,
			    .job = id,
			    .attempt = (int)attempt,
			    .out_fd = STDOUT_FILENO,
			    .is_one_attempt = attempt > 0,
			    .is_raw = args_has(&c->args, "raw") };
	int status = follow_job(&f, e);
	/* The log was shown; how the job ended is the business of run and wait. */
	return status == EXIT_SIGNAL_BASE + SIGINT || status < 0 ? status : 0;
}

/* wait: until jobs have ended; exits like them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/follow.h"
#include "text/json.h"

/* So many in one call; and so long the server may keep it. */
enum { IDS_A_CALL = 500, POLL_S = 60 };

static void format_path(const int64_t *ids, size_t n, int64_t left_ms, struct buf *path)
{
	buf_adds(path, "/v1/wait?ids=");
	for (size_t i = 0; i < n; i++)
		buf_addf(path, "%s%lld", i ? "," : "", (long long)ids[i]);
	int64_t s = left_ms < 0 || left_ms > POLL_S * 1000 ? POLL_S : (left_ms + 999) / 1000;
	buf_addf(path, "&timeout=%lld", (long long)s);
}

/* All of `ids` have ended: their states in *jobs. `deadline_ms` by the boot clock, 0 = none. */
static int wait_some(struct api *api, const int64_t *ids, size_t n, int64_t deadline_ms, json_t **jobs,
		     struct err *e)
{
	for (;;) {
		CLEAN_BUF struct buf path = BUF_INIT;
		int64_t left_ms = deadline_ms ? deadline_ms - clock_boot_ms() : -1;
		format_path(ids, n, deadline_ms && left_ms < 0 ? 0 : left_ms, &path);
		CLEAN_JSON json_t *answer = api_get(api, path.data, NULL, e);
		if (!answer) {
			if (!api_may_retry(api, e))
				return -1;
			continue;
		}
		api_is_back(api);
		if (field_bool(answer, "done")) {
			*jobs = json_incref(json_object_get(answer, "jobs"));
			return 0;
		}
		if (deadline_ms && clock_boot_ms() >= deadline_ms)
			return err_set(e, ERR_BUSY, "not all of the jobs have ended within --timeout");
	}
}

int cmd_wait(struct cli *c, struct err *e)
{
	CLEAN_FREE int64_t *ids = NULL;
	size_t n = 0;
	for (size_t i = 0; i < c->args.words_len; i++)
		if (api_parse_ids(c->args.words[i], &ids, &n, e) < 0)
			return -1;
	int64_t timeout_ms = args_duration(&c->args, "timeout", 0);
	int64_t deadline_ms = timeout_ms ? clock_boot_ms() + timeout_ms : 0;
	CLEAN_JSON json_t *all = json_array();
	int worst = 0;
	for (size_t i = 0; i < n; i += IDS_A_CALL) {
		json_t *jobs = NULL;
		size_t some = n - i < IDS_A_CALL ? n - i : IDS_A_CALL;
		if (wait_some(c->api, ids + i, some, deadline_ms, &jobs, e) < 0)
			return -1;
		for (size_t k = 0; k < json_array_size(jobs); k++) {
			const json_t *job = json_array_get(jobs, k);
			int status = follow_status(job);
			worst = status > worst ? status : worst;
			if (!args_has(&c->args, "json"))
				follow_say_end(job);
		}
		json_array_extend(all, jobs);
		json_decref(jobs);
	}
	if (args_has(&c->args, "json"))
		show_json(all);
	return worst;
}

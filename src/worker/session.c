/* Who we are to the server: registration, and the time until which our leases are good.
 *
 * The first call only asks where blobs and logs are (a probe: nothing is registered by it); then src/run is opened there, which
 * waits until all of an earlier worker in the folder is dead, and finds out what works; then we register with that. Only then
 * may the server give to others what the earlier one held. */
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/random.h"
#include "model/job.h"
#include "model/limits.h"
#include "model/protocol.h"
#include "run/run.h"
#include "text/json.h"
#include "worker/worker_priv.h"

enum { REGISTER_TIMEOUT_MS = 15000, MARGIN_MS = 2000 };

/* A lease shorter than usual has a shorter margin. */
static int64_t margin_ms(const struct worker_loop *w)
{
	return w->lease_ms / 4 < MARGIN_MS ? w->lease_ms / 4 : MARGIN_MS;
}

static unsigned count_live(const struct worker_loop *w)
{
	return w->held[HELD_QUEUED].count + w->held[HELD_RUNNING].count + w->held[HELD_DELIVERING].count;
}

static void keep_until(struct worker_loop *w, int64_t until_ms)
{
	w->keep_until_ms = until_ms;
	/* Telling the spawners is a message: not for every one of thousands of calls. */
	if (w->run && (until_ms < w->kept_until_ms || until_ms - w->kept_until_ms >= w->lease_ms / 20)) {
		run_keep_until(w->run, until_ms);
		w->kept_until_ms = until_ms;
	}
}

void session_renewed(struct worker_loop *w, int64_t sent_ms)
{
	int64_t until = sent_ms + w->lease_ms - margin_ms(w);

	w->renewed_ms = sent_ms;
	if (until > w->keep_until_ms)
		keep_until(w, until);
}

void session_granted(struct worker_loop *w, int64_t since_ms, bool has_specs)
{
	bool has_live = count_live(w) > 0;
	/* A beat that was answered has renewed what the server gave before it; what it gave after it is good for longer. */
	int64_t from = since_ms > w->renewed_ms ? since_ms : w->renewed_ms;
	int64_t until = from + w->lease_ms - margin_ms(w);

	if (has_live ? has_specs && until < w->keep_until_ms : has_specs || until > w->keep_until_ms)
		keep_until(w, until);
}

static void drop_stages(struct worker_loop *w, enum held_stage to, void (*drop)(struct held *))
{
	for (int stage = 0; stage <= (int)to; stage++)
		while (w->held[stage].first)
			drop(w->held[stage].first);
}

bool session_check_deadline(struct worker_loop *w)
{
	unsigned live = count_live(w);

	if (!w->kept_until_ms)
		return false;
	if (clock_boot_ms() < w->kept_until_ms) {
		if (live)
			worker_wake_at(w, w->kept_until_ms);
		return false;
	}
	if (live) {
		log_line(LOG_LEVEL_WARN, "the lease could not be renewed in time: %u attempts are given up",
			 live);
		drop_stages(w, HELD_DELIVERING, held_give_up);
		/* The results that wait may still be wanted; what is not named in the next call is given back. */
		w->is_uncertain = true;
		lease_cancel_all(w);
	}
	return true;
}

bool session_is_over(const struct err *e)
{
	switch ((int)e->code) {
	case ERR_STALE:
	case ERR_NOT_FOUND:
	case ERR_INVALID:
	case ERR_CONFLICT:
	case ERR_TOO_LARGE:
		return true;
	default:
		return false;
	}
}

void session_lost(struct worker_loop *w, const struct err *why)
{
	if (!w->is_registered)
		return;
	log_err(why, "the server has ended this session");
	w->is_registered = false;
	lease_cancel_all(w);
	drop_stages(w, HELD_SENT, held_drop);
	w->given_up_len = 0;
	w->is_unclean_told = false;
	w->is_uncertain = false;
	w->keep_until_ms = w->kept_until_ms = w->renewed_ms = 0;
	if (w->run)
		run_keep_until(w->run, 0);
	w->register_ms = clock_boot_ms() + worker_backoff_ms(++w->failures);
}

/* ---- registration ------------------------------------------------------------------------------------------- */

static void write_isolations(const struct worker_loop *w, struct json_writer *jw)
{
	unsigned works = w->run ? run_isolations(w->run) : 1u << ISOLATION_NONE;

	if (w->options->isolations)
		works &= w->options->isolations;
	jw_begin_array(jw);
	for (int i = 0; i <= ISOLATION_LAST; i++)
		if (works & (1u << i))
			jw_str(jw, isolation_name((enum isolation)i));
	jw_end_array(jw);
}

static void write_list(struct json_writer *jw, const char *key, const char *const *list, unsigned len)
{
	jw_key(jw, key);
	jw_begin_array(jw);
	for (unsigned i = 0; i < len; i++)
		jw_str(jw, list[i]);
	jw_end_array(jw);
}

static void write_tags(const struct worker_loop *w, struct json_writer *jw)
{
	jw_key(jw, "tags");
	jw_begin_array(jw);
	for (unsigned i = 0; i < w->options->tags_len; i++)
		jw_str(jw, w->options->tags[i]);
	for (int i = 0; w->run && i < LIMITS; i++)
		if (limit_rows[i].tag && run_keeps(w->run, limit_rows[i].name))
			jw_str(jw, limit_rows[i].tag);
	jw_end_array(jw);
}

static void write_register(const struct worker_loop *w, struct buf *out)
{
	char machine[256] = "";
	struct json_writer jw;

	gethostname(machine, sizeof(machine) - 1);
	jw_init(&jw, out);
	jw_begin_object(&jw);
	jw_kstr(&jw, "name", w->options->name);
	jw_kstr(&jw, "machine", machine);
	jw_kstr(&jw, "boot_id", w->boot_id);
	jw_kstr(&jw, "session", w->session);
	if (w->confirmed[0])
		jw_kstr(&jw, "after", w->confirmed);
	jw_kint(&jw, "protocol", PROTOCOL);
	jw_kstr(&jw, "version", SLIPWAY_VERSION);
	jw_kstr(&jw, "arch", arch_native());
	jw_key(&jw, "isolations");
	write_isolations(w, &jw);
	write_tags(w, &jw);
	write_list(&jw, "demands", w->options->demands, w->options->demands_len);
	write_list(&jw, "zones", w->options->zones, w->options->zones_len);
	jw_kint(&jw, "slots", w->options->slots);
	if (!w->run)
		jw_kbool(&jw, "probe", true);
	jw_kint(&jw, "pid", getpid());
	jw_end_object(&jw);
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static char *beneath_work(const struct worker_loop *w, const char *name)
{
	struct buf path = BUF_INIT;

	buf_addf(&path, "%s/%s", w->options->work_dir, name);
	return buf_take(&path);
}

/* Open src/run on the folders the server named, if it is not open on them yet. */
static int open_run(struct worker_loop *w, const char *blobs, const char *logs, struct err *e)
{
	char *blob_dir = blobs ? strdup(blobs) : beneath_work(w, "blobs");
	char *log_dir = logs ? strdup(logs) : beneath_work(w, "logs");
	struct run_options o = {
		.work_dir = w->options->work_dir,
		.events = { held_on_log, held_on_collecting, held_on_finished },
		.ctx = w,
	};

	if (!blob_dir || !log_dir) {
		free(blob_dir);
		free(log_dir);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	w->is_local = blobs && logs;
	if (w->run && same_text(blob_dir, w->blob_dir) && same_text(log_dir, w->log_dir)) {
		free(blob_dir);
		free(log_dir);
		return 0;
	}
	run_close(w->run);
	w->run = NULL;
	free(w->blob_dir);
	free(w->log_dir);
	w->blob_dir = blob_dir;
	w->log_dir = log_dir;
	o.blob_dir = blob_dir;
	o.log_dir = log_dir;
	if (fd_mkdirs(w->options->work_dir, 0700, e) < 0)
		return -1;
	disk_open(w);
	if (!w->is_local && (fd_mkdirs(blob_dir, 0700, e) < 0 || fd_mkdirs(log_dir, 0700, e) < 0))
		return -1;
	if (run_open(&w->run, &o, e) < 0)
		return -1;
	cache_release(w);
	return w->is_local ? 0 : cache_open(w, e);
}

/* A newer server looks at our number; an older one does not know that there are any. */
static int check_protocol(const struct worker_loop *w, const json_t *json, struct err *e)
{
	int64_t theirs;

	if (json_get_int(json, "protocol", 1, INT32_MAX, 1, &theirs, e) < 0)
		return -1;
	if (theirs + PROTOCOL_APART_MAX >= PROTOCOL)
		return 0;
	return err_set(
		e, ERR_UNSUPPORTED,
		"the server at %s speaks protocol %lld and this worker (version %s) protocol %d: upgrade the server",
		client_server(w->client), (long long)theirs, SLIPWAY_VERSION, PROTOCOL);
}

static int read_answer(struct worker_loop *w, const struct client_reply *r, bool *is_complete, struct err *e)
{
	CLEAN_JSON json_t *json = json_parse("answer to register", r->body.data, r->body.len, e);
	const json_t *local = json ? json_object_get(json, "local") : NULL;
	const char *blobs = NULL, *logs = NULL;
	bool was_open = w->run != NULL;

	if (!json || json_get_int(json, "lease_ms", 100, 24 * 3600 * 1000, 20000, &w->lease_ms, e) < 0 ||
	    json_get_int(json, "beat_ms", 10, 24 * 3600 * 1000, 5000, &w->beat_ms, e) < 0 ||
	    check_protocol(w, json, e) < 0)
		return -1;
	if (json_is_object(local) && (json_get_str(local, "blobs", NULL, &blobs, e) < 0 ||
				      json_get_str(local, "logs", NULL, &logs, e) < 0))
		return -1;
	if (open_run(w, blobs, logs, e) < 0)
		return -1;
	*is_complete = was_open;
	return 0;
}

static void registered(struct worker_loop *w)
{
	w->is_registered = true;
	w->failures = 0;
	w->lease_after_ms = 0;
	worker_has_contact(w);
	log_line(LOG_LEVEL_DEBUG, "registered as %s", w->options->name);
	if (*run_why_not(w->run))
		log_line(LOG_LEVEL_INFO, "no isolation chroot here: %s", run_why_not(w->run));
}

static void on_registered(void *ctx, struct client_reply *r, const struct err *e)
{
	struct worker_loop *w = ctx;
	struct err own = ERR_INIT;
	bool is_complete = false;

	w->is_registering = false;
	if (!e) {
		if (w->run)
			memcpy(w->confirmed, w->session, sizeof(w->confirmed));
		if (read_answer(w, r, &is_complete, &own) < 0)
			worker_fail(w, &own);
		else if (is_complete)
			registered(w);
		return;
	}
	if (worker_is_refused(w, w->register_sent_ms, e))
		return;
	/* Refused for good: this name, this version, this user. */
	if (e->code == ERR_UNSUPPORTED ||
	    (e->code != ERR_UNREACHABLE && !err_info_get(e->code)->is_retryable && r->status &&
	     r->status < 500)) {
		own = *e;
		err_wrap(&own, "register at %s", client_server(w->client));
		worker_fail(w, &own);
		return;
	}
	worker_lost_contact(w, w->register_sent_ms, e);
	w->register_ms = clock_boot_ms() + worker_backoff_ms(++w->failures);
}

/* One whose registration may have been heard is not given up: who comes after it would be taken for another process. */
static int new_session(struct worker_loop *w, struct err *e)
{
	if (w->session[0] && strcmp(w->session, w->confirmed) != 0)
		return 0;
	if (random_hex(w->session, 16, e) < 0 ||
	    client_set_header(w->client, "Slipway-Worker", w->options->name, e) < 0 ||
	    client_set_header(w->client, "Slipway-Session", w->session, e) < 0)
		return -1;
	return 0;
}

void session_turn(struct worker_loop *w)
{
	struct buf json = BUF_INIT;
	struct err e = ERR_INIT;

	if (w->is_registered || w->is_registering || w->is_stopping)
		return;
	if (clock_boot_ms() < w->register_ms) {
		worker_wake_at(w, w->register_ms);
		return;
	}
	/* What an older session held is given to others with the registration: it must be dead by then. */
	if (w->run && run_is_busy(w->run))
		return;
	if (new_session(w, &e) < 0) {
		worker_fail(w, &e);
		return;
	}
	write_register(w, &json);
	w->register_sent_ms = clock_boot_ms();
	if (worker_post(w, "/feed/register", &json, REGISTER_TIMEOUT_MS, on_registered, w, NULL) == 0)
		w->is_registering = true;
	else
		w->register_ms = clock_boot_ms() + worker_backoff_ms(++w->failures);
	buf_release(&json);
}

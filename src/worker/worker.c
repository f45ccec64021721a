/* The loop: set up, wait, dispatch, take turns, stop. */
#include "worker/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/random.h"
#include "run/run.h"
#include "worker/worker_priv.h"

enum {
	BACKOFF_FIRST_MS = 20,
	BACKOFF_MAX_MS = 3000,
	STOP_GRACE_MS = 8000, /* for what runs to end, when asked to stop; `serve` waits a little longer */
	LEAVE_TIMEOUT_MS = 5000,
	ROTATE_MS = 24 * 3600 * 1000,
};

void worker_wake_at(struct worker_loop *w, int64_t boot_ms)
{
	if (!w->wake_ms || boot_ms < w->wake_ms)
		w->wake_ms = boot_ms;
}

int64_t worker_backoff_ms(unsigned failures)
{
	int64_t ms = BACKOFF_FIRST_MS;

	while (failures-- > 1 && ms < BACKOFF_MAX_MS)
		ms *= 2;
	if (ms > BACKOFF_MAX_MS)
		ms = BACKOFF_MAX_MS;
	/* A thousand workers must not come back in the same moment. */
	return ms / 2 + (int64_t)random_below((uint64_t)ms);
}

void worker_lost_contact(struct worker_loop *w, int64_t sent_ms, const struct err *e)
{
	if (!w->is_contact_lost || w->contact_code != e->code)
		log_err(e, "no contact, trying again");
	w->is_contact_lost = true;
	w->contact_code = e->code;
	if (client_servers(w->client) < 2 || sent_ms < w->next_ms)
		return;
	/* What waits at one that hangs is not to be waited for, and its fate is not known. */
	lease_cancel_all(w);
	w->is_uncertain = true;
	client_next(w->client);
	w->next_ms = clock_boot_ms();
	log_line(LOG_LEVEL_DEBUG, "turning to %s", client_server(w->client));
}

void worker_has_contact(struct worker_loop *w)
{
	if (w->is_contact_lost)
		log_line(LOG_LEVEL_INFO, "in contact again, with %s", client_server(w->client));
	w->is_contact_lost = false;
	w->refused_ms = 0;
}

void worker_fail(struct worker_loop *w, const struct err *e)
{
	if (!w->fatal.code)
		w->fatal = *e;
}

int worker_post(struct worker_loop *w, const char *path, struct buf *json, int64_t timeout_ms,
		client_done *done, void *ctx, struct client_job **job)
{
	struct client_request q = {
		.method = "POST",
		.path = path,
		.body = json->data,
		.body_len = json->len,
		.timeout_ms = timeout_ms,
	};
	struct err e = ERR_INIT;

	if (buf_check(json, &e) < 0 || client_start(w->client, &q, done, ctx, job, &e) < 0) {
		log_err(&e, "call %s", path);
		return -1;
	}
	return 0;
}

/* ---- stopping ----------------------------------------------------------------------------------------------- */

static void begin_stop(struct worker_loop *w)
{
	struct held *next;

	if (w->is_stopping) {
		/* Asked twice: no more patience. */
		w->stop_until_ms = clock_boot_ms();
		return;
	}
	w->is_stopping = true;
	w->stop_until_ms = clock_boot_ms() + STOP_GRACE_MS;
	client_cancel(w->waiting.job);
	w->waiting.job = NULL;
	for (struct held *h = w->held[HELD_QUEUED].first; h; h = next) {
		next = h->next;
		held_end(h, OUTCOME_RELEASED, REASON_NONE, "the worker stops");
	}
	for (struct held *h = w->held[HELD_RUNNING].first; h; h = next) {
		next = h->next;
		run_stop(w->run, h->spec.job, h->spec.attempt, RUN_STOP_RELEASE);
	}
}

static void on_left(void *ctx, struct client_reply *r, const struct err *e)
{
	struct worker_loop *w = ctx;

	w->is_gone = true;
}

/* When nothing is held any more, or nobody is there to tell, or the time is up: say goodbye. */
static void stop_turn(struct worker_loop *w)
{
	struct buf json = BUF_INIT;

	if (!w->is_stopping || w->is_leaving)
		return;
	if (!w->is_registered) {
		w->is_gone = true;
		return;
	}
	if (clock_boot_ms() >= w->stop_until_ms || w->is_contact_lost) {
		/* Their processes must be gone before the server hands them out. */
		run_close(w->run);
		w->run = NULL;
	} else if (held_count(w)) {
		worker_wake_at(w, w->stop_until_ms);
		return;
	}
	buf_adds(&json, "{}");
	w->is_leaving = true;
	if (worker_post(w, "/feed/leave", &json, LEAVE_TIMEOUT_MS, on_left, w, NULL) < 0)
		w->is_gone = true;
	buf_release(&json);
}

/* ---- the loop ----------------------------------------------------------------------------------------------- */

static void turn(struct worker_loop *w)
{
	w->wake_ms = 0;
	session_turn(w);
	session_check_deadline(w);
	if (w->is_registered && !w->is_leaving) {
		disk_turn(w);
		fetch_turn(w);
		deliver_turn(w);
		if (!w->is_stopping)
			held_start_queued(w);
		lease_turn(w);
		beat_turn(w);
		rotate_turn(w);
	}
	stop_turn(w);
}

static int sooner(int a, int b)
{
	if (a < 0)
		return b;
	return b < 0 || a < b ? a : b;
}

static int timeout_ms(const struct worker_loop *w)
{
	int t = client_timeout_ms(w->client);

	if (w->run)
		t = sooner(t, run_timeout_ms(w->run));
	if (w->wake_ms) {
		int64_t left = w->wake_ms - clock_boot_ms();

		t = sooner(t, left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
	}
	return t;
}

static void read_signals(struct worker_loop *w)
{
	struct signalfd_siginfo info;

	while (read(w->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGHUP)
			rotate_now(w);
		else
			begin_stop(w);
	}
}

/* The other end never writes; whatever comes is a reason to look. */
static void read_control(struct worker_loop *w)
{
	char bytes[64];
	ssize_t n = read(w->options->control_fd, bytes, sizeof(bytes));

	if (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)))
		return;
	begin_stop(w);
}

static int loop(struct worker_loop *w, struct err *e)
{
	enum { SIGNALS, CONTROL, CLIENT, RUN, FDS };

	while (!w->is_gone && !w->fatal.code) {
		struct pollfd fds[FDS] = {
			[SIGNALS] = { .fd = w->signal_fd, .events = POLLIN },
			[CONTROL] = { .fd = w->is_stopping ? -1 : w->options->control_fd, .events = POLLIN },
		};

		turn(w);
		/* After the turn: it may have opened src/run, or the first connection. */
		fds[CLIENT] = (struct pollfd){ .fd = client_fd(w->client), .events = POLLIN };
		fds[RUN] = (struct pollfd){ .fd = w->run ? run_fd(w->run) : -1, .events = POLLIN };
		if (w->is_gone || w->fatal.code)
			break;
		if (poll(fds, FDS, timeout_ms(w)) < 0 && errno != EINTR)
			return err_sys(e, "wait for events");
		/* First of all: what happened while this process was stopped must not be taken for results. */
		session_check_deadline(w);
		if (fds[SIGNALS].revents)
			read_signals(w);
		if (fds[CONTROL].revents)
			read_control(w);
		if (w->run && (fds[RUN].revents || run_timeout_ms(w->run) == 0) &&
		    run_dispatch(w->run, e) < 0)
			return err_wrap(e, "the runner failed");
		if ((fds[CLIENT].revents || client_timeout_ms(w->client) == 0) &&
		    client_dispatch(w->client, e) < 0)
			return -1;
	}
	if (w->fatal.code) {
		*e = w->fatal;
		return -1;
	}
	return 0;
}

static int open_signals(struct worker_loop *w, struct err *e)
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	if (w->identity->is_joined)
		sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0 || sigaction(SIGPIPE, &ignore, NULL) < 0)
		return err_sys(e, "set up signals");
	w->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return w->signal_fd < 0 ? err_sys(e, "set up signals") : 0;
}

static void read_boot_id(struct worker_loop *w)
{
	struct buf text = BUF_INIT;

	if (fd_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 100, &text, NULL) == 0)
		snprintf(w->boot_id, sizeof(w->boot_id), "%.*s", (int)strcspn(text.data, "\n"), text.data);
	buf_release(&text);
}

static void release(struct worker_loop *w)
{
	lease_cancel_all(w);
	/* Before the files of what is held go, and without callbacks. */
	run_close(w->run);
	w->run = NULL;
	for (int stage = 0; stage < HELD_STAGES; stage++)
		while (w->held[stage].first)
			held_free(w->held[stage].first);
	fetch_release(w);
	cache_release(w);
	client_free(w->client);
	deliver_release(w);
	if (w->signal_fd >= 0)
		close(w->signal_fd);
	free(w->given_up);
	free(w->blob_dir);
	free(w->log_dir);
}

/* ---- who we are --------------------------------------------------------------------------------------------- */

/* What was said counts, then what it has joined, then what is usual. */
static const char *choose(const char *said, const char *joined, const char *usual)
{
	if (said)
		return said;
	return joined && *joined ? joined : usual;
}

/* Join if asked to; then `own` says where and under which name. */
static int identify(struct worker_options *own, struct identity *i, struct err *e)
{
	if (identity_open(i, own->work_dir, e) < 0)
		return -1;
	i->tls_ca = own->tls_ca;
	if (own->join && identity_join(i, own->join, choose(own->server, NULL, own->server_else),
				       choose(own->name, i->name, own->name_else), e) < 0)
		return -1;
	/* One that was only begun says nothing. */
	const char *name = i->is_joined ? i->name : NULL;
	if (name && own->name && strcmp(own->name, name) != 0)
		return err_set(
			e, ERR_CONFLICT,
			"the folder %s is worker %s's: as %s it needs another one (--work) or a new join token",
			own->work_dir, name, own->name);
	own->server = choose(own->server, i->is_joined ? i->servers : NULL, own->server_else);
	own->name = choose(own->name, name, own->name_else);
	return 0;
}

/* Where it was told to go is where it goes the next time. */
static int keep_servers(struct identity *i, const char *servers, struct err *e)
{
	char *copy;

	if (!i->is_joined || strcmp(i->servers, servers) == 0)
		return 0;
	copy = strdup(servers);
	if (!copy)
		return err_set(e, ERR_NOMEM, "out of memory");
	free(i->servers);
	i->servers = copy;
	return identity_save(i, e);
}

static int open_client(struct worker_loop *w, struct err *e)
{
	if (client_open(&w->client, w->options->server, e) < 0)
		return -1;
	if (!w->identity->is_joined && client_is_remote(w->client))
		return err_set(
			e, ERR_CREDENTIAL,
			"this worker has not joined %s: an administrator gets the line to do so with: slipway token create "
			"--role worker",
			w->options->server);
	return identity_use(w->identity, w->client, e);
}

int worker_serve(const struct worker_options *o, struct err *e)
{
	struct worker_options own = *o;
	struct identity identity = { .dir = NULL };
	struct worker_loop w = {
		.options = &own,
		.identity = &identity,
		.signal_fd = -1,
		.lease_ms = 20000,
		.beat_ms = 5000,
		.mean_run_us = 200000,
	};
	int rc;

	/* Trimming the heap after every batch of answers costs more than the memory is worth. */
	mallopt(M_TRIM_THRESHOLD, 64 * 1024 * 1024);
	mallopt(M_TOP_PAD, 1024 * 1024);
	/* The one that `serve` starts is known as "exe" otherwise, after the file it was started from. */
	prctl(PR_SET_NAME, "slipway-worker");
	read_boot_id(&w);
	if (!own.rotate_ms)
		own.rotate_ms = ROTATE_MS;
	rc = identify(&own, &identity, e);
	if (rc == 0)
		rc = open_client(&w, e);
	/* Only now: it is an address. */
	if (rc == 0)
		rc = keep_servers(&identity, own.server, e);
	if (rc == 0)
		rc = open_signals(&w, e);
	if (rc == 0)
		rc = loop(&w, e);
	release(&w);
	identity_release(&identity);
	return rc;
}

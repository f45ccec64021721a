/* serve: the server and its own worker. The main thread starts things, then waits for signals and for the worker. */
#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/serve_child.h"
#include "cli/serve_config.h"
#include "cli/serve_socket.h"
#include "http/tls.h"
#include "server/server.h"

enum {
	AGAIN_MS = 500,	   /* between two looks whether the database is there */
	REMIND_MS = 60000, /* between two words about it */
	STOP_MS = 10000,   /* for the worker to end its attempts and say so */
	RENEW_LOOK_MS = 3600 * 1000,
	HEAP_KEEP_BYTES = 64 << 20,
	HEAP_STEP_BYTES = 1 << 20,
};

struct serve {
	struct serve_config config;
	struct server *server;
	struct serve_child child;
	struct buf address, work_dir;
	struct tls_server *tls; /* NULL: the socket alone */
	struct buf urls;	/* where it listens for others, joined by commas */
	int64_t renew_ms;	/* boot clock: the next look at the certificate */
	int signal_fd;
	bool is_stopping;
};

/* --- the process itself --- */

/* Giving memory back and taking it again cost more than all the rest of a lease. */
static void set_heap(void)
{
	mallopt(M_TRIM_THRESHOLD, HEAP_KEEP_BYTES);
	mallopt(M_TOP_PAD, HEAP_STEP_BYTES);
}

/* A descriptor for each parked request and each log that is read. */
static void raise_files(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Before any thread: all of them leave these signals to the main one. */
static int take_signals(int *fd, struct err *e)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaction(SIGPIPE, &ignore, NULL);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return err_sys(e, "block signals");
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return *fd < 0 ? err_sys(e, "wait for signals") : 0;
}

static bool is_signalled(const struct serve *s)
{
	struct signalfd_siginfo info;
	return read(s->signal_fd, &info, sizeof info) == sizeof info;
}

/* --- the worker --- */

static void start_worker(struct serve *s)
{
	struct err e = ERR_INIT;
	if (s->config.slots == 0)
		return;
	if (serve_child_start(&s->child, &e)) {
		int status;
		log_err(&e, "no worker");
		serve_child_ended(&s->child, &status);
		return;
	}
	server_set_own_worker(s->server, s->child.pid);
}

static void worker_ended(struct serve *s)
{
	int status;
	serve_child_ended(&s->child, &status);
	server_set_own_worker(s->server, 0);
	if (s->is_stopping)
		return;
	if (WIFSIGNALED(status))
		log_line(LOG_LEVEL_WARN, "the worker was ended by signal %d; starting another",
			 WTERMSIG(status));
	else
		log_line(LOG_LEVEL_WARN, "the worker ended with status %d; starting another",
			 WEXITSTATUS(status));
}

/* --- life --- */

/* A database on another machine may be away for a while: that ends no server, neither one that runs nor one that starts. */
static int open_server(struct serve *s, const struct server_options *o, struct err *e)
{
	int64_t told_ms = 0;
	while (server_open(&s->server, o, e)) {
		struct pollfd p = { .fd = s->signal_fd, .events = POLLIN };
		if (!o->db_url || e->code != ERR_UNREACHABLE)
			return -1;
		if (!told_ms || clock_boot_ms() - told_ms >= REMIND_MS) {
			log_err(e, "waiting for the database");
			told_ms = clock_boot_ms();
		}
		if (poll(&p, 1, AGAIN_MS) > 0 && is_signalled(s))
			return err_wrap(e, "ended before the database was there");
		err_clear(e);
	}
	return 0;
}

/* --- the network --- */

static int open_tls(struct serve *s, struct err *e)
{
	const struct serve_config *c = &s->config;
	CLEAN_BUF struct buf ca_dir = BUF_INIT;
	char host[256] = "slipway";
	gethostname(host, sizeof host - 1);
	path_join(&ca_dir, c->files_dir ? c->files_dir : c->data_dir, "tls");
	if (buf_check(&ca_dir, e))
		return -1;
	const struct tls_options o = { .ca_dir = ca_dir.data,
				       .own_dir = c->data_dir,
				       .name = host,
				       .cert_file = c->tls_cert,
				       .key_file = c->tls_key };
	s->renew_ms = clock_boot_ms() + RENEW_LOOK_MS;
	return tls_server_open(&s->tls, &o, e);
}

static int listen_https(struct serve *s, const char *address, struct err *e)
{
	CLEAN_BUF struct buf url = BUF_INIT;
	int fd = serve_socket_listen_tcp(address, &url, e);
	if (fd < 0)
		return -1;
	buf_addf(&s->urls, ",%s", url.data);
	return server_listen_tls(s->server, fd, s->tls,
				 s->config.public_url ? s->config.public_url : url.data, e);
}

static int listen_all(struct serve *s, struct err *e)
{
	const struct serve_config *c = &s->config;
	if (c->https_len && open_tls(s, e))
		return -1;
	for (size_t i = 0; i < c->https_len; i++)
		if (listen_https(s, c->https[i], e))
			return -1;
	/* Last, for it is where the own worker comes to. */
	int fd = serve_socket_listen(c->socket, c->socket_mode, e);
	return fd < 0 ? -1 : server_listen(s->server, fd, e);
}

static void renew_if_due(struct serve *s)
{
	struct err e = ERR_INIT;
	bool is_new;
	if (!s->tls || clock_boot_ms() < s->renew_ms)
		return;
	s->renew_ms = clock_boot_ms() + RENEW_LOOK_MS;
	if (tls_server_renew(s->tls, time(NULL), &is_new, &e))
		log_err(&e, "the certificate is still the old one");
	else if (is_new)
		log_line(LOG_LEVEL_INFO, "a new certificate is in use");
}

static int start(struct serve *s, struct err *e)
{
	const struct serve_config *c = &s->config;
	const struct server_options o = { .data_dir = c->data_dir,
					  .files_dir = c->files_dir,
					  .db_url = c->db_url,
					  .types_dir = c->types_dir,
					  .lease_ms = c->lease_ms };
	/* Takes the lock of the folder: from here on a socket that lies there is a dead one's. */
	if (open_server(s, &o, e))
		return -1;
	if (listen_all(s, e))
		return -1;
	buf_adds(&s->address, "unix:");
	buf_adds(&s->address, c->socket);
	path_join(&s->work_dir, c->data_dir, "worker");
	if (buf_check(&s->address, e) || buf_check(&s->work_dir, e))
		return -1;
	s->child.server = s->address.data;
	s->child.work_dir = s->work_dir.data;
	s->child.name = server_name(s->server);
	s->child.slots = c->slots;
	s->child.zones = c->zones;
	start_worker(s);
	printf("ready %s%s pid %d slots %d data %s\n", s->address.data, s->urls.data, (int)getpid(), c->slots,
	       c->data_dir);
	fflush(stdout);
	serve_notify("READY=1");
	return 0;
}

static int poll_timeout(const struct serve *s)
{
	int64_t at_ms = s->tls ? s->renew_ms : INT64_MAX;
	if (s->child.restart_ms && !s->child.pid && s->child.restart_ms < at_ms)
		at_ms = s->child.restart_ms;
	if (at_ms == INT64_MAX)
		return -1;
	int64_t ms = at_ms - clock_boot_ms();
	return ms > 0 ? (int)ms : 0;
}

static int wait_for_signal(struct serve *s, struct err *e)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = s->signal_fd, .events = POLLIN },
					 { .fd = s->child.pid_fd, .events = POLLIN } };
		int n = poll(fds, 2, poll_timeout(s));
		if (n < 0 && errno != EINTR)
			return err_sys(e, "wait");
		if (is_signalled(s))
			return 0;
		if (n > 0 && fds[1].revents)
			worker_ended(s);
		if (!s->child.pid && s->child.restart_ms && clock_boot_ms() >= s->child.restart_ms)
			start_worker(s);
		renew_if_due(s);
	}
}

/* Until the worker has gone by itself, the time is up, or somebody loses patience. */
static void wait_for_worker(struct serve *s)
{
	int64_t until_ms = clock_boot_ms() + STOP_MS;
	while (s->child.pid) {
		struct pollfd fds[2] = { { .fd = s->signal_fd, .events = POLLIN },
					 { .fd = s->child.pid_fd, .events = POLLIN } };
		int64_t left_ms = until_ms - clock_boot_ms();
		int n = poll(fds, 2, left_ms > 0 ? (int)left_ms : 0);
		if (is_signalled(s)) {
			serve_child_kill(&s->child);
			unlink(s->config.socket);
			_exit(1);
		}
		if (n > 0 && fds[1].revents)
			worker_ended(s);
		else if (left_ms <= 0)
			serve_child_kill(&s->child);
	}
}

static void stop(struct serve *s)
{
	s->is_stopping = true;
	serve_notify("STOPPING=1");
	server_drain(s->server);
	serve_child_stop(&s->child);
	wait_for_worker(s);
	server_close(s->server);
	s->server = NULL;
	tls_server_free(s->tls);
	s->tls = NULL;
	unlink(s->config.socket);
}

int cmd_serve(struct cli *c, struct err *e)
{
	struct serve s = { .child = SERVE_CHILD_INIT,
			   .address = BUF_INIT,
			   .work_dir = BUF_INIT,
			   .urls = BUF_INIT,
			   .signal_fd = -1 };
	log_set_name("serve");
	set_heap();
	raise_files();
	/* The store is nobody else's to read; the spawner gives jobs a mask of their own. */
	umask(077);
	int rc = serve_config_read(&s.config, &c->args, e);
	if (rc == 0)
		rc = take_signals(&s.signal_fd, e);
	if (rc == 0)
		rc = start(&s, e);
	if (rc == 0)
		rc = wait_for_signal(&s, e);
	if (rc == 0)
		stop(&s);
	else
		server_close(s.server);
	tls_server_free(s.tls);
	if (s.signal_fd >= 0)
		close(s.signal_fd);
	buf_release(&s.address);
	buf_release(&s.work_dir);
	buf_release(&s.urls);
	serve_config_release(&s.config);
	return rc;
}

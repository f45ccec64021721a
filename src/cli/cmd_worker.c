/* worker: lease jobs from a server and run them. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/parse.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/place.h"
#include "model/job.h"
#include "worker/worker.h"

enum { NAME_BYTES = 128 };

static int read_slots(const struct args *a, int *slots, struct err *e)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t n = args_int(a, "slots", processors < 1 ? 1 : processors);

	if (n < 1 || n > WORKER_SLOTS_MAX)
		return err_set(e, ERR_USAGE, "--slots must be 1 to %d", WORKER_SLOTS_MAX);
	*slots = (int)n;
	return 0;
}

/* `host` is for the machine's name, which is used if there is no other. */
static int read_name(const struct args *a, struct worker_options *o, char host[NAME_BYTES], struct err *e)
{
	o->name = args_text(a, "name", NULL);
	if (o->name && strlen(o->name) >= NAME_BYTES)
		return err_set(e, ERR_USAGE, "--name has at most %d bytes", NAME_BYTES - 1);
	if (gethostname(host, NAME_BYTES) < 0)
		return err_sys(e, "find this machine's name");
	host[NAME_BYTES - 1] = '\0';
	o->name_else = host;
	if (!path_is_safe_name(o->name ? o->name : host))
		return err_set(e, ERR_USAGE, "\"%s\" cannot be the name of a worker",
			       o->name ? o->name : host);
	return 0;
}

/* A copy: whoever lists processes must not read it there. */
static int read_join(const struct args *a, struct buf *out, struct err *e)
{
	const char *given = args_text(a, "join", NULL);

	if (!given)
		return 0;
	buf_adds(out, given);
	/* Values lie in the arguments of the process, which are ours to write. */
	memset((char *)(uintptr_t)given, '*', strlen(given));
	return buf_check(out, e);
}

/* Every part of every value of a repeated option, split at commas. */
typedef int each_part(void *ctx, const char *part, struct err *e);

static int walk_parts(const struct args *a, const char *option, each_part *fn, void *ctx, struct err *e)
{
	const char *value;
	size_t at = 0;

	while ((value = args_next(a, option, &at)))
		while (*value) {
			size_t len = strcspn(value, ",");
			CLEAN_FREE char *part = strndup(value, len);

			if (!part)
				return err_set(e, ERR_NOMEM, "out of memory");
			if (len && fn(ctx, part, e) < 0)
				return -1;
			value += len;
			value += strspn(value, ",");
		}
	return 0;
}

static int add_isolation(void *ctx, const char *part, struct err *e)
{
	unsigned *mask = ctx;
	int isolation = isolation_parse(part);

	if (isolation < 0)
		return err_set(e, ERR_USAGE,
			       "--isolation: there is no isolation \"%s\"; there are none, chroot and vm",
			       part);
	*mask |= 1u << isolation;
	return 0;
}

struct tags {
	const char **list;
	unsigned len;
};

static void tags_release(struct tags *t)
{
	for (unsigned i = 0; i < t->len; i++)
		free((void *)(uintptr_t)t->list[i]);
	free(t->list);
}

static int add_tag(void *ctx, const char *part, struct err *e)
{
	struct tags *t = ctx;
	const char **grown = reallocarray(t->list, t->len + 1, sizeof(*grown));

	if (!grown)
		return err_set(e, ERR_NOMEM, "out of memory");
	t->list = grown;
	grown[t->len] = strdup(part);
	if (!grown[t->len])
		return err_set(e, ERR_NOMEM, "out of memory");
	t->len++;
	return 0;
}

static int read_servers(const struct args *a, struct buf *given, struct buf *usual, struct err *e)
{
	const char *value;
	size_t at = 0;

	while ((value = args_next(a, "server", &at))) {
		buf_adds(given, given->len ? "," : "");
		buf_adds(given, value);
	}
	return buf_check(given, e) < 0 ? -1 : place_server(NULL, usual, e);
}

static int read_work_dir(const struct args *a, struct buf *out, struct err *e)
{
	CLEAN_BUF struct buf data = BUF_INIT;
	const char *given = args_text(a, "work", NULL);

	/* Jobs run in other folders: the path must not depend on ours. */
	if (given && *given != '/') {
		CLEAN_FREE char *here = getcwd(NULL, 0);

		if (!here)
			return err_sys(e, "find the current folder");
		path_join(out, here, given);
	} else if (given) {
		buf_adds(out, given);
	} else {
		if (place_data_dir(NULL, &data, e) < 0)
			return -1;
		path_join(out, data.data, "worker");
	}
	return buf_check(out, e);
}

/* -1: as the disk allows. */
static int read_size(const struct args *a, const char *option, int64_t *bytes, struct err *e)
{
	const char *given = args_text(a, option, NULL);

	*bytes = -1;
	return given ? parse_size(option, given, bytes, e) : 0;
}

static int read_control_fd(const struct args *a, int *fd, struct err *e)
{
	*fd = (int)args_int(a, "control-fd", -1);
	if (*fd < 0)
		return 0;
	/* No job may hold it open. */
	if (fcntl(*fd, F_SETFD, FD_CLOEXEC) < 0)
		return err_sys(e, "--control-fd %d", *fd);
	return fd_set_nonblocking(*fd, e);
}

int cmd_worker(struct cli *c, struct err *e)
{
	CLEAN_BUF struct buf server = BUF_INIT;
	CLEAN_BUF struct buf usual = BUF_INIT;
	CLEAN_BUF struct buf work = BUF_INIT;
	CLEAN_BUF struct buf join = BUF_INIT;
	CLEAN(tags_release) struct tags tags = { 0 }, demands = { 0 }, zones = { 0 };
	char host[NAME_BYTES];
	struct worker_options o = { .rotate_ms = args_duration(&c->args, "rotate", 0) };

	log_set_name("worker");
	if (read_join(&c->args, &join, e) < 0 || read_servers(&c->args, &server, &usual, e) < 0 ||
	    read_work_dir(&c->args, &work, e) < 0 || read_name(&c->args, &o, host, e) < 0 ||
	    read_slots(&c->args, &o.slots, e) < 0 || read_control_fd(&c->args, &o.control_fd, e) < 0 ||
	    read_size(&c->args, "cache", &o.cache_bytes, e) < 0 ||
	    read_size(&c->args, "min-free", &o.min_free_bytes, e) < 0 ||
	    walk_parts(&c->args, "isolation", add_isolation, &o.isolations, e) < 0 ||
	    walk_parts(&c->args, "tag", add_tag, &tags, e) < 0 ||
	    walk_parts(&c->args, "demand", add_tag, &demands, e) < 0 ||
	    walk_parts(&c->args, "zone", add_tag, &zones, e) < 0)
		return -1;
	o.server = server.len ? server.data : NULL;
	o.server_else = usual.data;
	o.join = join.len ? join.data : NULL;
	o.tls_ca = place_tls_ca();
	o.work_dir = work.data;
	o.tags = tags.list;
	o.tags_len = tags.len;
	o.demands = demands.list;
	o.demands_len = demands.len;
	o.zones = zones.list;
	o.zones_len = zones.len;
	return worker_serve(&o, e);
}

/* fetch: copy the files that an attempt produced, each checked, each appearing only when it is whole.
 *
 * The names come from the job, so they are not trusted: safe relative paths only, opened beneath the folder without
 * following links (a link in the folder could lead out of it). */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/path.h"
#include "base/random.h"
#include "cli/api.h"
#include "cli/artifacts.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "http/client.h"
#include "text/json.h"

struct fetch {
	struct cli *cli;
	int64_t job;
	int dir; /* -1: to standard output */
	bool is_replacing;
};

struct writing {
	int fd;
	struct hash *hash;
};

static int write_bytes(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct writing *w = ctx;
	hash_add(w->hash, bytes, n);
	return fd_write_all(w->fd, bytes, n, e);
}

/* The bytes of one artifact to a descriptor, checked by its address. */
static int download(struct fetch *f, const json_t *artifact, int fd, struct err *e)
{
	const char *name = field_text(artifact, "name");
	CLEAN_BUF struct buf path = BUF_INIT;
	buf_addf(&path, "/v1/jobs/%lld/artifacts/", (long long)f->job);
	client_add_escaped(&path, name);
	buf_addf(&path, "?attempt=%lld", (long long)field_int(artifact, "attempt"));
	struct writing w = { .fd = fd, .hash = hash_new() };
	if (!w.hash || buf_check(&path, NULL) < 0) {
		hash_free(w.hash);
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	struct client_request q = { .method = "GET", .path = path.data, .sink = write_bytes, .sink_ctx = &w };
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	char hex[HASH_HEX_BYTES];
	int rc = client_do(f->cli->api->client, &q, &reply, e);
	hash_finish(w.hash, hex);
	if (rc < 0)
		return err_wrap(e, "fetch %s", name);
	if (strcmp(hex, field_text(artifact, "sha256")) != 0)
		return err_set(e, ERR_CORRUPT, "fetch %s: what came is not what was stored (SHA-256 differs)",
			       name);
	return 0;
}

/* The folder that `name` lies in, made if need be, part by part beneath `dir`; *base is the last part. */
static int open_parent(int dir, const char *name, const char **base, struct err *e)
{
	CLEAN_FD int at = openat(dir, ".", O_DIRECTORY | O_RDONLY | O_CLOEXEC);
	if (at < 0)
		return err_sys(e, "open the folder");
	for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
		char part[PATH_PART_LIMIT_BYTES + 1];
		snprintf(part, sizeof part, "%.*s", (int)(slash - name), name);
		if (mkdirat(at, part, 0777) < 0 && errno != EEXIST)
			return err_sys(e, "make the folder %s", part);
		int next = openat(at, part, O_DIRECTORY | O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		if (next < 0)
			return err_sys(e, "open the folder %s", part);
		close(at);
		at = next;
	}
	*base = name;
	return take_fd(&at);
}

/* Give the temporary file its name; without --force never over something that is there. */
static int give_name(const struct fetch *f, int at, const char *temporary, const char *base, const char *name,
		     struct err *e)
{
	int rc = f->is_replacing ? renameat(at, temporary, at, base)
				 : renameat2(at, temporary, at, base, RENAME_NOREPLACE);
	if (rc == 0)
		return 0;
	if (errno == EEXIST)
		return err_set(e, ERR_CONFLICT, "%s is there already; --force replaces it", name);
	return err_sys(e, "rename to %s", name);
}

static int fetch_file(struct fetch *f, const json_t *artifact, struct err *e)
{
	const char *name = field_text(artifact, "name"), *base = name;
	if (!path_is_safe_relative(name))
		return err_set(
			e, ERR_INVALID,
			"an artifact has a name that is not safe to use here; with -o - it can be read");
	CLEAN_FD int at = open_parent(f->dir, name, &base, e);
	struct stat st;
	if (at < 0)
		return err_wrap(e, "fetch %s", name);
	/* Before the download, so that nothing is fetched in vain; give_name() is what decides. */
	if (!f->is_replacing && fstatat(at, base, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_CONFLICT, "%s is there already; --force replaces it", name);
	char temporary[64] = ".slipway-";
	if (random_hex(temporary + strlen(temporary), 8, e) < 0)
		return -1;
	CLEAN_FD int fd = openat(at, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return err_sys(e, "make a file beside %s", name);
	if (download(f, artifact, fd, e) == 0 && give_name(f, at, temporary, base, name, e) == 0)
		return 0;
	unlinkat(at, temporary, 0);
	return -1;
}

static bool is_wanted(const struct cli *c, const char *name)
{
	for (size_t i = 1; i < c->args.words_len; i++)
		if (strcmp(c->args.words[i], name) == 0 || path_matches(c->args.words[i], name))
			return true;
	return c->args.words_len == 1;
}

/* A name that fits nothing is a mistake to be told, before anything is written. */
static int check_words(const struct cli *c, const json_t *artifacts, struct err *e)
{
	for (size_t w = 1; w < c->args.words_len; w++) {
		bool is_found = false;
		for (size_t i = 0; i < json_array_size(artifacts) && !is_found; i++) {
			const char *name = field_text(json_array_get(artifacts, i), "name");
			is_found = strcmp(c->args.words[w], name) == 0 ||
				   path_matches(c->args.words[w], name);
		}
		if (!is_found)
			return err_set(e, ERR_NOT_FOUND,
				       "job %s has no file %s; slipway artifacts %s lists them",
				       c->args.words[0], c->args.words[w], c->args.words[0]);
	}
	return 0;
}

static int fetch_all(struct fetch *f, const json_t *artifacts, struct err *e)
{
	size_t n = 0;
	for (size_t i = 0; i < json_array_size(artifacts); i++) {
		const json_t *a = json_array_get(artifacts, i);
		if (!is_wanted(f->cli, field_text(a, "name")))
			continue;
		if (f->dir < 0 && n > 0)
			return err_set(e, ERR_USAGE, "fetch -o -: one file only; name it");
		int rc = f->dir < 0 ? download(f, a, STDOUT_FILENO, e) : fetch_file(f, a, e);
		if (rc < 0)
			return -1;
		n++;
		if (f->dir >= 0 && !args_has(&f->cli->args, "json"))
			printf("%s\n", field_text(a, "name"));
	}
	if (n == 0)
		fprintf(stderr, "slipway: job %lld has produced no files\n", (long long)f->job);
	return 0;
}

int cmd_fetch(struct cli *c, struct err *e)
{
	struct fetch f = { .cli = c, .dir = -1, .is_replacing = args_has(&c->args, "force") };
	const char *where = args_text(&c->args, "output", ".");
	CLEAN_JSON json_t *artifacts = artifacts_get(c, &f.job, e);
	if (!artifacts || check_words(c, artifacts, e) < 0)
		return -1;
	CLEAN_FD int dir = -1;
	if (strcmp(where, "-") != 0) {
		if (fd_mkdirs(where, 0777, e) < 0)
			return -1;
		dir = open(where, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
		if (dir < 0)
			return err_sys(e, "open %s", where);
		f.dir = dir;
	}
	if (fetch_all(&f, artifacts, e) < 0)
		return -1;
	if (args_has(&c->args, "json"))
		show_json(artifacts);
	return 0;
}

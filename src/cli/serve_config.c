#include "cli/serve_config.h"

#include <errno.h>
#include <ini.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/path.h"
#include "cli/args.h"
#include "cli/place.h"
#include "model/name.h"

enum { SLOTS_MAX = 1024 };

/* What may be given: on the command line by these names, in the file by the same, without a section. */
enum key {
	KEY_DATA,
	KEY_FILES,
	KEY_DB,
	KEY_LISTEN,
	KEY_PUBLIC,
	KEY_TLS_CERT,
	KEY_TLS_KEY,
	KEY_SLOTS,
	KEY_TYPES,
	KEY_SOCKET_MODE,
	KEY_LEASE,
	KEY_ZONE,
	KEYS
};
static const char *const names[KEYS] = { "data",    "files", "db",    "listen",	     "public", "tls-cert",
					 "tls-key", "slots", "types", "socket-mode", "lease",  "zone" };

struct reading {
	struct arena *arena;
	const char *values[KEYS];
	struct err *e;
};

static int set_value(void *ctx, const char *section, const char *name, const char *value)
{
	struct reading *r = ctx;
	if (section[0]) {
		err_set(r->e, ERR_INVALID, "there are no sections, but [%s]", section);
		return 0;
	}
	for (int k = 0; k < KEYS; k++) {
		if (strcmp(names[k], name) != 0)
			continue;
		if (!r->values[k])
			r->values[k] = arena_strdup(r->arena, value);
		return 1;
	}
	err_set(r->e, ERR_INVALID, "there is no key %s", name);
	return 0;
}

static int read_file(struct reading *r, const char *path)
{
	int line = ini_parse(path, set_value, r);
	if (line < 0)
		return err_sys(r->e, "read %s", path);
	if (line == 0)
		return 0;
	if (!r->e->code)
		err_set(r->e, ERR_INVALID, "not a line of the form KEY = VALUE");
	return err_wrap(r->e, "%s line %d", path, line);
}

/* What we make is only passed through by others: the socket's mode says who may use it. */
static int find_data_dir(struct serve_config *c, const char *given, struct err *e)
{
	CLEAN_BUF struct buf dir = BUF_INIT;
	struct stat st;
	if (place_data_dir(given, &dir, e))
		return -1;
	if (stat(dir.data, &st) != 0 && fd_mkdirs(dir.data, 0711, e))
		return err_wrap(e, "make the data folder");
	CLEAN_FREE char *full = realpath(dir.data, NULL);
	if (!full)
		return err_sys(e, "%s", dir.data);
	c->data_dir = arena_strdup(&c->arena, full);
	c->socket = path_join_in(&c->arena, full, "slipway.sock");
	return c->data_dir && c->socket ? 0 : err_set(e, ERR_NOMEM, "no memory for a path");
}

static int add_listen(struct serve_config *c, const char *text, struct err *e)
{
	if (strncmp(text, "unix:/", 6) == 0) {
		c->socket = text + 5;
		return 0;
	}
	if (strncmp(text, "https://", 8) != 0 || !strrchr(text + 8, ':'))
		return err_set(e, ERR_USAGE, "--listen %s: neither unix:/PATH nor https://ADDRESS:PORT",
			       text);
	if (c->https_len == SERVE_HTTPS_MAX)
		return err_set(e, ERR_USAGE, "--listen: at most %d addresses", SERVE_HTTPS_MAX);
	c->https[c->https_len++] = text + 8;
	return 0;
}

/* Several, joined by commas. */
static int read_listen(struct serve_config *c, const char *text, struct err *e)
{
	while (text && *text) {
		size_t len = strcspn(text, ",");
		const char *one = arena_strndup(&c->arena, text, len);
		if (!one)
			return err_set(e, ERR_NOMEM, "no memory for an address");
		if (len && add_listen(c, one, e))
			return -1;
		text += len + (text[len] == ',');
	}
	return 0;
}

static int read_tls(struct serve_config *c, const struct reading *r, struct err *e)
{
	c->public_url = r->values[KEY_PUBLIC];
	c->tls_cert = r->values[KEY_TLS_CERT];
	c->tls_key = r->values[KEY_TLS_KEY];
	if (!c->tls_cert != !c->tls_key)
		return err_set(e, ERR_USAGE, "--tls-cert and --tls-key go together");
	if (c->public_url && strncmp(c->public_url, "https://", 8) != 0)
		return err_set(e, ERR_USAGE, "--public %s: not of the form https://HOST:PORT", c->public_url);
	if ((c->tls_cert || c->public_url) && !c->https_len)
		return err_set(e, ERR_USAGE, "--public and --tls-cert are for --listen https://ADDRESS:PORT");
	return 0;
}

/* All that were given on the command line for an option that may be repeated. */
static int join_all(struct reading *r, const struct args *a, enum key key)
{
	CLEAN_BUF struct buf all = BUF_INIT;
	const char *one;
	size_t at = 0;
	while ((one = args_next(a, names[key], &at)))
		buf_addf(&all, "%s%s", all.len ? "," : "", one);
	if (buf_check(&all, r->e))
		return -1;
	r->values[key] = all.len ? arena_strdup(r->arena, all.data) : NULL;
	return 0;
}

/* Its worker would be refused. */
static int read_zones(struct serve_config *c, const char *text, struct err *e)
{
	c->zones = text;
	while (text && *text) {
		size_t len = strcspn(text, ",");
		const char *zone = arena_strndup(&c->arena, text, len);
		if (!zone)
			return err_set(e, ERR_NOMEM, "no memory for a zone");
		if (len && !name_is_tag(zone))
			return err_set(e, ERR_USAGE,
				       "--zone %s: a zone is a word of letters, digits and . _ + -", zone);
		text += len + (text[len] == ',');
	}
	return 0;
}

static int read_db(struct serve_config *c, const char *text, struct err *e)
{
	c->db_url = text;
	return text && strncmp(text, "sqlite:", 7) != 0 && strncmp(text, "postgres", 8) != 0
		       ? err_set(e, ERR_USAGE, "--db %s: neither sqlite: nor postgresql:", text)
		       : 0;
}

static int read_numbers(struct serve_config *c, const struct reading *r, struct err *e)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	int64_t slots = processors < 1 ? 1 : processors;
	const char *mode = r->values[KEY_SOCKET_MODE];
	char *end = NULL;
	if (r->values[KEY_SLOTS] && parse_int("slots", r->values[KEY_SLOTS], 0, SLOTS_MAX, &slots, e))
		return -1;
	if (r->values[KEY_LEASE] && parse_duration("lease", r->values[KEY_LEASE], &c->lease_ms, e))
		return -1;
	if (c->lease_ms && c->lease_ms < 500)
		return err_set(e, ERR_USAGE, "--lease must be half a second or more");
	unsigned long bits = mode ? strtoul(mode, &end, 8) : 0660;
	if (mode && (end == mode || *end || bits > 0777))
		return err_set(e, ERR_USAGE, "--socket-mode %s: not an octal mode such as 0660", mode);
	c->socket_mode = (mode_t)bits;
	c->slots = (int)slots;
	return 0;
}

/* It is given to workers, whose folder is another. */
static int find_files_dir(struct serve_config *c, const char *given, struct err *e)
{
	if (!given)
		return 0;
	struct stat st;
	if (stat(given, &st) != 0 && fd_mkdirs(given, 0711, e))
		return err_wrap(e, "make the folder of files");
	CLEAN_FREE char *full = realpath(given, NULL);
	if (!full)
		return err_sys(e, "%s", given);
	c->files_dir = arena_strdup(&c->arena, full);
	return c->files_dir ? 0 : err_set(e, ERR_NOMEM, "no memory for a path");
}

/* Build types of this installation's own. */
static void find_types(struct serve_config *c, const char *given)
{
	const char *env = getenv("SLIPWAY_TYPES");
	const char *own = path_join_in(&c->arena, c->data_dir, "types");
	if (given || (env && *env))
		c->types_dir = given ? given : env;
	else if (own && access(own, R_OK | X_OK) == 0)
		c->types_dir = own;
}

int serve_config_read(struct serve_config *c, const struct args *a, struct err *e)
{
	struct reading r = { .arena = &c->arena, .e = e };
	for (int k = 0; k < KEYS; k++)
		r.values[k] = args_text(a, names[k], NULL);
	if (join_all(&r, a, KEY_LISTEN) || join_all(&r, a, KEY_ZONE))
		return -1;
	const char *file = args_text(a, "config", NULL);
	if (file && read_file(&r, file))
		return -1;
	if (find_data_dir(c, r.values[KEY_DATA], e) || find_files_dir(c, r.values[KEY_FILES], e) ||
	    read_listen(c, r.values[KEY_LISTEN], e) || read_tls(c, &r, e) ||
	    read_zones(c, r.values[KEY_ZONE], e) || read_db(c, r.values[KEY_DB], e) || read_numbers(c, &r, e))
		return -1;
	find_types(c, r.values[KEY_TYPES]);
	return 0;
}

void serve_config_release(struct serve_config *c)
{
	arena_release(&c->arena);
}

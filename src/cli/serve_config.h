/* What serve is told, from the command line and from a file; the command line wins. Main thread only. */
#ifndef SLIPWAY_CLI_SERVE_CONFIG_H
#define SLIPWAY_CLI_SERVE_CONFIG_H

#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"

struct args;
struct err;

enum { SERVE_HTTPS_MAX = 4 };

/* Strings belong to the arena. */
struct serve_config {
	struct arena arena;
	const char *data_dir;		    /* absolute; it exists */
	const char *files_dir;		    /* the same; NULL = not given */
	const char *socket;		    /* path */
	const char *https[SERVE_HTTPS_MAX]; /* "HOST:PORT" each, as given */
	size_t https_len;
	const char *public_url;		/* NULL = not given, and so the next */
	const char *tls_cert, *tls_key; /* both or none */
	const char *db_url, *types_dir; /* NULL = not given */
	const char *zones;		/* of its own worker, joined by commas; NULL = none are said */
	int slots;
	mode_t socket_mode;
	int64_t lease_ms; /* 0 = the server's own choice */
};

int serve_config_read(struct serve_config *c, const struct args *a, struct err *e);
void serve_config_release(struct serve_config *c);

#endif

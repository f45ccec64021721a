#include "cli/place.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/path.h"

static const char *env_get(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

const char *place_token(void)
{
	static char *token;
	static bool is_taken;
	const char *value = is_taken ? NULL : env_get("SLIPWAY_TOKEN");
	if (value)
		token = strdup(value);
	if (!is_taken)
		unsetenv("SLIPWAY_TOKEN");
	is_taken = true;
	return token;
}

const char *place_tls_ca(void)
{
	return env_get("SLIPWAY_TLS_CA");
}

int place_ca_file(const char *fingerprint, struct buf *out, struct err *e)
{
	struct buf data = BUF_INIT, dir = BUF_INIT;
	int rc = place_data_dir(NULL, &data, e);
	if (rc == 0) {
		path_join(&dir, data.data, "ca");
		buf_addf(out, "%s/%s.pem", dir.data, fingerprint);
		rc = buf_check(&dir, e) || buf_check(out, e) ? -1 : fd_mkdirs(dir.data, 0711, e);
	}
	buf_release(&data);
	buf_release(&dir);
	return rc;
}

int place_data_dir(const char *given, struct buf *out, struct err *e)
{
	if (given)
		buf_adds(out, given);
	else if (geteuid() == 0)
		buf_adds(out, "/var/lib/slipway");
	else if (env_get("XDG_STATE_HOME"))
		path_join(out, env_get("XDG_STATE_HOME"), "slipway");
	else if (env_get("HOME"))
		path_join(out, env_get("HOME"), ".local/state/slipway");
	else
		return err_set(e, ERR_USAGE,
			       "no data folder: neither --data nor XDG_STATE_HOME nor HOME is set");
	return buf_check(out, e);
}

int place_server(const char *given, struct buf *out, struct err *e)
{
	const char *address = given ? given : env_get("SLIPWAY_SERVER");
	if (address) {
		buf_adds(out, address);
		return buf_check(out, e);
	}
	struct buf dir = BUF_INIT;
	int rc = place_data_dir(NULL, &dir, e);
	if (rc == 0) {
		buf_adds(out, "unix:");
		path_join(out, dir.data, "slipway.sock");
		rc = buf_check(out, e);
	}
	buf_release(&dir);
	return rc;
}

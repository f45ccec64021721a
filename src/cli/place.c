#include "cli/place.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/path.h"

static const char *env_get(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
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

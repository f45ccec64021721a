/* api-doc: docs/API.md, out of the table of routes. */
#include <stdio.h>

#include "base/buf.h"
#include "base/err.h"
#include "cli/commands.h"
#include "server/server.h"

int cmd_api_doc(struct cli *c, struct err *e)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	server_api_doc(&text);
	if (buf_check(&text, e))
		return -1;
	fputs(text.data, stdout);
	return 0;
}

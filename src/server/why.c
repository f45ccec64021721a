#include "server/routes_priv.h"

#include "server/server_priv.h"
void why_route(struct ask *a)
{
	struct err e = ERR_INIT;
	err_set(&e, ERR_UNSUPPORTED, "not yet");
	ask_fail(a, &e);
}

#include "model/role.h"

#include <string.h>

static const struct {
	const char *name;
	bool may[ACCESSES];
} roles[ROLES] = {
	[ROLE_NOBODY] = { "nobody", { [ACCESS_OPEN] = true } },
	[ROLE_ADMIN] = { "admin",
			 { [ACCESS_OPEN] = true,
			   [ACCESS_READ] = true,
			   [ACCESS_SUBMIT] = true,
			   [ACCESS_ADMIN] = true,
			   [ACCESS_WORKER] = true,
			   [ACCESS_REGISTER] = true } },
	[ROLE_SUBMITTER] = { "submitter",
			     { [ACCESS_OPEN] = true, [ACCESS_READ] = true, [ACCESS_SUBMIT] = true } },
	[ROLE_READER] = { "reader", { [ACCESS_OPEN] = true, [ACCESS_READ] = true } },
	[ROLE_WORKER] = { "worker",
			  { [ACCESS_OPEN] = true, [ACCESS_WORKER] = true, [ACCESS_REGISTER] = true } },
	[ROLE_JOIN] = { "join", { [ACCESS_OPEN] = true, [ACCESS_JOIN] = true } },
};

bool role_may(enum role r, enum access a)
{
	return (int)r >= 0 && r < ROLES && (int)a >= 0 && a < ACCESSES && roles[r].may[a];
}

const char *role_name(enum role r)
{
	return (int)r >= 0 && r < ROLES ? roles[r].name : "";
}

int role_parse(const char *name)
{
	for (int r = 0; r < ROLES; r++)
		if (strcmp(roles[r].name, name) == 0)
			return r;
	return -1;
}

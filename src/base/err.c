#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#undef err_set
#undef err_sys
#undef err_wrap

static const struct err_info infos[] = {
	{ ERR_NONE, "none", 200, 0, false },
	{ ERR_USAGE, "usage", 400, 2, false },
	{ ERR_INVALID, "invalid", 400, 4, false },
	{ ERR_NOT_FOUND, "not_found", 404, 4, false },
	{ ERR_CONFLICT, "conflict", 409, 4, false },
	{ ERR_STALE, "stale", 409, 4, false },
	{ ERR_DENIED, "denied", 403, 4, false },
	{ ERR_CREDENTIAL, "credential", 401, 4, false },
	{ ERR_TOO_LARGE, "too_large", 413, 4, false },
	{ ERR_UNSUPPORTED, "unsupported", 501, 4, false },
	{ ERR_BUSY, "busy", 503, 4, true },
	{ ERR_UNREACHABLE, "unreachable", 502, 3, true },
	{ ERR_NOMEM, "nomem", 503, 4, true },
	{ ERR_SYSTEM, "system", 500, 4, false },
	{ ERR_CORRUPT, "corrupt", 500, 4, false },
	{ ERR_UNCERTAIN, "uncertain", 500, 4, false },
	{ ERR_INTERNAL, "internal", 500, 4, false },
};

static int set_text(struct err *e, enum err_code code, int sys, const char *fmt, va_list ap)
	__attribute__((format(printf, 4, 0)));

static int set_text(struct err *e, enum err_code code, int sys, const char *fmt, va_list ap)
{
	if (!e)
		return -1;
	e->code = code;
	e->sys = sys;
	int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
	if (sys && n >= 0 && (size_t)n < sizeof e->text) {
		char why[96];
		/* The GNU form: it may give a constant instead of filling `why`. */
		snprintf(e->text + n, sizeof e->text - (size_t)n, ": %s", strerror_r(sys, why, sizeof why));
	}
	return -1;
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	set_text(e, code, 0, fmt, ap);
	va_end(ap);
	return -1;
}

static enum err_code code_of_errno(int sys)
{
	switch (sys) {
	case ENOENT:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_SYSTEM;
	}
}

int err_sys(struct err *e, const char *fmt, ...)
{
	int sys = errno;
	va_list ap;
	va_start(ap, fmt);
	set_text(e, code_of_errno(sys), sys, fmt, ap);
	va_end(ap);
	return -1;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	if (!e)
		return -1;
	char inner[sizeof e->text];
	memcpy(inner, e->text, sizeof inner);
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(e->text, sizeof e->text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof e->text)
		snprintf(e->text + n, sizeof e->text - (size_t)n, ": %.*s", (int)sizeof inner - 1, inner);
	return -1;
}

void err_clear(struct err *e)
{
	if (e)
		*e = ERR_INIT;
}

const struct err_info *err_info_get(enum err_code code)
{
	for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
		if (infos[i].code == code)
			return &infos[i];
	return &infos[sizeof infos / sizeof infos[0] - 1];
}

enum err_code err_code_parse(const char *name)
{
	for (size_t i = 0; i < sizeof infos / sizeof infos[0]; i++)
		if (strcmp(infos[i].name, name) == 0)
			return infos[i].code;
	return ERR_INTERNAL;
}

/* SQLSTATE → what we make of it. */
#include <libpq-fe.h>
#include <string.h>

#include "base/clean.h"
#include "db/postgres_priv.h"

/* The first that the state begins with. */
static const struct row {
	const char *state;
	enum err_code code;
	enum pg_verdict verdict;
} rows[] = {
	{ "23505", ERR_CONFLICT, PG_REPEAT }, /* unique: somebody else was first, if we looked before */
	{ "40", ERR_BUSY, PG_REPEAT },	      /* serialization, deadlock */
	{ "55P03", ERR_BUSY, PG_REPEAT },     /* lock_timeout */
	{ "26000", ERR_BUSY, PG_UNPREPARED }, /* no such prepared statement */
	{ "42P05", ERR_BUSY, PG_UNPREPARED }, /* there is one of that name */
	{ "25006", ERR_BUSY, PG_LOST },	      /* read-only: perhaps another server is the primary now */
	{ "25P03", ERR_BUSY, PG_LOST },	      /* idle in a transaction for too long */
	{ "08", ERR_BUSY, PG_LOST },
	{ "57P", ERR_BUSY, PG_LOST }, /* shutdown, crash, cannot connect now */
	{ "57014", ERR_BUSY, PG_REPEAT },
	{ "53", ERR_BUSY, PG_FAILED }, /* out of connections, memory, disk */
	{ "54", ERR_TOO_LARGE, PG_FAILED },
	{ "22", ERR_INVALID, PG_FAILED }, /* a text that is no text */
	{ "28", ERR_DENIED, PG_FAILED },
	{ "42501", ERR_DENIED, PG_FAILED },
	{ "58", ERR_SYSTEM, PG_FAILED },
	{ "XX001", ERR_CORRUPT, PG_FAILED },
	{ "XX002", ERR_CORRUPT, PG_FAILED },
};

enum pg_verdict pg_error_read(const PGresult *r, const char *what, struct err *e)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
	const char *detail = PQresultErrorField(r, PG_DIAG_MESSAGE_DETAIL);
	enum err_code code = ERR_INTERNAL;
	/* Without a state it was libpq that met it: the connection. */
	enum pg_verdict verdict = state ? PG_FAILED : PG_LOST;
	for (size_t i = 0; state && i < ARRAY_LEN(rows); i++)
		if (strncmp(state, rows[i].state, strlen(rows[i].state)) == 0) {
			code = rows[i].code;
			verdict = rows[i].verdict;
			break;
		}
	if (!state)
		code = ERR_BUSY;
	if (!text)
		text = PQresultErrorMessage(r);
	err_set(e, code, "database: %s: %.*s%s%s", what, (int)strcspn(text, "\n"), text, detail ? ": " : "",
		detail ? detail : "");
	return verdict;
}

void pg_error_connection(const PGconn *c, const char *what, enum err_code code, struct err *e)
{
	const char *text = c ? PQerrorMessage(c) : "out of memory";
	err_set(e, code, "database: %s: %.*s", what, (int)strcspn(text, "\n"), text);
}

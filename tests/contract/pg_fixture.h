/* Which database a test runs on: SLIPWAY_TEST_DB=postgres asks for PostgreSQL, on the server that tests/pg started
 * and SLIPWAY_TEST_PG names. Each test has a fresh database. */
#ifndef SLIPWAY_TESTS_PG_FIXTURE_H
#define SLIPWAY_TESTS_PG_FIXTURE_H

#include <stdbool.h>

bool pg_is_wanted(void);
/* For main(): it is wanted and cannot be had; the test's output says so. */
bool pg_skip_all(void);
/* A fresh database; its URL, which the caller frees. */
char *pg_new_database(void);
/* Away with it, and with whoever is connected. NULL is fine. */
void pg_drop_database(const char *url);
/* Statements for the server's own database, or that of a URL. */
void pg_run(const char *url, const char *sql);

#endif

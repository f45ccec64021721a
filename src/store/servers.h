/* The servers of one database. On PostgreSQL each has a row in the table server, moves its beat on every few seconds by
 * the database's clock (store/ear.h), and keeps its name from start to start by a random number in its data folder. All
 * of them share one folder of files: a mark in it is known to the database, and who has another is refused at opening.
 * On SQLite there is one server, without a row: its id is 0. */
#ifndef SLIPWAY_STORE_SERVERS_H
#define SLIPWAY_STORE_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;
struct err;
struct store;
struct tx;

/* Of this store's server; 0 if it does not serve, or on SQLite. Any thread. */
int64_t store_server_id(const struct store *s);
/* The machine's name; "NAME-2" and so on where a server of another folder has it. Unique among the servers. */
const char *store_server_name(const struct store *s);

struct server_row {
	int64_t id;
	const char *name, *version;
	int64_t started_ms, beat_ms; /* the database's wall time; beat 0: it was stopped */
	bool is_alive;
};
/* All that were heard of in the last week, by name; none on SQLite. From a task's run(). */
int servers_list(struct tx *tx, struct arena *a, struct server_row **out, size_t *n, struct err *e);

/* The oldest transaction in the database that has been open for `least_ms` or longer and keeps dead rows from being cleaned
 * up, which makes everything slower in the end. Of what the database lets this server see. */
struct holder {
	bool is_there;
	int64_t pid, age_ms;
	const char *user, *application, *state;
};
int holder_find(struct tx *tx, int64_t least_ms, struct arena *a, struct holder *out, struct err *e);

#endif

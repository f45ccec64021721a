/* The other servers on the same database: what was changed here is told to them, and what they changed is told to the hub.
 *
 * Telling is for speed: a little while after the commit, by a thread of its own, all that has gathered in one message, and
 * only while others are alive. What would be too long is told as "look". Looking is for truth: about once a second the
 * thread looks at what is there now (store/ear.h): lanes with work, cancels, due jobs, and the jobs that somebody here
 * waits for. So nothing depends on a message, nor on who changed what: another server, one that has died since, a pooler's
 * client, or an application's own SQL, which may say `NOTIFY slipway` after its commit to be seen at once.
 *
 * On SQLite there is nobody, and these do nothing. */
#ifndef SLIPWAY_SERVER_PEERS_H
#define SLIPWAY_SERVER_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct server;
struct store_change;

int peers_start(struct server *s, struct err *e);
void peers_stop(struct server *s);
/* For the others. Any thread, any lock; they only enqueue. */
void peers_tell_jobs(struct server *s, const struct store_change *changes, size_t n);
void peers_tell_lane(struct server *s, int64_t lane, int64_t jobs);
void peers_tell_log(struct server *s, int64_t job);
/* A worker's state was changed: its server is to ask again. */
void peers_tell_workers(struct server *s);
/* Has this server been without a look at what others did for so long, beyond the usual time between two? Any thread. Without
 * others, never. */
bool peers_were_out(const struct server *s, int64_t ms);

#endif

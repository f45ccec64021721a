/* What a worker says of its machine with a call that it makes anyway: load, cache, room on the disk. The newest is in this
 * server's memory; the store gets it now and then, and at once when the worker stops or begins again to take work, for
 * other servers and for after a restart. */
#ifndef SLIPWAY_SERVER_FEED_STATUS_H
#define SLIPWAY_SERVER_FEED_STATUS_H

#include "server/server_priv.h"

struct json_writer;

/* The "status" of a call's body, checked and in the form it is stored in; "" if there is none. */
int feed_decode_status(const json_t *body, struct arena *a, const char **text, struct err *e);
/* (locked) Keep it with the session. True: it is to be stored. */
bool feed_note_status(struct session *n, const char *text);
/* "load", "cache" and "disk" of a worker; each null if nobody knows. */
void feed_render_status(struct server *s, const struct worker *w, struct arena *a, struct json_writer *jw);
/* "its disk has 10.0M free, it wants 512M": why a worker takes nothing. */
const char *feed_disk_text(const struct worker *w, struct arena *a);

#endif

/* Reading logs: finished ones from the row or the file, live ones as they grow. */
#ifndef SLIPWAY_SERVER_LOG_FOLLOW_H
#define SLIPWAY_SERVER_LOG_FOLLOW_H

#include <stdint.h>

struct ask;
struct server;

/* The log of the job's running attempt has more bytes now: wakes its followers, here and at other servers. */
void log_has_grown(struct server *s, int64_t job);
/* The same, but it was another server that said so. */
void log_was_told(struct server *s, int64_t job);
/* Any log may have grown whose job runs elsewhere. */
void log_look_all(struct server *s);
/* GET /v1/jobs/{id}/log */
void log_route(struct ask *a);

#endif

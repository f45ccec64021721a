/* The handlers that the table of routes names. Each is documented by its row. */
#ifndef SLIPWAY_SERVER_ROUTES_PRIV_H
#define SLIPWAY_SERVER_ROUTES_PRIV_H

#include <stdint.h>

struct arena;
struct ask;
struct err;
struct server;
struct tx;

/* routes_submit.c */
void submit_route(struct ask *a);
void act_route(struct ask *a);
/* routes_jobs.c, routes_wait.c */
void jobs_list_route(struct ask *a);
void jobs_show_route(struct ask *a);
void artifacts_list_route(struct ask *a);
void artifact_route(struct ask *a);
void wait_route(struct ask *a);
/* routes_events.c */
void events_route(struct ask *a);
/* why.c */
void why_route(struct ask *a);
/* routes_admin.c */
void status_route(struct ask *a);
void workers_list_route(struct ask *a);
void worker_state_route(struct ask *a);
void targets_list_route(struct ask *a);
void target_show_route(struct ask *a);
void target_remove_route(struct ask *a);
void types_route(struct ask *a);
void check_route(struct ask *a);
void gc_route(struct ask *a);
/* *warning: in words, that no worker would take a job of the lane; else NULL. On the writer. */
int why_nobody(struct server *s, struct tx *tx, int64_t lane, struct arena *a, const char **warning,
	       struct err *e);
void owners_route(struct ask *a);
void owner_set_route(struct ask *a);
void backup_route(struct ask *a);
/* routes_tokens.c */
void token_create_route(struct ask *a);
void tokens_list_route(struct ask *a);
void token_revoke_route(struct ask *a);
void ca_route(struct ask *a);
/* feed_log.c */
int blob_sink_begin(struct ask *a, struct err *e);
void blob_put_route(struct ask *a);
void blob_get_route(struct ask *a);
void feed_artifact(struct ask *a);
void feed_artifact_state(struct ask *a);
int artifact_sink_begin(struct ask *a, struct err *e);

#endif

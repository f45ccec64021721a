/* The table of routes: one row each, from which routing, the checks of parameters and bodies, who may call, and
 * docs/API.md come; and `struct ask`, a request on its way through its handler and the store.
 *
 * A handler runs on an HTTP thread with everything about the request checked that the row tells. It answers
 * (ask_answer, ask_fail) or sends a task to the store (ask_read, ask_write), whose run() may write the answer into
 * a->reply, and returns. Rows: routes.c. */
#ifndef SLIPWAY_SERVER_ROUTE_H
#define SLIPWAY_SERVER_ROUTE_H

#include "base/buf.h"
#include "base/hash.h"
#include "http/server.h"
#include "model/role.h"
#include "store/store.h"
#include "text/json.h"

struct ask;
struct server;

enum param_type { PARAM_TEXT, PARAM_INT, PARAM_BOOL, PARAM_SECONDS };
struct route_param {
	const char *name; /* NULL ends the list */
	enum param_type type;
	const char *help;
};
enum { ROUTE_PARAMS_MAX = 10 };

struct route {
	const char *method;
	const char
		*pattern; /* "{id}" a job's number, "{name}" one part, "{path}" the rest, slashes and all */
	enum access access;
	void (*handle)(struct ask *a);
	int64_t body_limit;
	int (*sink_begin)(struct ask *a, struct err *e); /* the body goes to http_request.sink, set here */
	const struct route_param *params;
	const char *summary;
	const char *body, *answer; /* examples for the documentation; NULL = none */
};

extern const struct route routes[];

struct ask {
	struct server *server;
	struct http_request *req;
	struct arena *arena; /* of the request */
	const struct route *route;
	/* Who asks (access.h); filled in before the handler runs. */
	enum role role;
	const char *who; /* the user's name, the token's, the worker's; "nobody" */
	bool is_admin;
	int64_t token;			  /* the credential's number; 0 = none was needed */
	const char *zones;		  /* of a worker's credential, else "" */
	char secret_hash[HASH_HEX_BYTES]; /* of the credential's secret; "" */
	int64_t id;
	const char *name;		      /* {name} or {path} */
	const char *params[ROUTE_PARAMS_MAX]; /* in the row's order; NULL = not given */
	const char *worker, *session;	      /* the feed's headers */

	struct store_task task;
	int (*run)(struct ask *a, struct tx *tx, struct err *e);
	void (*after)(struct ask *a);
	void (*failed)(struct ask *a, const struct err *e); /* the store refused the task; NULL */
	int status;					    /* 200 */
	struct buf reply;
	json_t *json;			  /* the parsed body, or NULL */
	void *data;			  /* the handler's */
	void (*data_end)(struct ask *a);  /* the connection has done with the request */
	void (*data_free)(struct ask *a); /* the memory goes */
};

/* Hooks of the HTTP server. */
void route_begin(struct http_request *r);
void route_handle(struct http_request *r);
void route_error_body(const struct err *e, struct buf *out);

/* The value of a parameter; the row has checked it. Absent: dflt. */
int64_t ask_int(const struct ask *a, const char *name, int64_t dflt);
const char *ask_text(const struct ask *a, const char *name, const char *dflt);
int64_t ask_seconds_ms(const struct ask *a, const char *name, int64_t dflt_ms);
/* The body as an object with these fields and no others (NULL: do not look). Freed with the request. */
const json_t *ask_body(struct ask *a, const char *const *fields, struct err *e);

/* One task of the store at a time. run() is on a thread of the store. Then `after` on an HTTP thread; NULL: the
 * answer is a->reply with a->status. An error of run() is answered. */
void ask_read(struct ask *a, int (*run)(struct ask *a, struct tx *tx, struct err *e),
	      void (*after)(struct ask *a));
void ask_write(struct ask *a, int (*run)(struct ask *a, struct tx *tx, struct err *e),
	       void (*after)(struct ask *a));
void ask_fail(struct ask *a, const struct err *e);
void ask_answer(struct ask *a, int status);
/* Start the answer anew; run() begins with it, since it may run twice. */
struct json_writer ask_writer(struct ask *a);
struct ask *ask_of(struct http_request *r);

#endif

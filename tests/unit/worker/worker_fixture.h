/* A worker in a thread of its own, between a server (fake_server.h) and a runner (fake_run.h) that the test plays. One worker at
 * a time: begin_…(), then calls are taken and answered, then end_worker(). Every test is wrapped in WORKER_TEST. */
#ifndef SLIPWAY_TESTS_WORKER_FIXTURE_H
#define SLIPWAY_TESTS_WORKER_FIXTURE_H

#include <jansson.h>

#include "base/err.h"
#include "fake_run.h"
#include "fake_server.h"
#include "run/run.h"
#include "worker/worker.h"

#define WORKER_TEST(f) cmocka_unit_test_setup_teardown(f, worker_setup, worker_teardown)

extern struct fake_server server;
extern struct worker_options options; /* as new for each test; read when the worker begins */
extern char work_dir[128];
extern char session[64]; /* of the registration that was seen last */
/* Answers to a registration: where blobs and logs are the server's own, and where they are not. */
extern const char local_answer[], remote_answer[];

int worker_setup(void **state);
int worker_teardown(void **state);

void begin_worker(void);
/* Answers both of its registrations. */
void register_worker(const char *answer);
/* It is registered. */
void begin_local(void);
void begin_remote(void);
/* It is registered and runs the jobs 1 … n, attempt 1 of each. */
void begin_with_jobs(const char *answer, int64_t n);
/* Its control descriptor ends: it is to stop. */
void stop_worker(void);
/* What worker_serve() gave, once it has. */
int join_worker(struct err *e);
/* It is asked to stop and is played along with: every result is right, then it leaves. */
void end_worker(void);

/* What a call says. To be given to json_decref(). */
json_t *body(const struct fake_request *r);
int64_t number(const json_t *o, const char *key);
size_t length(const json_t *o, const char *key);
void note_session(const struct fake_request *r);
/* Answers a lease call with specs of the jobs from … to, and with `more` fields before them. */
void grant(struct fake_request *r, const char *more, int64_t from, int64_t to);
/* The runner says so. */
void succeed(int64_t job);
/* The next lease call that brings results. One without them is answered when a newer one comes, or at once if it is not to
 * wait. */
struct fake_request take_report(json_t **json);
/* Every result of it is right. */
void confirm(struct fake_request *r, const json_t *json);
/* Takes the next report and confirms it. */
void confirm_report(void);
/* The same for one result, which must be this; NULL: with any reason. */
void confirm_result(int64_t job, const char *outcome, const char *reason);

#endif

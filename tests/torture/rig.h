/* For the torture tests: a server of their own, in a folder of its own, that can be killed and started again; calls to it;
 * what its jobs leave in a ledger; and TAP. Calls that a test needs to succeed end it with a message when they do not. */
#ifndef SLIPWAY_TORTURE_RIG_H
#define SLIPWAY_TORTURE_RIG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct client;
struct err;

struct rig {
	char dir[64], data[80], address[120], ledger[96];
	char netns[64]; /* the file of the network namespace its processes live in; "" = ours */
	uid_t uid;	/* whose its processes are; 0 = ours */
	pid_t serve;	/* 0: not running */
	int ready;	/* where it says that it is, until it has */
	int64_t launched_ms;
	char url[64];	  /* its https:// address, if it has one */
	int64_t start_ms; /* what the last start took until "ready" */
};

/* ---- TAP ---------------------------------------------------------------------------------------------------- */

void tap_plan(int n);
void tap_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void tap_ok(bool is_ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tap_skip(const char *what, const char *why);
/* How the program exits. */
int tap_status(void);
/* The test cannot go on. */
_Noreturn void tap_die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- chance: the same seed gives the same decisions --------------------------------------------------------- */

/* From SLIPWAY_SEED, or new; printed. */
void chance_seed(void);
uint64_t chance_below(uint64_t n);
/* A number from the environment. */
int64_t setting(const char *name, int64_t dflt);

/* ---- the server --------------------------------------------------------------------------------------------- */

void rig_make(struct rig *r);
/* The n-th beside `first`, with which it shares its folder and ledger; it has a data folder of its own. */
void rig_make_beside(struct rig *r, const struct rig *first, int n);
/* Start `serve` and wait for its "ready"; `options` is NULL-terminated. */
void rig_start(struct rig *r, const char *const *options);
/* The same in two steps. */
void rig_launch(struct rig *r, const char *const *options);
void rig_wait_ready(struct rig *r);
/* Another worker of that server; its pid. */
pid_t rig_start_worker(struct rig *r, const char *name, int slots);
/* Any process of it, by the words of its command line. */
pid_t rig_spawn(struct rig *r, const char *const *argv);
void rig_stop_worker(pid_t pid);
/* Until one that was killed, or whose spawner was, has ended. */
void rig_wait_worker(pid_t pid);
void rig_kill(struct rig *r);
/* The i-th child of a process, 0 = there is none. */
pid_t child_of(pid_t parent, int i);
/* TERM; gives the exit status, -1 when it did not end by itself. */
int rig_stop(struct rig *r);
/* Processes, mounts and files of attempts that are still there, and complaints of the server, its workers or a sanitizer
 * about themselves: their number, each told. */
int rig_count_leftovers(const struct rig *r);
/* Remove the folder unless something went wrong. */
void rig_remove(struct rig *r);
/* A program to its end, and its first line of output, if asked for. Its exit status, -1 when it was killed. */
int run_program(char *const *argv, char *line, size_t room);
/* Wait so long, for no reason but chance. */
void pause_ms(int64_t ms);

/* ---- calls -------------------------------------------------------------------------------------------------- */

struct client *rig_client(const struct rig *r);
/* NULL: it failed, see `e`. */
json_t *rig_call(struct client *c, const char *method, const char *path, const char *body, struct err *e);
/* One that must succeed. */
json_t *rig_get(struct client *c, const char *path);
int64_t number_in(const json_t *o, const char *key);
const char *text_in(const json_t *o, const char *key);

/* ---- the ledger: "s JOB ATTEMPT" when an attempt begins its effect, "e JOB ATTEMPT" when it is done ---------- */

enum { LEDGER_ATTEMPTS = 64 };

struct ledger_job {
	uint64_t started, ended; /* bit n: attempt n did */
	int newest;
};

struct ledger {
	struct ledger_job *jobs; /* by id */
	int64_t size;
	int64_t lines, twice, overlapping, odd;
};

void ledger_read(struct ledger *l, const struct rig *r);
void ledger_release(struct ledger *l);

#endif

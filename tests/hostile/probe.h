/* One hostile program: what it tries, what must happen, and the doing of it. A probe is a file in probes/ that defines `probe`
 * and probe_run(); probe.c is its main. It runs as a job in a chroot, whose log ends in a verdict:
 *
 *   HELD          probe_run() came back: nothing it should not have got through
 *   BROKEN: what  it did
 *   UNTRIED: why  this machine has nothing to try it on
 *
 * `NAME --about` prints the row of the table as JSON instead. A probe must be able to fail: one that `is_controlled` is also
 * run where nothing holds it, as root in mount and pid namespaces of its own, and must say BROKEN there. So what it
 * tries must be harmless there: arguments that make no sense, where the call is dangerous. */
#ifndef SLIPWAY_HOSTILE_PROBE_H
#define SLIPWAY_HOSTILE_PROBE_H

#include <stdbool.h>

#define ESCAPE "escape"
#define EXHAUSTION "exhaustion"
#define LIE "lie"
#define TERMINAL "terminal"

enum probe_as { AS_BOTH, AS_BUILD, AS_ROOT };

struct probe {
	const char *class;
	const char *tries, *must; /* a clause each, for the table */
	/* How its job ends: NULL = succeeded, with the verdict HELD; else the reason it fails with, or "succeeded". */
	const char *end;
	const char *log; /* what its log must hold besides; NULL = nothing */
	const char *
		artifacts; /* all that is to be collected, with blanks between; "" = nothing, NULL = not asked */
	const char *limits; /* JSON: {"memory":67108864} */
	int timeout_s, silence_s;
	enum probe_as as; /* which user's step it is tried in */
	bool is_controlled;
	bool is_long;	    /* not in `make check` */
	bool is_collecting; /* everything in the out folder; as root only, being a command */
	/* It does not hold yet: the reason, in words for the table. */
	const char *known;
};

extern const struct probe probe;
void probe_run(void);

/* Ends the program. */
_Noreturn void broken(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
_Noreturn void untried(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A line of the log. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The result of a call that must have been refused before it looked at its arguments. Any other error than a refusal means
 * that the kernel's own code was reached. */
void refused(const char *what, long result);
/* The same of something that need not even be there: opening a file, connecting. */
void absent(const char *what, long result);
/* Neither may be opened like this. */
void no_open(const char *path, int flags);
/* A call that has to work for the probe to mean anything. */
long needs(const char *what, long result);

/* A path that only the host has, below the root: "tmp/x/secret". NULL outside of the runner. */
const char *host_path(void);
/* The name of what lies on the host to be found, after this; in static memory. */
const char *bait(const char *before);
/* BROKEN if what only the host has can be seen from this folder. */
void no_host_below(const char *how, int dirfd);
/* "/job/out/NAME" and the like, in static memory. */
const char *out_path(const char *name);
void on_signal(int sig, void (*handler)(int));
void write_file(const char *path, const void *bytes, unsigned long n);

#endif

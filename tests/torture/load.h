/* Work that goes on while something is tortured: jobs are submitted all the time, to one server or to several, and what was
 * acknowledged is accounted for at the end. */
#ifndef SLIPWAY_TORTURE_LOAD_H
#define SLIPWAY_TORTURE_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rig;

enum { LOAD_ACCOUNT_TESTS = 9 };

/* Two threads for each of the servers submit to it, and go to the next one when it does not answer. `rigs` stay the
 * caller's; all have the ledger of the first. */
void load_start(struct rig *const *rigs, int n);
/* A server has come up: whoever waits for one tries again. */
void load_notice_server(void);
/* From now on one thread a server submits, as fast as it is answered, jobs that stay suspended: whatever happens to the
 * server or its database now happens to a commit. */
void load_burst(bool is_bursting);
/* Wait until a job does something, as a rule, but not longer than that, and then a moment more: most blows are to hit a system
 * at work, some one that is just starting. */
enum { LOAD_PROGRESS_MS = 5000 };
void load_wait_for_progress(int64_t most_ms);
/* No more jobs; returns when the threads have ended. */
void load_stop(void);
/* Wait for what is left to end, and tell by LOAD_ACCOUNT_TESTS results what became of all that was acknowledged. */
void load_account(const struct rig *r);
/* Jobs acknowledged so far, and calls that a server broke off or refused. */
void load_count(size_t *acked, size_t *broken);

#endif

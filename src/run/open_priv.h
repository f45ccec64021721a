/* Opening the work folder: its lock, what a killed worker left, the spawners. */
#ifndef SLIPWAY_RUN_OPEN_PRIV_H
#define SLIPWAY_RUN_OPEN_PRIV_H

struct run;

void run_close_fds(struct run *r);

#endif

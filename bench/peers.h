/* What else starts a program in a root of its own, each measured as a user of it starts it: one program, run until it is over.
 *
 * Nothing of them is needed; what is not installed, or does not work here, is only said. They get the image as a tar and unpacked,
 * and leave nothing behind: schroot, which has no option for it, finds its configuration and its sessions in folders of ours,
 * mounted over its own in a mount namespace of this process. */
#ifndef SLIPWAY_BENCH_PEERS_H
#define SLIPWAY_BENCH_PEERS_H

/* Before this process starts any other. `dir` is ours alone and is removed by the caller; `tar` has a /bin/true. */
void peers_open(const char *dir, const char *tar);
int peers_count(void);
const char *peer_name(int n);
/* What it gives that a bare start does not. */
const char *peer_isolates(int n);
/* NULL if it can be measured, else why not, and the Debian package that has it. */
const char *peer_why_not(int n);
/* Start /bin/true in it as often as its slowness allows; the time of one, in milliseconds. -1: it failed. */
double peer_measure(int n);

#endif

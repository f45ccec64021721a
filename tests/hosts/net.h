/* Machines, as far as their network goes: each a network namespace with an address of its own, all on one bridge that lies in a
 * namespace of its own too, so that the machine the test runs on has none of it. Links can be cut, made to lose what
 * goes one way, and made slow. Needs root. What cannot be made ends the test with a message. */
#ifndef SLIPWAY_HOSTS_NET_H
#define SLIPWAY_HOSTS_NET_H

#include <stdbool.h>
#include <stddef.h>

struct net_host {
	char name[24]; /* of its namespace */
	char path[64]; /* the file that is its namespace */
	char port[16]; /* its end at the bridge */
	char address[20];
	bool is_there;
};

/* "" = machines can be made here, else what the machine lacks. Gives `why`. */
const char *net_why_not(char *why, size_t room);
/* Before the first host. Everything goes when the process exits. */
void net_open(void);
void net_add(struct net_host *h, const char *name, int number);

void net_cut(const struct net_host *h, bool is_cut);
/* What `h` sends to `to` gets lost; the other way all is well. */
void net_deafen(const struct net_host *h, const struct net_host *to, bool is_deaf);
/* Kilobits a second, both ways; 0 = as fast as it goes. False: this kernel cannot. */
bool net_slow(const struct net_host *h, int kbit);
/* Can this kernel reorder and duplicate packets? */
bool net_has_netem(void);
/* Every few packets one comes late, and one twice; false: as they are sent. */
bool net_shuffle(const struct net_host *h, bool is_shuffled);

#endif

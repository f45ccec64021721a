/* The number of the feed's protocol (docs/API.md, "For workers"). It goes up by one when an older end would not understand a
 * newer one. Ends that are one apart work together, so that servers and workers need not be upgraded in the same moment;
 * those farther apart are refused by the server, in words. Who sends no number has 1. */
#ifndef SLIPWAY_MODEL_PROTOCOL_H
#define SLIPWAY_MODEL_PROTOCOL_H

enum { PROTOCOL = 2, PROTOCOL_APART_MAX = 1 };

#endif

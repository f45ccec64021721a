/* Where things are unless somebody says otherwise: the data folder and the server's address. Main thread only. */
#ifndef SLIPWAY_CLI_PLACE_H
#define SLIPWAY_CLI_PLACE_H

struct buf;
struct err;

/* The data folder: `given`, or /var/lib/slipway for root, else $XDG_STATE_HOME/slipway (~/.local/state/slipway).
 * It is not made here. */
int place_data_dir(const char *given, struct buf *out, struct err *e);
/* The server's address: `given`, or $SLIPWAY_SERVER, or unix:DIR/slipway.sock with the default DIR. */
int place_server(const char *given, struct buf *out, struct err *e);

#endif

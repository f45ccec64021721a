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

/* The token of $SLIPWAY_TOKEN, or NULL. It is taken out of the environment, so that nothing that is started inherits it:
 * main() asks first. Borrowed, for the life of the process. */
const char *place_token(void);
/* $SLIPWAY_TLS_CA: a file of CAs to believe https:// servers by that have given certificates; NULL: the machine's store. */
const char *place_tls_ca(void);
/* Where the certificate of the CA with this fingerprint is kept, in the default data folder; the folder is made. */
int place_ca_file(const char *fingerprint, struct buf *out, struct err *e);

#endif

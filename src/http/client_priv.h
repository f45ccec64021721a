/* Inside the client: one transfer, the same for the blocking and the event-driven form. */
#ifndef SLIPWAY_HTTP_CLIENT_PRIV_H
#define SLIPWAY_HTTP_CLIENT_PRIV_H

#include <curl/curl.h>

#include "base/err.h"
#include "http/client.h"

/* A header of the caller's, sent with every call. */
struct client_header {
	char *name, *line;
	struct client_header *next;
};

/* Where a server answers. */
struct client_address {
	char *text;	   /* as given */
	char *socket_path; /* of unix:; NULL: https */
};

struct transfer {
	struct client *client;
	const struct client_address *to;
	CURL *easy;
	struct client_request request; /* its strings are only looked at while the transfer is set up */
	struct client_file file;
	bool has_file;
	bool is_repeatable; /* libcurl may send it again by itself when a kept connection turns out to be closed */
	int sent;	    /* how often it was put on a connection */
	int64_t file_at; /* next byte to send */
	struct client_reply *reply;
	struct err err; /* what a callback met */
};

struct client {
	struct client_address *addresses;
	size_t addresses_len;
	size_t at;	    /* the one new calls go to */
	char *ca_file;	    /* of an own CA; NULL: by the store */
	char *store_file;   /* NULL: the machine's */
	bool is_unverified; /* anybody may answer (client_trust.c) */
	struct client_header *headers;
	/* Ready lists for libcurl: a body of JSON, or of bytes, or none. Made new when a header changes; those still
	 * in use by a transfer are kept in `retired`. */
	struct curl_slist *json_list, *bytes_list, *bare_list;
	struct curl_slist **retired;
	size_t retired_len;
	struct transfer blocking;
	/* client_multi.c */
	CURLM *multi;
	int epoll_fd;
	int64_t timer_ms; /* clock_boot_ms() when libcurl wants to be called; 0 = never */
	struct client_job *jobs, *idle;
};

/* Make t->easy ready for `q`; the reply is emptied. */
int transfer_begin(struct transfer *t, struct client *c, const struct client_request *q,
		   struct client_reply *r, struct err *e);
/* What libcurl's verdict and the answer's status come to. */
int transfer_end(struct transfer *t, CURLcode rc, struct err *e);
void client_multi_release(struct client *c);
/* client_address.c: append those in `server` to c's. */
int client_add_addresses(struct client *c, const char *server, struct err *e);
/* client_trust.c: whom an https:// server must be. */
void client_set_tls(const struct client *c, CURL *h);

#endif

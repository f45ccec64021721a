/* Calls to the server's /v1, as commands need them: JSON in, JSON out, files up and down, and patience while a server
 * starts again. Answers belong to the caller (CLEAN_JSON). One thread. Read next: http/client.h, docs/API.md. */
#ifndef SLIPWAY_CLI_API_H
#define SLIPWAY_CLI_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf;
struct client;
struct err;

struct api {
	struct client *client;
	char *server; /* its address */
	/* Since when no server answers, by the boot clock; 0: it does. See api_may_retry(). */
	int64_t gone_since_ms;
};

/* `server` NULL: place_server() finds it. Connects to nothing yet. */
int api_open(struct api **out, const char *server, struct err *e);
void api_free(struct api *a);

/* NULL on error. `what` is put before an error that the server gives: "job 7"; NULL = nothing. */
json_t *api_get(struct api *a, const char *path, const char *what, struct err *e);
json_t *api_post(struct api *a, const char *path, const struct buf *body, const char *what, struct err *e);
json_t *api_call(struct api *a, const char *method, const char *path, const char *what, struct err *e);

enum { API_PATIENCE_MS = 60000 };
/* After a call that may be repeated failed: is it worth another try? Says once on stderr that it waits, pauses a moment
 * (there is nothing to be woken by), and gives up after API_PATIENCE_MS without an answer. */
bool api_may_retry(struct api *a, const struct err *e);
/* A call succeeded: patience starts anew; says so if it was tried. */
void api_is_back(struct api *a);

/* Put a file into the store, unless it is there: its address and size. `path` is for messages. */
int api_upload(struct api *a, int fd, const char *path, char sha256[65], int64_t *size_bytes, struct err *e);

/* "7", "#7" or a range "7-9" of ids, appended to *ids (which grows; free() it). */
int api_parse_ids(const char *text, int64_t **ids, size_t *n, struct err *e);
/* Exactly one id. */
int api_parse_id(const char *text, int64_t *id, struct err *e);

#endif

/* The body that asks for a job, out of the options of submit, run and build: one way for all of them.
 *
 * inputs_add_*() upload files; then a body is begun, the kind's own fields are written by the command, the options are
 * added, and it is sent:
 *
 *   submission_begin(&s, api);  jw_key(&s.json, "argv"); …  submission_add_options(&s, args, e);  submission_send(&s, &id, e);
 *
 * One thread. Read next: model/submit.h for the body. */
#ifndef SLIPWAY_CLI_SUBMISSION_H
#define SLIPWAY_CLI_SUBMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "text/json.h"

struct api;
struct args;
struct err;

struct input {
	char *name; /* owned */
	char sha256[65];
	int64_t size_bytes;
	bool is_executable;
};

struct submission {
	struct api *api;
	struct buf body;
	struct json_writer json;
	struct input *inputs;
	size_t inputs_len, inputs_cap;
};

void submission_begin(struct submission *s, struct api *api);
void submission_release(struct submission *s);

/* Upload a file and give it to the job as `name`; a name given twice is refused. */
int submission_add_file(struct submission *s, const char *path, const char *name, struct err *e);
/* The same from a descriptor. */
int submission_add_fd(struct submission *s, int fd, const char *path, const char *name, bool is_executable,
		      struct err *e);
/* The words of the command line as the command to run. */
void submission_add_argv(struct submission *s, const struct args *a);
/* All that the job options say, and the inputs. */
int submission_add_options(struct submission *s, const struct args *a, struct err *e);
/* A text of names joined by commas, of all values of a repeated option, as an array of strings. */
void submission_add_names(struct submission *s, const struct args *a, const char *option, const char *key);
/* Closes the body and sends it. Says on stderr if the job was there already (--dedupe). */
int submission_send(struct submission *s, int64_t *id, struct err *e);

/* The time that --after means: RFC 3339, "+10m" or "10m" from `now_ms` on, "14:30" as the next one that comes (local). */
int submission_parse_time(const char *text, int64_t now_ms, int64_t *wall_ms, struct err *e);

#endif

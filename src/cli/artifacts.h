/* The artifacts of the job that the command line names: for artifacts and fetch. */
#ifndef SLIPWAY_CLI_ARTIFACTS_H
#define SLIPWAY_CLI_ARTIFACTS_H

#include <jansson.h>
#include <stdint.h>

struct cli;
struct err;

/* The first word is the job's number, --attempt says which attempt. The array, or NULL. */
json_t *artifacts_get(struct cli *c, int64_t *id, struct err *e);

#endif

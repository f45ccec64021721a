/* Jobs as rows of a table: what list and top show. One thread. */
#ifndef SLIPWAY_CLI_JOB_ROWS_H
#define SLIPWAY_CLI_JOB_ROWS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/table.h"

extern const struct table_column job_columns[];
extern const size_t job_columns_len;

/* A row of a table of job_columns. */
void job_rows_add(struct table *t, const json_t *job);
/* All of an array, to standard output. */
void job_rows_print(const json_t *jobs);
/* "failed (exit 7)", "running", "waiting (cancel asked)". */
const char *job_ending(const json_t *job, char *out, size_t size);
/* What it builds or is called: the build's source and version, or the name. */
const char *job_title(const json_t *job);
/* From its start to its end, or to now; -1: not started. */
int64_t job_took_ms(const json_t *job);

#endif

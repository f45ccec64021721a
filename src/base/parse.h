/* Numbers, durations and sizes out of text that people or files give. All of the text must be used up; a sign,
 * spaces or an overflow are errors. Each says in `e` what is wrong with `what`. Any thread. */
#ifndef SLIPWAY_BASE_PARSE_H
#define SLIPWAY_BASE_PARSE_H

#include <stdint.h>

struct err;

int parse_int(const char *what, const char *text, int64_t min, int64_t max, int64_t *out, struct err *e);
/* Seconds ("90"), or with a unit: "500ms" "90s" "15m" "2h" "1d". Gives milliseconds. */
int parse_duration(const char *what, const char *text, int64_t *ms, struct err *e);
/* Bytes, or with k, M, G, T (1024): "512M". */
int parse_size(const char *what, const char *text, int64_t *bytes, struct err *e);

#endif

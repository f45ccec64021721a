/* What the server's JSON says, for showing: fields that are absent, null or of another type are empty. And numbers,
 * times and sizes the way people read them. One thread. */
#ifndef SLIPWAY_CLI_FIELDS_H
#define SLIPWAY_CLI_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

const char *field_text(const json_t *o, const char *key); /* "" */
int64_t field_int(const json_t *o, const char *key);	  /* 0 */
bool field_has(const json_t *o, const char *key);	  /* there and not null */
bool field_bool(const json_t *o, const char *key);
/* Seconds, whole or not → milliseconds. */
int64_t field_ms(const json_t *o, const char *key);
/* RFC 3339 → wall milliseconds; 0: none. */
int64_t field_time(const json_t *o, const char *key);
/* The elements of an array; none if there is no array. */
size_t field_count(const json_t *o, const char *key);
const json_t *field_at(const json_t *o, const char *key, size_t i);

#define SHOW_BYTES 48
/* "14:03:22" today, "Nov 24 14:03" this year, else "2025-11-24"; local. "" for 0. */
const char *show_time(int64_t wall_ms, char out[SHOW_BYTES]);
/* The whole: "2025-11-24 14:03:22"; local. */
const char *show_date(int64_t wall_ms, char out[SHOW_BYTES]);
/* "0.25s", "12.3s", "3m12s", "2h05m", "3d04h". */
const char *show_duration(int64_t ms, char out[SHOW_BYTES]);
/* "512", "12.3K", "4.0M". */
const char *show_size(int64_t bytes, char out[SHOW_BYTES]);

/* JSON to standard output, indented; plain ASCII on a terminal. */
void show_json(const json_t *json);

#endif

/* JSON: strict reading on top of jansson, and a small writer that escapes.
 *
 * Reading refuses repeated keys, trailing text and invalid UTF-8. The getters give an error that names the field
 * and what it must be; a field that is absent or null gives the default. Strings borrow from the json_t.
 *
 * Writing appends to a buf; commas come by themselves. What is not valid UTF-8 is written with U+FFFD in place of
 * each bad byte, so the output is always valid JSON. Nothing is printed through a format. One thread per value. */
#ifndef SLIPWAY_TEXT_JSON_H
#define SLIPWAY_TEXT_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/base64.h"

struct buf;
struct err;

static inline void clean_json(json_t **j)
{
	json_decref(*j);
}
#define CLEAN_JSON __attribute__((cleanup(clean_json)))

/* NULL on error. `what` names the text in the error: "body", "line 3". Depth is limited by jansson (2048). */
json_t *json_parse(const char *what, const char *text, size_t len, struct err *e);

/* Getters on an object: 0 or -1. */
int json_get_str(const json_t *o, const char *key, const char *dflt, const char **out, struct err *e);
int json_get_int(const json_t *o, const char *key, int64_t min, int64_t max, int64_t dflt, int64_t *out,
		 struct err *e);
int json_get_bool(const json_t *o, const char *key, bool dflt, bool *out, struct err *e);
/* Seconds, whole or with fraction, not negative → milliseconds. */
int json_get_seconds(const json_t *o, const char *key, int64_t dflt_ms, int64_t *out_ms, struct err *e);
/* NULL in *out if absent; error if it is there and not an array / object. */
int json_get_array(const json_t *o, const char *key, const json_t **out, struct err *e);
int json_get_object(const json_t *o, const char *key, const json_t **out, struct err *e);
/* Refuse a field that is not in the NULL-terminated list. */
int json_check_fields(const json_t *o, const char *const *allowed, struct err *e);

struct json_writer {
	struct buf *out;
	bool needs_comma;
};
void jw_init(struct json_writer *w, struct buf *out);
void jw_begin_object(struct json_writer *w);
void jw_end_object(struct json_writer *w);
void jw_begin_array(struct json_writer *w);
void jw_end_array(struct json_writer *w);
void jw_key(struct json_writer *w, const char *key);
void jw_str(struct json_writer *w, const char *s); /* NULL → null */
void jw_strn(struct json_writer *w, const char *s, size_t n);
void jw_int(struct json_writer *w, int64_t v);
void jw_bool(struct json_writer *w, bool v);
void jw_null(struct json_writer *w);
/* Seconds with up to three digits of fraction. */
void jw_seconds(struct json_writer *w, int64_t ms);
/* RFC 3339 in UTC; 0 → null. */
void jw_time(struct json_writer *w, int64_t wall_ms);
/* A text that is JSON already. */
void jw_raw(struct json_writer *w, const char *json);
/* Base64 of bytes as a string. */
void jw_base64(struct json_writer *w, const void *bytes, size_t n);
/* key + value in one. */
void jw_kstr(struct json_writer *w, const char *key, const char *s);
void jw_kint(struct json_writer *w, const char *key, int64_t v);
void jw_kbool(struct json_writer *w, const char *key, bool v);
void jw_ktime(struct json_writer *w, const char *key, int64_t wall_ms);

#endif

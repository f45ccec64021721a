/* The grammars of the small names in a body. Pure; any thread. */
#ifndef SLIPWAY_MODEL_NAME_H
#define SLIPWAY_MODEL_NAME_H

#include <stdbool.h>
#include <stddef.h>

/* No control characters, at most `limit` bytes. */
bool name_is_line(const char *text, size_t limit);
/* What a job may call a file that is kept: a relative path that climbs nowhere, in UTF-8, without control characters, eight-bit ones
 * included, and without those that turn the direction of writing. */
bool name_is_artifact(const char *path);
/* [a-z0-9][a-z0-9.+-]*, at most 100 bytes: targets and architectures. */
bool name_is_target(const char *text);
/* [A-Za-z0-9][A-Za-z0-9._+-]*, at most 64 bytes. */
bool name_is_tag(const char *text);
/* [A-Za-z_][A-Za-z0-9_]*, at most 200 bytes. */
bool name_is_env(const char *text);

#endif

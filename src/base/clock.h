/* Time. Wall time is milliseconds since 1970 in UTC (what the database keeps and people read); intervals and
 * deadlines use the boot clock, which never steps and goes on while the machine sleeps. Any thread. */
#ifndef SLIPWAY_BASE_CLOCK_H
#define SLIPWAY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_wall_ms(void);
int64_t clock_boot_ms(void);
int64_t clock_boot_ns(void);
/* RFC 3339 in UTC with milliseconds, "2026-01-02T03:04:05.678Z"; `size` at least CLOCK_TEXT_BYTES. Gives out. */
#define CLOCK_TEXT_BYTES 32
char *clock_format(int64_t wall_ms, char *out, size_t size);
/* Reads what clock_format() writes, with or without fraction, with Z or an offset. 0 or -1. */
int clock_parse(const char *text, int64_t *wall_ms);

#endif

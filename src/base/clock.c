#include "base/clock.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MS_PER_S = 1000, NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

static int64_t read_ns(clockid_t id)
{
	struct timespec t = { 0 };
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
	return read_ns(CLOCK_REALTIME) / NS_PER_MS;
}

int64_t clock_boot_ms(void)
{
	return read_ns(CLOCK_BOOTTIME) / NS_PER_MS;
}

int64_t clock_boot_ns(void)
{
	return read_ns(CLOCK_BOOTTIME);
}

char *clock_format(int64_t wall_ms, char *out, size_t size)
{
	int64_t s = wall_ms / MS_PER_S, ms = wall_ms % MS_PER_S;
	if (ms < 0) {
		ms += MS_PER_S;
		s--;
	}
	time_t when = (time_t)s;
	struct tm tm;
	/* A year that has no four digits would not be RFC 3339: say the epoch rather than something unreadable. */
	if (!gmtime_r(&when, &tm) || tm.tm_year + 1900 < 0 || tm.tm_year + 1900 > 9999) {
		snprintf(out, size, "1970-01-01T00:00:00.000Z");
		return out;
	}
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
		 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)ms);
	return out;
}

/* Exactly `n` digits at *at, which moves on; -1 if they are not digits. */
static int take_digits(const char **at, int n)
{
	int value = 0;
	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return -1;
		value = value * 10 + (**at - '0');
	}
	return value;
}

static bool take_char(const char **at, const char *any_of)
{
	if (!**at || !strchr(any_of, **at))
		return false;
	(*at)++;
	return true;
}

/* "Z", or "+02:00" as minutes east of Greenwich. */
static int take_zone(const char **at, int *east_min)
{
	*east_min = 0;
	if (take_char(at, "Zz"))
		return 0;
	int sign = **at == '-' ? -1 : 1;
	if (!take_char(at, "+-"))
		return -1;
	int h = take_digits(at, 2);
	if (h < 0 || h > 23 || !take_char(at, ":"))
		return -1;
	int m = take_digits(at, 2);
	if (m < 0 || m > 59)
		return -1;
	*east_min = sign * (h * 60 + m);
	return 0;
}

/* ".678" as milliseconds; further digits are read and dropped. */
static int take_fraction(const char **at, int *ms)
{
	*ms = 0;
	if (!take_char(at, "."))
		return 0;
	int scale = 100;
	const char *start = *at;
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		*ms += (**at - '0') * scale;
		scale /= 10;
	}
	return *at == start ? -1 : 0;
}

static int take_date_time(const char **at, struct tm *tm)
{
	int y = take_digits(at, 4);
	if (y < 0 || !take_char(at, "-"))
		return -1;
	int mon = take_digits(at, 2);
	if (mon < 1 || mon > 12 || !take_char(at, "-"))
		return -1;
	int day = take_digits(at, 2);
	if (day < 1 || day > 31 || !take_char(at, "Tt "))
		return -1;
	int h = take_digits(at, 2);
	if (h < 0 || h > 23 || !take_char(at, ":"))
		return -1;
	int m = take_digits(at, 2);
	if (m < 0 || m > 59 || !take_char(at, ":"))
		return -1;
	int s = take_digits(at, 2);
	if (s < 0 || s > 60)
		return -1;
	*tm = (struct tm){
		.tm_year = y - 1900, .tm_mon = mon - 1, .tm_mday = day, .tm_hour = h, .tm_min = m, .tm_sec = s
	};
	return 0;
}

int clock_parse(const char *text, int64_t *wall_ms)
{
	const char *at = text;
	struct tm tm;
	int ms, east_min;
	if (take_date_time(&at, &tm) < 0 || take_fraction(&at, &ms) < 0 || take_zone(&at, &east_min) < 0 ||
	    *at)
		return -1;
	/* timegm() turns 31 April into 1 May: such a date is refused, asked for at midnight so that a leap second
	 * at the end of a day may roll over. */
	struct tm midnight = { .tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday };
	int day = tm.tm_mday;
	timegm(&midnight);
	if (midnight.tm_mday != day)
		return -1;
	int64_t s = timegm(&tm);
	*wall_ms = (s - (int64_t)east_min * 60) * MS_PER_S + ms;
	return 0;
}

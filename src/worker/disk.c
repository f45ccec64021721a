/* Room on the disk: looked at before work is asked for. With too little of it the cache gives what it can; if that is not
 * enough, nothing is asked for until somebody has made room. */
#include <sys/statvfs.h>

#include "base/clock.h"
#include "base/log.h"
#include "text/size.h"
#include "worker/worker_priv.h"

enum {
	LOOK_MS = 500, /* it does not change faster than that by much */
	AGAIN_MS = 1000,
	CACHE_SHARE = 4,    /* of the disk, if nobody said how much */
	RESERVE_SHARE = 50, /* the same, kept free … */
};
#define RESERVE_MAX ((int64_t)512 << 20) /* … but not more */

static int look(struct worker_loop *w)
{
	struct statvfs v;

	if (statvfs(w->options->work_dir, &v) < 0)
		return -1;
	w->disk.free_bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize;
	w->disk.total_bytes = (int64_t)v.f_blocks * (int64_t)v.f_frsize;
	w->disk.looked_ms = clock_boot_ms();
	return 0;
}

int64_t worker_min_free_bytes(int64_t disk_bytes)
{
	int64_t share = disk_bytes / RESERVE_SHARE;

	return share < RESERVE_MAX ? share : RESERVE_MAX;
}

void disk_open(struct worker_loop *w)
{
	if (look(w) < 0)
		return;
	w->disk.reserve_bytes = w->options->min_free_bytes;
	if (w->disk.reserve_bytes < 0)
		w->disk.reserve_bytes = worker_min_free_bytes(w->disk.total_bytes);
	w->disk.looked_ms = 0; /* what the cache can give was not asked for yet */
	w->cache.bound_bytes = w->options->cache_bytes < 0 ? w->disk.total_bytes / CACHE_SHARE
							   : w->options->cache_bytes;
}

static void say(struct worker_loop *w, bool is_low)
{
	char has[SIZE_TEXT_BYTES], needs[SIZE_TEXT_BYTES];

	w->disk.is_low = is_low;
	w->is_status_due = true;
	size_format(w->disk.free_bytes, has);
	size_format(w->disk.reserve_bytes, needs);
	if (is_low)
		log_line(LOG_LEVEL_WARN, "no work is taken: %s has %s free, less than %s (--min-free)",
			 w->options->work_dir, has, needs);
	else
		log_line(LOG_LEVEL_INFO, "work is taken again: %s has %s free", w->options->work_dir, has);
}

void disk_turn(struct worker_loop *w)
{
	int64_t now = clock_boot_ms();
	bool is_low;

	if (w->disk.reserve_bytes <= 0)
		return;
	if (now - w->disk.looked_ms >= (w->disk.is_low ? AGAIN_MS : LOOK_MS)) {
		look(w);
		if (w->disk.free_bytes < w->disk.reserve_bytes) {
			cache_trim(w, w->disk.reserve_bytes - w->disk.free_bytes);
			look(w);
		}
		is_low = w->disk.free_bytes < w->disk.reserve_bytes;
		if (is_low != w->disk.is_low)
			say(w, is_low);
	}
	if (w->disk.is_low)
		worker_wake_at(w, w->disk.looked_ms + AGAIN_MS);
}

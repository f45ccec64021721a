/* What the server shows of this worker: how busy its machine is, and how much room there is. It goes with calls that are made
 * anyway, once in a beat's time. */
#include <stdlib.h>

#include "base/clock.h"
#include "text/json.h"
#include "worker/worker_priv.h"

void status_write(struct worker_loop *w, struct json_writer *jw)
{
	int64_t now = clock_boot_ms();
	double load = 0;

	if (!w->is_status_due && w->status_ms && now - w->status_ms < w->beat_ms)
		return;
	w->status_ms = now;
	w->is_status_due = false;
	if (getloadavg(&load, 1) != 1)
		load = 0;
	jw_key(jw, "status");
	jw_begin_object(jw);
	jw_kint(jw, "load_percent", (int64_t)(load * 100));
	jw_kint(jw, "cache", cache_bytes(w));
	jw_kint(jw, "cache_max", w->cache.bound_bytes);
	jw_kint(jw, "disk_free", w->disk.free_bytes);
	jw_kint(jw, "disk_min", w->disk.reserve_bytes);
	jw_kbool(jw, "disk_low", w->disk.is_low);
	jw_end_object(jw);
}

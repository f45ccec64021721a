#include "model/lane.h"

#include <string.h>

#include "base/clean.h"

static const char *const states[] = {
	[WORKER_ACTIVE] = "active",
	[WORKER_DRAINING] = "draining",
	[WORKER_DISABLED] = "disabled",
};

const char *worker_state_name(enum worker_state s)
{
	return (unsigned)s < ARRAY_LEN(states) ? states[s] : NULL;
}

int worker_state_parse(const char *name)
{
	for (int s = WORKER_ACTIVE; s <= WORKER_DISABLED; s++)
		if (strcmp(states[s], name) == 0)
			return s;
	return -1;
}

bool worker_status_is_low(const char *status)
{
	return strstr(status, "\"disk_low\":true") != NULL;
}

/* Both lists are sorted, so one walk along both does. */
static bool has_tags(const char *wanted, const char *offered)
{
	while (*wanted) {
		size_t w = strcspn(wanted, ","), o = strcspn(offered, ",");
		if (!*offered)
			return false;
		if (w == o && memcmp(wanted, offered, w) == 0)
			wanted += w + (wanted[w] == ',');
		offered += o + (offered[o] == ',');
	}
	return true;
}

static bool is_in_zone(const char *zone, const char *zones)
{
	if (!zones || !*zones)
		return !*zone;
	if (!*zone)
		zone = "default";
	for (size_t n; *zones; zones += n + (zones[n] == ',')) {
		n = strcspn(zones, ",");
		if (strlen(zone) == n && memcmp(zones, zone, n) == 0)
			return true;
	}
	return false;
}

enum lane_misfit lane_match(const struct lane *l, const struct worker *w)
{
	if (!w->is_online)
		return LANE_OFFLINE;
	if (w->state != WORKER_ACTIVE)
		return LANE_STATE;
	if (w->quarantine && w->quarantine[0])
		return LANE_QUARANTINED;
	if (w->is_disk_low)
		return LANE_DISK;
	if (!(w->isolations & 1u << l->isolation))
		return LANE_ISOLATION;
	if (l->arch[0] && strcmp(l->arch, w->arch) != 0)
		return LANE_ARCH;
	if (!has_tags(l->tags, w->tags))
		return LANE_TAGS;
	if (w->demands && !has_tags(w->demands, l->tags))
		return LANE_DEMANDS;
	if (!is_in_zone(l->zone ? l->zone : "", w->zones))
		return LANE_ZONE;
	return LANE_FITS;
}

const char *lane_misfit_text(enum lane_misfit m)
{
	static const char *const texts[] = {
		[LANE_FITS] = "fits",
		[LANE_STATE] = "takes no new jobs (draining or disabled)",
		[LANE_OFFLINE] = "is offline",
		[LANE_QUARANTINED] = "is in quarantine",
		[LANE_DISK] = "has too little room on its disk",
		[LANE_ISOLATION] = "does not offer this isolation",
		[LANE_ARCH] = "has another architecture",
		[LANE_TAGS] = "lacks a tag",
		[LANE_DEMANDS] = "takes only jobs that ask for its own tag",
		[LANE_ZONE] = "is in another trust zone",
	};
	return (unsigned)m < ARRAY_LEN(texts) ? texts[m] : "does not fit";
}

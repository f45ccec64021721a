#include "model/limits.h"

#include <string.h>

#include "model/job.h"

#define ROW(name, field, unit, tag)                                  \
	{                                                            \
		name, offsetof(struct job_limits, field), unit, tag, \
	}

const struct limit_row limit_rows[LIMITS] = {
	ROW("memory", memory_bytes, LIMIT_BYTES, "limit-memory"),
	ROW("pids", pids, LIMIT_NUMBER, "limit-pids"),
	ROW("log", log_bytes, LIMIT_BYTES, NULL),
	ROW("disk", disk_bytes, LIMIT_BYTES, NULL),
	ROW("inodes", inodes, LIMIT_NUMBER, NULL),
	ROW("cpu", cpu_ms, LIMIT_TIME, "limit-cpu"),
	ROW("files", files, LIMIT_NUMBER, NULL),
	ROW("artifacts", artifacts, LIMIT_NUMBER, NULL),
	ROW("artifact_bytes", artifact_bytes, LIMIT_BYTES, NULL),
	ROW("artifact_depth", artifact_depth, LIMIT_NUMBER, NULL),
	ROW("log_rate", log_rate_bytes, LIMIT_BYTES, NULL),
};

const struct limit_row *limit_find(const char *name, size_t len)
{
	for (size_t i = 0; i < LIMITS; i++)
		if (strlen(limit_rows[i].name) == len && memcmp(limit_rows[i].name, name, len) == 0)
			return &limit_rows[i];
	return NULL;
}

int64_t limit_get(const struct job_limits *l, const struct limit_row *row)
{
	int64_t v;
	memcpy(&v, (const char *)l + row->offset, sizeof v);
	return v;
}

void limit_set(struct job_limits *l, const struct limit_row *row, int64_t value)
{
	memcpy((char *)l + row->offset, &value, sizeof value);
}

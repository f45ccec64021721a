#include "model/logfile.h"

#include <inttypes.h>
#include <stdio.h>

char *log_file_name(int64_t job, int attempt, char out[LOG_FILE_NAME_BYTES])
{
	snprintf(out, LOG_FILE_NAME_BYTES, "%" PRId64 ".%d", job, attempt);
	return out;
}

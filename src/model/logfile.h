/* The file name of an attempt's log in a folder of logs, the same for the one who writes and the one who reads. */
#ifndef SLIPWAY_MODEL_LOGFILE_H
#define SLIPWAY_MODEL_LOGFILE_H

#include <stdint.h>

#define LOG_FILE_NAME_BYTES 40

/* "JOB.ATTEMPT". Gives out. */
char *log_file_name(int64_t job, int attempt, char out[LOG_FILE_NAME_BYTES]);

#endif

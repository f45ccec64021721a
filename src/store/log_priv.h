/* Between the reading, writing and sealing of logs. */
#ifndef SLIPWAY_STORE_LOG_PRIV_H
#define SLIPWAY_STORE_LOG_PRIV_H

#include "model/logfile.h"
#include "store/logs.h"
#include "store/store_priv.h"

#define LOG_SEALED_NAME_BYTES (LOG_FILE_NAME_BYTES + 4)

char *log_sealed_name(int64_t job, int attempt, char out[LOG_SEALED_NAME_BYTES]);
/* The lock of a job's logs. */
pthread_mutex_t *log_stripe(struct logs *l, int64_t job);

#endif

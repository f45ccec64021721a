/* The statements of store_check(): each gives a job's number (or another) for each row that breaks a rule. */
#ifndef SLIPWAY_STORE_CHECK_PRIV_H
#define SLIPWAY_STORE_CHECK_PRIV_H

#define CHECK_STATEMENTS
#endif

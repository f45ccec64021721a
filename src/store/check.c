#include "store/check.h"

#include "store/store_priv.h"

int store_check(struct tx *tx, void (*found)(void *ctx, const char *text), void *ctx, int *violations,
		struct err *e)
{
	*violations = 0;
	return 0;
}

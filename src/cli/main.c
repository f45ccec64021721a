#include <stdio.h>

int main(void)
{
	fputs("usage: slipway COMMAND [ARGUMENT…]\n", stderr);
	return 2;
}

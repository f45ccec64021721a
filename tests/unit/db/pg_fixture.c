/* The fixture of the contract's tests. */
#include "contract/pg_fixture.c"

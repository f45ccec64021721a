/* The fixture of the contract's tests, for those that know which database it is. */
#include "contract/pg_fixture.c"

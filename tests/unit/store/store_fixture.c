/* The fixture of the contract's tests, for those that know it is SQLite. */
#include "contract/store_fixture.c"

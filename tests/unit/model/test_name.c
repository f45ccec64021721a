#include "test.h"

#include "base/clean.h"
#include "model/name.h"

static void test_names_of_artifacts(void **state)
{
	static const char *const good[] = { "a.deb",  "logs/x", "...",	    "-rf",    ".hidden",
					    "%2e%2e", "..\\x",	"$(x)`y`;", "größe €" };
	static const char *const bad[] = { "",
					   "..",
					   "../x",
					   "/x",
					   "a//b",
					   "a/",
					   "a\nb",
					   "a\033[2Jb",
					   "a\177b",
					   "a\377b",
					   "a\xc2\x9b"
					   "b",
					   "\xe2\x80\xae"
					   "gnp.exe",
					   "a\xe2\x81\xa6",
					   "a\xe2\x82" };
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!name_is_artifact(good[i]))
			fail_msg("%s is refused", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (name_is_artifact(bad[i]))
			fail_msg("number %zu is taken", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_artifacts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The text of a token; roles. */
#include "test.h"

#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "model/role.h"
#include "model/token.h"

static void test_there_and_back(void **state)
{
	struct token_text t = { "", "" }, back;
	char text[TOKEN_TEXT_BYTES];
	struct err e = ERR_INIT;
	assert_int_equal(random_hex(t.secret, RANDOM_TOKEN_BYTES, &e), 0);
	token_format(&t, text);
	assert_int_equal(strlen(text), 4 + 64);
	assert_int_equal(token_parse(text, &back, &e), 0);
	assert_memory_equal(&back, &t, sizeof t);
	assert_int_equal(random_hex(t.fingerprint, RANDOM_TOKEN_BYTES, &e), 0);
	token_format(&t, text);
	assert_int_equal(strlen(text), TOKEN_TEXT_BYTES - 1);
	assert_int_equal(token_parse(text, &back, &e), 0);
	assert_string_equal(back.secret, t.secret);
	assert_string_equal(back.fingerprint, t.fingerprint);
}

static void test_what_is_none(void **state)
{
	struct token_text t = { "", "" }, back;
	char text[TOKEN_TEXT_BYTES + 1], cut[TOKEN_TEXT_BYTES + 1];
	assert_int_equal(random_hex(t.secret, RANDOM_TOKEN_BYTES, NULL), 0);
	assert_int_equal(random_hex(t.fingerprint, RANDOM_TOKEN_BYTES, NULL), 0);
	token_format(&t, text);
	/* Every part of it but the one that is a whole token without a fingerprint. */
	for (size_t n = 0; n < strlen(text); n++) {
		struct err e = ERR_INIT;
		snprintf(cut, sizeof cut, "%.*s", (int)n, text);
		assert_int_equal(token_parse(cut, &back, &e), n == 4 + 64 ? 0 : -1);
		/* What is wrong with a secret does not show it. */
		assert_null(n > 20 ? strstr(e.text, cut + 4) : NULL);
	}
	for (size_t i = 0; text[i]; i++) {
		snprintf(cut, sizeof cut, "%s", text);
		cut[i] = 'X';
		assert_int_equal(token_parse(cut, &back, NULL), -1);
	}
}

static void test_what_is_not_allowed_is_denied(void **state)
{
	for (int a = 0; a < ACCESSES; a++) {
		assert_int_equal(role_may(ROLE_NOBODY, (enum access)a), a == ACCESS_OPEN);
		assert_true(role_may(ROLE_ADMIN, (enum access)a) == (a != ACCESS_JOIN));
		assert_false(role_may((enum role)ROLES, (enum access)a));
		assert_false(role_may((enum role) - 1, (enum access)a));
	}
	assert_false(role_may(ROLE_ADMIN, (enum access)ACCESSES));
	for (int r = 0; r < ROLES; r++)
		assert_int_equal(role_parse(role_name((enum role)r)), r);
	assert_int_equal(role_parse("root"), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_what_is_not_allowed_is_denied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "text/json.h"

static json_t *parse(const char *text, struct err *e)
{
	return json_parse("body", text, strlen(text), e);
}

static void test_refuses_what_is_not_one_value(void **state)
{
	static const char *const bad[] = {
		"",	    "{",   "{} {}",   "{\"a\":1,\"a\":2}", "[1,]", "{\"a\":\"\\u0000\"}",
		"\"\xff\"", "nul", "{\"a\"}", "\"\xed\xa0\x80\""
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err e = ERR_INIT;
		assert_null(parse(bad[i], &e));
		assert_int_equal(e.code, ERR_INVALID);
		assert_non_null(strstr(e.text, "body: not valid JSON"));
	}
}

static void test_depth_is_limited(void **state)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	for (int i = 0; i < 100000; i++)
		buf_addc(&b, '[');
	assert_null(json_parse("body", b.data, b.len, NULL));
}

static void test_getters_name_the_field(void **state)
{
	struct err e = ERR_INIT;
	CLEAN_JSON json_t *o = parse("{\"s\":1,\"i\":2.5,\"b\":\"yes\",\"t\":-1,\"a\":{},\"o\":[],\"n\":7}",
				     &e);
	const char *s;
	int64_t i;
	bool b;
	const json_t *v;
	assert_int_equal(json_get_str(o, "s", "", &s, &e), -1);
	assert_string_equal(e.text, "s: must be a string");
	assert_int_equal(json_get_int(o, "i", 0, 9, 0, &i, &e), -1);
	assert_string_equal(e.text, "i: must be a whole number between 0 and 9");
	assert_int_equal(json_get_int(o, "n", 0, 6, 0, &i, &e), -1);
	assert_int_equal(json_get_bool(o, "b", false, &b, &e), -1);
	assert_int_equal(json_get_seconds(o, "t", 0, &i, &e), -1);
	assert_int_equal(json_get_array(o, "a", &v, &e), -1);
	assert_int_equal(json_get_object(o, "o", &v, &e), -1);
}

static void test_absent_and_null_give_the_default(void **state)
{
	CLEAN_JSON json_t *o = parse("{\"x\":null}", NULL);
	const char *s;
	int64_t i;
	bool b;
	const json_t *v = o;
	assert_int_equal(json_get_str(o, "x", "d", &s, NULL), 0);
	assert_string_equal(s, "d");
	assert_int_equal(json_get_int(o, "y", 0, 9, 5, &i, NULL), 0);
	assert_int_equal(i, 5);
	assert_int_equal(json_get_bool(o, "y", true, &b, NULL), 0);
	assert_true(b);
	assert_int_equal(json_get_array(o, "x", &v, NULL), 0);
	assert_null(v);
}

static void test_seconds(void **state)
{
	CLEAN_JSON json_t *o = parse("{\"a\":90,\"b\":0.25,\"c\":1e300}", NULL);
	int64_t ms;
	assert_int_equal(json_get_seconds(o, "a", 0, &ms, NULL), 0);
	assert_int_equal(ms, 90000);
	assert_int_equal(json_get_seconds(o, "b", 0, &ms, NULL), 0);
	assert_int_equal(ms, 250);
	assert_int_equal(json_get_seconds(o, "c", 0, &ms, NULL), -1);
}

static void test_fields(void **state)
{
	static const char *const allowed[] = { "a", "b", NULL };
	struct err e = ERR_INIT;
	CLEAN_JSON json_t *o = parse("{\"a\":1,\"b\":2}", NULL);
	CLEAN_JSON json_t *p = parse("{\"a\":1,\"priorty\":2}", NULL);
	CLEAN_JSON json_t *q = parse("[]", NULL);
	assert_int_equal(json_check_fields(o, allowed, &e), 0);
	assert_int_equal(json_check_fields(p, allowed, &e), -1);
	assert_string_equal(e.text, "unknown field \"priorty\"");
	assert_int_equal(json_check_fields(q, allowed, &e), -1);
}

static void test_writer(void **state)
{
	CLEAN_BUF struct buf b = BUF_INIT;
	struct json_writer w;
	jw_init(&w, &b);
	jw_begin_object(&w);
	jw_kstr(&w, "a\"b", "x\n\t\r\\\x01\x7f/é");
	jw_kint(&w, "min", INT64_MIN);
	jw_kint(&w, "max", INT64_MAX);
	jw_kbool(&w, "yes", true);
	jw_kstr(&w, "none", NULL);
	jw_ktime(&w, "never", 0);
	jw_ktime(&w, "then", 1767323045678);
	jw_key(&w, "list");
	jw_begin_array(&w);
	jw_seconds(&w, 1500);
	jw_seconds(&w, 7);
	jw_seconds(&w, 60000);
	jw_begin_object(&w);
	jw_end_object(&w);
	jw_base64(&w, "ab\xff", 3);
	jw_raw(&w, "{\"r\":1}");
	jw_end_array(&w);
	jw_end_object(&w);
	assert_string_equal(b.data,
			    "{\"a\\\"b\":\"x\\n\\t\\r\\\\\\u0001\\u007f/é\",\"min\":-9223372036854775808,"
			    "\"max\":9223372036854775807,\"yes\":true,\"none\":null,\"never\":null,"
			    "\"then\":\"2026-01-02T03:04:05.678Z\",\"list\":[1.5,0.007,60,{},\"YWL/\","
			    "{\"r\":1}]}");
	CLEAN_JSON json_t *back = json_parse("own", b.data, b.len, NULL);
	assert_non_null(back);
}

static void test_bad_bytes_become_valid(void **state)
{
	static const char bytes[] = "a\xff\xc3(\xe2\x82\xed\xa0\x80\xf5z";
	CLEAN_BUF struct buf b = BUF_INIT;
	struct json_writer w;
	jw_init(&w, &b);
	jw_strn(&w, bytes, sizeof bytes); /* with its NUL */
	CLEAN_JSON json_t *bad = json_parse("own", b.data, b.len, NULL);
	assert_null(bad); /* the NUL is refused by the reader alone */
	buf_reset(&b);
	jw_init(&w, &b);
	jw_str(&w, bytes);
	CLEAN_JSON json_t *back = json_parse("own", b.data, b.len, NULL);
	assert_non_null(back);
	assert_string_equal(json_string_value(back), "a\uFFFD\uFFFD(\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFDz");
}

static void test_base64(void **state)
{
	static const struct {
		const char *plain, *coded;
	} pairs[] = { { "", "" },
		      { "f", "Zg==" },
		      { "fo", "Zm8=" },
		      { "foo", "Zm9v" },
		      { "foob", "Zm9vYg==" },
		      { "fooba", "Zm9vYmE=" },
		      { "foobar", "Zm9vYmFy" } };
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		CLEAN_BUF struct buf b = BUF_INIT;
		size_t n;
		base64_encode(pairs[i].plain, strlen(pairs[i].plain), &b);
		assert_string_equal(b.data, pairs[i].coded);
		char *back = base64_decode(pairs[i].coded, &n);
		assert_int_equal(n, strlen(pairs[i].plain));
		assert_string_equal(back, pairs[i].plain);
		free(back);
	}
}

static void test_base64_refuses(void **state)
{
	static const char *const bad[] = { "Z",	   "Zg",   "Zg=",      "Zh==", "Zm9=",
					   "====", "Z===", "Zg==Zg==", "Zm 9", "Zm9\n" };
	size_t n;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_null(base64_decode(bad[i], &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refuses_what_is_not_one_value),
		cmocka_unit_test(test_depth_is_limited),
		cmocka_unit_test(test_getters_name_the_field),
		cmocka_unit_test(test_absent_and_null_give_the_default),
		cmocka_unit_test(test_seconds),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_writer),
		cmocka_unit_test(test_bad_bytes_become_valid),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

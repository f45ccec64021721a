#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/submit.h"
#include "text/json.h"

#define SUM "170a6e68730d9bd6642fbdb657ad5a6dd13b4eee1b21ae02106e9c1724e6542c"

static int decode(const char *text, int line, struct arena *a, struct job_new *out, struct err *e)
{
	CLEAN_JSON json_t *body = json_parse("body", text, strlen(text), e);
	return body ? submit_decode(body, line, a, out, e) : -1;
}

static void test_defaults(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct job_new n;
	struct payload p;
	assert_int_equal(decode("{\"argv\":[\"/bin/true\",\"x\"]}", 0, &a, &n, NULL), 0);
	assert_int_equal(n.kind, KIND_COMMAND);
	assert_string_equal(n.name, "true");
	assert_string_equal(n.owner, "");
	assert_int_equal(n.max_attempts, 1);
	assert_int_equal(n.isolation, ISOLATION_NONE);
	assert_string_equal(n.tags, "");
	assert_string_equal(n.arch, "");
	assert_string_equal(n.payload, "{\"argv\":[\"/bin/true\",\"x\"]}");
	assert_int_equal(payload_decode(n.payload, &a, &p, NULL), 0);
	assert_string_equal(p.argv[1], "x");
	assert_null(p.argv[2]);
	assert_null(p.detail);
}

static void test_everything(void **state)
{
	static const char body[] =
		"{\"argv\":[\"make\"],\"kind\":\"command\",\"name\":\"n\",\"priority\":-5,\"needs\":[9,\"#3\",9],"
		"\"run_at\":\"2026-01-02T03:04:05Z\",\"timeout\":1.5,\"silence\":60,\"max_attempts\":3,\"retry_delay\":2,"
		"\"limits\":{\"memory\":1048576,\"cpu\":0.5},\"env\":{\"A\":\"1\",\"_b\":\"\"},"
		"\"inputs\":[{\"name\":\"d/f\",\"sha256\":\"" SUM
		"\",\"size\":7,\"mode\":\"0755\"}],\"collect\":[\"*.deb\"],"
		"\"target\":\"bookworm-amd64\",\"arch\":\"amd64\",\"tags\":[\"b\",\"a\",\"b\"],\"dedupe\":\"k\","
		"\"owner\":\"o\",\"suspended\":true}";
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct job_new n;
	struct payload p;
	struct err e = ERR_INIT;
	assert_int_equal(decode(body, 7, &a, &n, &e), 0);
	assert_int_equal(n.priority, -5);
	assert_int_equal(n.needs_len, 2);
	assert_int_equal(n.needs[0], -3);
	assert_int_equal(n.needs[1], 9);
	assert_int_equal(n.run_at_ms, INT64_C(1767323045000));
	assert_int_equal(n.timeout_ms, 1500);
	assert_int_equal(n.retry_delay_ms, 2000);
	assert_string_equal(n.tags, "a,b");
	assert_int_equal(n.isolation, ISOLATION_CHROOT);
	assert_true(n.is_suspended);
	assert_int_equal(payload_decode(n.payload, &a, &p, &e), 0);
	assert_int_equal(p.limits.memory_bytes, 1048576);
	assert_int_equal(p.limits.cpu_ms, 500);
	assert_int_equal(p.env_len, 2);
	assert_int_equal(p.inputs[0].mode, 0755);
	assert_string_equal(p.inputs[0].sha256, SUM);
	assert_string_equal(p.collect[0], "*.deb");
	assert_string_equal(payload_encode(&p, &a), n.payload);
}

static void test_own_objects(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct job_new n;
	struct payload p;
	assert_int_equal(decode("{\"kind\":\"recipe\",\"recipe\":{\"text\":\"# x\",\"targets\":[\"t\"]}}", 0,
				&a, &n, NULL),
			 0);
	assert_string_equal(n.recipe_text, "# x");
	assert_int_equal(payload_decode(n.payload, &a, &p, NULL), 0);
	assert_string_equal(p.detail, "{\"targets\":[\"t\"]}");
	assert_int_equal(decode("{\"kind\":\"build\",\"build\":{\"type\":\"deb\",\"source\":\"s\"}}", 0, &a,
				&n, NULL),
			 0);
	assert_string_equal(n.build.type, "deb");
	assert_string_equal(n.build.source, "s");
}

static const struct {
	const char *body, *error;
} refused[] = {
	{ "[]", "must be an object" },
	{ "{}", "argv: missing" },
	{ "{\"argv\":[]}", "argv: missing" },
	{ "{\"argv\":[\"\"]}", "argv: missing" },
	{ "{\"argv\":[1]}", "argv: number 1: must be a string" },
	{ "{\"argv\":\"true\"}", "argv: must be an array" },
	{ "{\"argv\":[\"a\"],\"prio\":1}", "unknown field \"prio\"" },
	{ "{\"argv\":[\"a\"],\"kind\":\"no\"}", "kind: there is no kind \"no\"" },
	{ "{\"argv\":[\"a\"],\"build\":{}}", "build: is for jobs of kind build only" },
	{ "{\"kind\":\"build\"}", "build: missing" },
	{ "{\"argv\":[\"a\"],\"priority\":1001}", "priority: must be a whole number between -1000 and 1000" },
	{ "{\"argv\":[\"a\"],\"priority\":1.5}", "priority: must be a whole number between -1000 and 1000" },
	{ "{\"argv\":[\"a\"],\"max_attempts\":0}",
	  "max_attempts: must be a whole number between 1 and 1000" },
	{ "{\"argv\":[\"a\"],\"timeout\":-1}", "timeout: must be a number of seconds, not negative" },
	{ "{\"argv\":[\"a\"],\"retry_delay\":90000}", "retry_delay: must be at most 86400 seconds" },
	{ "{\"argv\":[\"a\"],\"run_at\":\"tomorrow\"}", "run_at: must be a time like 2026-01-02T03:04:05Z" },
	{ "{\"argv\":[\"a\"],\"needs\":[0]}",
	  "needs: number 1: must be the number of a job, or \"#n\" for a line of the batch" },
	{ "{\"argv\":[\"a\"],\"needs\":[\"#1\"]}",
	  "needs: number 1: \"#n\" names a line of a batch; this is not a batch" },
	{ "{\"argv\":[\"a\"],\"limits\":{\"ram\":1}}", "limits: unknown field \"ram\"" },
	{ "{\"argv\":[\"a\"],\"limits\":{\"pids\":-1}}",
	  "limits: pids: must be a whole number between 0 and 9007199254740991" },
	{ "{\"argv\":[\"a\"],\"env\":{\"1A\":\"\"}}",
	  "env: a name must be letters, digits and '_', not \"1A\"" },
	{ "{\"argv\":[\"a\"],\"env\":{\"A\":1}}", "env: A: must be a string" },
	{ "{\"argv\":[\"a\"],\"env\":{\"SLIPWAY_JOB\":\"1\"}}",
	  "env: SLIPWAY_JOB: names that begin with SLIPWAY_ are Slipway's" },
	{ "{\"argv\":[\"a\"],\"collect\":[\"../*\"]}",
	  "collect: number 1: must be a pattern for files under SLIPWAY_OUT" },
	{ "{\"argv\":[\"a\"],\"isolation\":\"jail\"}", "isolation: must be none, chroot or vm" },
	{ "{\"argv\":[\"a\"],\"target\":\"Bookworm\"}",
	  "target: must be lower-case letters, digits, '.', '+' and '-', at most 100" },
	{ "{\"argv\":[\"a\"],\"tags\":[\"a,b\"]}",
	  "tags: number 1: must be letters, digits, '.', '_', '+' and '-', at most 64" },
	{ "{\"argv\":[\"a\"],\"name\":\"a\\nb\"}",
	  "name: must be at most 200 bytes without control characters" },
	{ "{\"argv\":[\"a\"],\"owner\":\"\\u001b[31m\"}",
	  "owner: must be at most 100 bytes without control characters" },
	{ "{\"argv\":[\"a\"],\"suspended\":1}", "suspended: must be true or false" },
	{ "{\"kind\":\"recipe\",\"recipe\":{\"targets\":[]}}", "recipe: text: missing" },
};

static void test_refuses(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct job_new n;
		struct err e = ERR_INIT;
		assert_int_equal(decode(refused[i].body, 0, &a, &n, &e), -1);
		assert_int_equal(e.code, ERR_INVALID);
		assert_string_equal(e.text, refused[i].error);
	}
}

static void test_batch_errors_name_the_line(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct job_new n;
	struct err e = ERR_INIT;
	assert_int_equal(decode("{\"argv\":[\"a\"],\"needs\":[\"#4\"]}", 4, &a, &n, &e), -1);
	assert_string_equal(e.text, "line 4: needs: number 1: a job cannot need itself");
	assert_int_equal(decode("{\"argv\":[\"a\"],\"needs\":[\"#5\"]}", 4, &a, &n, &e), 0);
}

static void refuse_input(const char *name, bool twice)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf b = BUF_INIT;
	struct job_new n;
	struct err e = ERR_INIT;
	buf_adds(&b, "{\"argv\":[\"a\"],\"inputs\":[");
	for (int i = 0; i < (twice ? 2 : 1); i++)
		buf_addf(&b, "%s{\"name\":\"%s\",\"sha256\":\"" SUM "\",\"size\":1}", i ? "," : "", name);
	buf_adds(&b, "]}");
	assert_int_equal(decode(b.data, 0, &a, &n, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
}

static void test_input_names(void **state)
{
	static const char *const bad[] = { "",	    "/etc/passwd", "../x",  "a/../b",	   "a//b",  "out",
					   "out/x", ".type/x",	   ".type", "result.json", "a\\nb", "." };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refuse_input(bad[i], false);
	refuse_input("fine", true);
}

static void test_words_that_could_not_be_started(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf b = BUF_INIT;
	struct job_new n;
	struct err e = ERR_INIT;
	buf_adds(&b, "{\"argv\":[\"");
	for (int i = 0; i < 131072; i++)
		buf_addc(&b, 'x');
	buf_adds(&b, "\"]}");
	assert_int_equal(decode(b.data, 0, &a, &n, &e), -1);
	assert_string_equal(e.text, "argv: number 1: longer than 131071 bytes");
}

static void test_name_of_a_strange_program(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct job_new n;
	assert_int_equal(decode("{\"argv\":[\"/x/a\\nb\"]}", 0, &a, &n, NULL), 0);
	assert_string_equal(n.name, "a?b");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_everything),
		cmocka_unit_test(test_own_objects),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_batch_errors_name_the_line),
		cmocka_unit_test(test_input_names),
		cmocka_unit_test(test_words_that_could_not_be_started),
		cmocka_unit_test(test_name_of_a_strange_program),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

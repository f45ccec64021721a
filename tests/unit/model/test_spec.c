#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/spec.h"
#include "text/json.h"

#define SUM "170a6e68730d9bd6642fbdb657ad5a6dd13b4eee1b21ae02106e9c1724e6542c"

static const char *const argv[] = { ".type/build", "--all", "", NULL };
static const char *const collect[] = { "*.deb", NULL };
static const struct env_var env[] = { { "A", "1\n2" }, { "B", "" } };
static const struct spec_step steps[] = {
	{ .name = "unpack", .argv = argv, .reason = REASON_INPUT, .timeout_ms = 1500 },
	{ .name = "build",
	  .argv = argv,
	  .user = USER_ROOT,
	  .network = NETWORK_MIRROR,
	  .reason = REASON_EXIT,
	  .is_always = true },
};

static void test_spec_comes_back(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf first = BUF_INIT, second = BUF_INIT;
	struct job_input input = { .name = "f", .sha256 = SUM, .size_bytes = 9, .mode = 0755 };
	struct spec in = { .job = INT64_C(1) << 40,
			   .attempt = 3,
			   .name = "é \"q\"",
			   .isolation = ISOLATION_CHROOT,
			   .target = "bookworm-amd64",
			   .image = SUM,
			   .hostname = "slipway",
			   .scratch = SCRATCH_DISK,
			   .inputs = &input,
			   .inputs_len = 1,
			   .env = env,
			   .env_len = 2,
			   .steps = steps,
			   .steps_len = 2,
			   .collect = collect,
			   .is_collecting_failed = true,
			   .limits = { .memory_bytes = 1, .cpu_ms = 2500, .artifact_bytes = 7 },
			   .timeout_ms = 60000,
			   .silence_ms = 1,
			   .grace_ms = 10000 };
	struct spec out;
	struct err e = ERR_INIT;
	spec_encode(&in, &first);
	CLEAN_JSON json_t *json = json_parse("spec", first.data, first.len, &e);
	assert_non_null(json);
	assert_int_equal(spec_decode(json, &a, &out, &e), 0);
	assert_int_equal(out.job, in.job);
	assert_int_equal(out.steps[1].user, USER_ROOT);
	assert_int_equal(out.steps[0].reason, REASON_INPUT);
	assert_int_equal(out.steps[0].timeout_ms, 1500);
	assert_string_equal(out.env[0].value, "1\n2");
	assert_string_equal(out.steps[1].argv[2], "");
	assert_int_equal(out.inputs[0].mode, 0755);
	assert_int_equal(out.limits.cpu_ms, 2500);
	/* All the rest at once: what came back says the same. */
	spec_encode(&out, &second);
	assert_string_equal(first.data, second.data);
}

static void test_spec_refuses(void **state)
{
	static const struct {
		const char *json, *error;
	} cases[] = {
		{ "[]", "spec: must be an object" },
		{ "{\"attempt\":1,\"isolation\":\"none\",\"steps\":[{\"argv\":[\"a\"]}]}",
		  "spec: job: missing" },
		{ "{\"job\":1,\"attempt\":1,\"isolation\":\"none\"}", "spec: steps: missing" },
		{ "{\"job\":1,\"attempt\":1,\"isolation\":\"none\",\"steps\":[{}]}",
		  "spec: steps: number 1: argv: missing" },
		{ "{\"job\":1,\"attempt\":1,\"isolation\":\"x\",\"steps\":[{\"argv\":[\"a\"]}]}",
		  "spec: isolation: unknown value" },
		{ "{\"job\":1,\"attempt\":1,\"isolation\":\"none\",\"image\":\"../x\",\"steps\":[{\"argv\":[\"a\"]}]}",
		  "spec: image: must be 64 hexadecimal digits" },
		{ "{\"job\":1,\"attempt\":1,\"isolation\":\"none\",\"steps\":[{\"argv\":[\"a\"],\"user\":\"me\"}]}",
		  "spec: steps: number 1: user: unknown value" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct spec s;
		struct err e = ERR_INIT;
		CLEAN_JSON json_t *json = json_parse("spec", cases[i].json, strlen(cases[i].json), &e);
		assert_int_equal(spec_decode(json, &a, &s, &e), -1);
		assert_string_equal(e.text, cases[i].error);
	}
}

static void test_spec_from_a_newer_server(void **state)
{
	static const char text[] = "{\"job\":1,\"attempt\":1,\"isolation\":\"none\",\"new\":{},"
				   "\"steps\":[{\"argv\":[\"a\"],\"nice\":3}]}";
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct spec s;
	CLEAN_JSON json_t *json = json_parse("spec", text, strlen(text), NULL);
	assert_int_equal(spec_decode(json, &a, &s, NULL), 0);
	assert_int_equal(s.steps[0].reason, REASON_EXIT);
	assert_string_equal(s.steps[0].name, "");
}

static void test_outcome_comes_back(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf first = BUF_INIT, second = BUF_INIT;
	struct artifact file = { .job = 7, .attempt = 2, .name = "x.deb", .sha256 = SUM, .size_bytes = 3 };
	struct outcome in = { .job = 7,
			      .attempt = 2,
			      .outcome = OUTCOME_FAILED,
			      .reason = REASON_TIMEOUT,
			      .step = "build",
			      .detail = "d",
			      .exit_code = -1,
			      .signal = 9,
			      .usage = { 1, 2, 3, 4 },
			      .log_bytes = 5,
			      .is_log_truncated = true,
			      .log = "a\0b\xff\n",
			      .log_len = 5,
			      .result = "{\"version\":\"1\"}",
			      .artifacts = &file,
			      .artifacts_len = 1 };
	struct outcome out;
	struct err e = ERR_INIT;
	outcome_encode(&in, &first);
	CLEAN_JSON json_t *json = json_parse("outcome", first.data, first.len, &e);
	assert_int_equal(outcome_decode(json, &a, &out, &e), 0);
	assert_int_equal(out.exit_code, -1);
	assert_int_equal(out.log_len, 5);
	assert_memory_equal(out.log, "a\0b\xff\n", 5);
	assert_string_equal(out.artifacts[0].name, "x.deb");
	assert_int_equal(out.artifacts[0].attempt, 2);
	outcome_encode(&out, &second);
	assert_string_equal(first.data, second.data);
}

static void test_outcome_exit_code_zero_is_told(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf b = BUF_INIT;
	struct outcome out, in = { .job = 1, .attempt = 1, .outcome = OUTCOME_SUCCEEDED, .exit_code = 0 };
	outcome_encode(&in, &b);
	CLEAN_JSON json_t *json = json_parse("outcome", b.data, b.len, NULL);
	assert_int_equal(outcome_decode(json, &a, &out, NULL), 0);
	assert_int_equal(out.exit_code, 0);
	assert_null(out.log);
	assert_null(out.result);
}

static void test_outcome_refuses(void **state)
{
	static const char *const bad[] = {
		"{\"job\":1,\"attempt\":1}",
		"{\"job\":1,\"attempt\":1,\"outcome\":\"depwait\"}",
		"{\"job\":1,\"attempt\":1,\"outcome\":\"lost\"}",
		"{\"job\":1,\"attempt\":0,\"outcome\":\"failed\"}",
		"{\"job\":1,\"attempt\":1,\"outcome\":\"failed\",\"log\":\"***\"}",
		"{\"job\":1,\"attempt\":1,\"outcome\":\"failed\",\"reason\":\"because\"}",
		"{\"job\":1,\"attempt\":1,\"outcome\":\"failed\",\"artifacts\":[{\"name\":\"x\"}]}",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct outcome o;
		CLEAN_JSON json_t *json = json_parse("outcome", bad[i], strlen(bad[i]), NULL);
		assert_int_equal(outcome_decode(json, &a, &o, NULL), -1);
	}
}

static void test_outcome_is_bounded(void **state)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf long_text = BUF_INIT, b = BUF_INIT;
	struct outcome out, in = { .job = 1, .attempt = 1, .outcome = OUTCOME_FAILED };
	for (int i = 0; i < OUTCOME_RESULT_MAX + 1; i++)
		buf_addc(&long_text, 'x');
	in.detail = long_text.data;
	outcome_encode(&in, &b);
	CLEAN_JSON json_t *json = json_parse("outcome", b.data, b.len, NULL);
	assert_int_equal(outcome_decode(json, &a, &out, NULL), 0);
	assert_int_equal(strlen(out.detail), OUTCOME_DETAIL_MAX);
	buf_reset(&b);
	in = (struct outcome){ .job = 1, .attempt = 1, .outcome = OUTCOME_FAILED, .result = long_text.data };
	outcome_encode(&in, &b);
	CLEAN_JSON json_t *huge = json_parse("outcome", b.data, b.len, NULL);
	struct err e = ERR_INIT;
	assert_int_equal(outcome_decode(huge, &a, &out, &e), -1);
	assert_int_equal(e.code, ERR_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spec_comes_back),
		cmocka_unit_test(test_spec_refuses),
		cmocka_unit_test(test_spec_from_a_newer_server),
		cmocka_unit_test(test_outcome_comes_back),
		cmocka_unit_test(test_outcome_exit_code_zero_is_told),
		cmocka_unit_test(test_outcome_refuses),
		cmocka_unit_test(test_outcome_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

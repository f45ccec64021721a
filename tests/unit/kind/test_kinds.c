#include "test.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "kind/build_type.h"
#include "kind/kind.h"
#include "text/json.h"

#define SUM "170a6e68730d9bd6642fbdb657ad5a6dd13b4eee1b21ae02106e9c1724e6542c"
#define INPUT(name) "{\"name\":\"" name "\",\"sha256\":\"" SUM "\",\"size\":1}"
#define RECIPE "# git-build-recipe format 0.4 deb-version {debversion}\\n/srv/git/hello.git main\\n"

static struct build_types *types;

static int load_types(void **state)
{
	return build_types_load(NULL, &types, NULL);
}

static int free_types(void **state)
{
	build_types_free(types);
	return 0;
}

/* A body on its way in, as the server takes it. */
static int submit(const char *text, const char *target_arch, struct arena *a, struct job_new *n,
		  struct err *e)
{
	CLEAN_JSON json_t *body = json_parse("body", text, strlen(text), e);
	if (!body || submit_decode(body, 0, a, n, e) < 0)
		return -1;
	const struct kind_context c = { .types = types,
					.target_suite = "bookworm",
					.target_arch = target_arch };
	return kind_find(n->kind)->check(n, &c, a, e);
}

/* An accepted job, about to run. */
struct fixture {
	struct arena arena;
	struct job_new news;
	struct job job;
	struct payload payload;
	struct kind_context c;
	const struct kind *kind;
	struct spec spec;
};

static void accept_job(struct fixture *f, const char *text)
{
	struct err e = ERR_INIT;
	*f = (struct fixture){ .arena = ARENA_INIT };
	if (submit(text, "amd64", &f->arena, &f->news, &e) < 0)
		fail_msg("refused: %s", e.text);
	f->job = (struct job){ .id = 7,
			       .attempt = 2,
			       .kind = f->news.kind,
			       .name = f->news.name,
			       .owner = "o",
			       .priority = 5,
			       .chain = 3,
			       .isolation = f->news.isolation,
			       .target = f->news.target,
			       .timeout_ms = f->news.timeout_ms };
	assert_int_equal(payload_decode(f->news.payload, &f->arena, &f->payload, &e), 0);
	f->c = (struct kind_context){ .job = &f->job,
				      .payload = &f->payload,
				      .types = types,
				      .target_suite = "bookworm",
				      .target_arch = "amd64",
				      .target_image = SUM,
				      .build_type = f->news.build.type ? f->news.build.type : "",
				      .build_source = f->news.build.source ? f->news.build.source : "",
				      .recipe_text = f->news.recipe_text ? f->news.recipe_text : "" };
	f->kind = kind_find(f->job.kind);
}

static void plan_job(struct fixture *f)
{
	struct err e = ERR_INIT;
	if (f->kind->plan(&f->c, &f->arena, &f->spec, &e) < 0)
		fail_msg("not planned: %s", e.text);
}

static const char *env_of(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->env_len; i++)
		if (strcmp(s->env[i].name, name) == 0)
			return s->env[i].value;
	return NULL;
}

static bool has_input(const struct spec *s, const char *name)
{
	for (size_t i = 0; i < s->inputs_len; i++)
		if (strcmp(s->inputs[i].name, name) == 0)
			return true;
	return false;
}

static struct kind_effects settle(struct fixture *f, const struct outcome *o)
{
	struct kind_effects fx;
	struct err e = ERR_INIT;
	if (f->kind->settle(&f->c, o, &f->arena, &fx, &e) < 0)
		fail_msg("not settled: %s", e.text);
	return fx;
}

static void test_every_kind_is_complete(void **state)
{
	for (size_t i = 0; kind_at(i); i++) {
		const struct kind *k = kind_at(i);
		assert_ptr_equal(kind_find(k->id), k);
		assert_non_null(kind_name(k->id));
		assert_non_null(k->summary);
		assert_non_null(k->plan);
	}
	assert_null(kind_find((enum job_kind)0));
}

static void test_command_native(void **state)
{
	struct fixture f;
	accept_job(&f, "{\"argv\":[\"make\",\"x\"],\"env\":{\"A\":\"b\"},\"timeout\":9,\"collect\":[\"*\"]}");
	plan_job(&f);
	assert_int_equal(f.spec.job, 7);
	assert_int_equal(f.spec.attempt, 2);
	assert_int_equal(f.spec.isolation, ISOLATION_NONE);
	assert_string_equal(f.spec.image, "");
	assert_int_equal(f.spec.steps_len, 1);
	assert_string_equal(f.spec.steps[0].name, "");
	assert_string_equal(f.spec.steps[0].argv[1], "x");
	assert_int_equal(f.spec.timeout_ms, 9000);
	assert_string_equal(env_of(&f.spec, "A"), "b");
	assert_string_equal(f.spec.collect[0], "*");
	arena_release(&f.arena);
}

static void test_command_in_a_target(void **state)
{
	struct fixture f;
	struct err e = ERR_INIT;
	accept_job(&f, "{\"argv\":[\"make\"],\"target\":\"bookworm-amd64\"}");
	assert_int_equal(f.news.isolation, ISOLATION_CHROOT);
	assert_string_equal(f.news.arch, "amd64");
	plan_job(&f);
	assert_string_equal(f.spec.image, SUM);
	assert_int_equal(f.spec.steps[0].network, NETWORK_NONE);
	f.c.target_image = "";
	assert_int_equal(f.kind->plan(&f.c, &f.arena, &f.spec, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_string_equal(e.text, "target bookworm-amd64 has no image yet");
	arena_release(&f.arena);
}

static const struct {
	const char *body, *error;
} refused[] = {
	{ "{\"argv\":[\"a\"],\"isolation\":\"chroot\"}", "isolation: chroot needs a target" },
	{ "{\"argv\":[\"a\"],\"isolation\":\"none\",\"target\":\"t\"}",
	  "target: needs isolation chroot or vm" },
	{ "{\"argv\":[\"a\"],\"target\":\"t\",\"arch\":\"arm64\"}", "arch: target t is for amd64" },
	{ "{\"kind\":\"build\",\"build\":{\"type\":\"no\"},\"target\":\"t\",\"inputs\":[" INPUT("a.dsc") "]}",
	  "build: type: there is no build type no" },
	{ "{\"kind\":\"build\",\"build\":{\"type\":\"recipe\"},\"target\":\"t\",\"inputs\":[" INPUT(
		  "a.dsc") "]}",
	  "build: type: there is no build type recipe" },
	{ "{\"kind\":\"build\",\"build\":{\"sort\":\"deb\"},\"target\":\"t\"}",
	  "build: unknown field \"sort\"" },
	{ "{\"kind\":\"build\",\"build\":{},\"target\":\"t\"}",
	  "inputs: a build of type deb needs a source" },
	{ "{\"kind\":\"build\",\"build\":{},\"inputs\":[" INPUT("a.dsc") "]}", "target: missing" },
	{ "{\"kind\":\"build\",\"build\":{},\"target\":\"t\",\"inputs\":[" INPUT("a.exe") "]}",
	  "inputs: a.exe is nothing a build of type deb takes" },
	{ "{\"kind\":\"build\",\"build\":{},\"target\":\"t\",\"argv\":[\"a\"],\"inputs\":[" INPUT(
		  "a.dsc") "]}",
	  "argv: is not for jobs of kind build" },
	{ "{\"kind\":\"target\",\"make\":{\"mode\":\"create\"},\"target\":\"t\"}", "make: suite: missing" },
	{ "{\"kind\":\"target\",\"make\":{\"suite\":\"--help\"},\"target\":\"t\"}",
	  "make: suite: must be lower-case letters, digits, '.', '+' and '-'" },
	{ "{\"kind\":\"target\",\"make\":{\"suite\":\"sid\",\"include\":[\"a b\"]},\"target\":\"t\"}",
	  "make: include: number 1: must be the name of a package" },
	{ "{\"kind\":\"target\",\"make\":{\"mode\":\"update\",\"suite\":\"sid\"},\"target\":\"t\"}",
	  "make: unknown field \"suite\"" },
	{ "{\"kind\":\"target\",\"make\":{\"mode\":\"erase\"},\"target\":\"t\"}",
	  "make: mode: must be create or update" },
	{ "{\"kind\":\"target\",\"make\":{\"suite\":\"sid\"}}", "target: missing" },
	{ "{\"kind\":\"recipe\",\"recipe\":{\"text\":\"x\"}}", "recipe: targets: must name 1 to 50 targets" },
	{ "{\"kind\":\"recipe\",\"recipe\":{\"text\":\"x\",\"targets\":[\"a\",\"a\"]}}",
	  "recipe: targets: a is there twice" },
	{ "{\"kind\":\"recipe\",\"recipe\":{\"text\":\"x\",\"targets\":[\"a\"],\"type\":\"no\"}}",
	  "recipe: type: there is no build type no" },
};

static void test_refuses(void **state)
{
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct job_new n;
		struct err e = ERR_INIT;
		assert_int_equal(submit(refused[i].body, "amd64", &a, &n, &e), -1);
		assert_string_equal(e.text, refused[i].error);
		assert_int_equal(e.code, ERR_INVALID);
	}
}

static void test_no_such_target(void **state)
{
	static const char *const bodies[] = {
		"{\"argv\":[\"a\"],\"target\":\"t\"}",
		"{\"kind\":\"build\",\"build\":{},\"target\":\"t\",\"inputs\":[" INPUT("a.dsc") "]}",
		"{\"kind\":\"target\",\"make\":{\"mode\":\"update\"},\"target\":\"t\"}",
	};
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		CLEAN_ARENA struct arena a = ARENA_INIT;
		struct job_new n;
		struct err e = ERR_INIT;
		assert_int_equal(submit(bodies[i], "", &a, &n, &e), -1);
		assert_int_equal(e.code, ERR_NOT_FOUND);
		assert_string_equal(e.text, "target t does not exist");
	}
}

static void accept_build(struct fixture *f)
{
	accept_job(f, "{\"kind\":\"build\",\"build\":{\"type\":\"deb\",\"source\":\"hello_2.10-3.dsc\"},"
		      "\"target\":\"bookworm-amd64\",\"env\":{\"SOURCE_X\":\"1\"},"
		      "\"inputs\":[" INPUT("hello_2.10-3.dsc") "," INPUT("hello_2.10.orig.tar.gz") "]}");
}

static void test_build_plan(void **state)
{
	struct fixture f;
	accept_build(&f);
	assert_int_equal(f.news.isolation, ISOLATION_CHROOT);
	assert_string_equal(f.news.name, "hello_2.10-3");
	assert_string_equal(f.news.arch, "amd64");
	plan_job(&f);
	assert_int_equal(f.spec.steps_len, 3);
	assert_int_equal(f.spec.scratch, SCRATCH_DISK);
	assert_true(has_input(&f.spec, "hello_2.10.orig.tar.gz"));
	assert_true(has_input(&f.spec, ".type/dependencies"));
	assert_string_equal(env_of(&f.spec, "SLIPWAY_SOURCE"), "hello_2.10-3.dsc");
	assert_string_equal(env_of(&f.spec, "SOURCE_X"), "1");
	assert_true(f.spec.timeout_ms > 0);
	f.c.build_type = "gone";
	struct err e = ERR_INIT;
	assert_int_equal(f.kind->plan(&f.c, &f.arena, &f.spec, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	arena_release(&f.arena);
}

static void test_build_succeeds(void **state)
{
	struct fixture f;
	accept_build(&f);
	struct kind_effects fx = settle(&f, &(struct outcome){ .outcome = OUTCOME_SUCCEEDED,
							       .result = "{\"version\":\"1:2.10-3~x+y\"}" });
	assert_int_equal(fx.outcome, OUTCOME_SUCCEEDED);
	assert_string_equal(fx.version, "1:2.10-3~x+y");
	assert_null(fx.births);
	arena_release(&f.arena);
}

static void test_build_waits_for_dependencies(void **state)
{
	struct fixture f;
	accept_build(&f);
	struct outcome o = {
		.outcome = OUTCOME_FAILED,
		.reason = REASON_EXIT,
		.step = "dependencies",
		.result = "{\"version\":\"1\",\"missing\":[\"libfoo-dev (>= 2)\",\"bar\",7,\"\"]}"
	};
	struct kind_effects fx = settle(&f, &o);
	assert_int_equal(fx.outcome, OUTCOME_DEPWAIT);
	assert_int_equal(fx.reason, REASON_DEPWAIT);
	assert_string_equal(fx.detail, "libfoo-dev (>= 2), bar");
	/* What it says does not count when it succeeded, was cancelled, or ran out of time. */
	o.outcome = OUTCOME_CANCELLED;
	assert_int_equal(settle(&f, &o).outcome, OUTCOME_CANCELLED);
	o.outcome = OUTCOME_SUCCEEDED;
	assert_int_equal(settle(&f, &o).outcome, OUTCOME_SUCCEEDED);
	o.outcome = OUTCOME_FAILED;
	o.reason = REASON_TIMEOUT;
	assert_int_equal(settle(&f, &o).outcome, OUTCOME_FAILED);
	arena_release(&f.arena);
}

static void test_build_says_where_it_failed(void **state)
{
	struct fixture f;
	accept_build(&f);
	struct outcome o = { .outcome = OUTCOME_FAILED,
			     .reason = REASON_EXIT,
			     .step = "build",
			     .detail = "exit status 2",
			     .result = "{\"step\":\"tests\"}" };
	struct kind_effects fx = settle(&f, &o);
	assert_string_equal(fx.step, "tests");
	assert_string_equal(fx.detail, "exit status 2");
	assert_int_equal(fx.reason, REASON_EXIT);
	arena_release(&f.arena);
}

static void test_only_root_steps_name_the_reason(void **state)
{
	struct fixture f;
	accept_build(&f);
	struct outcome o = { .outcome = OUTCOME_FAILED,
			     .reason = REASON_EXIT,
			     .step = "build",
			     .result = "{\"reason\":\"target\",\"message\":\"m\\u001b[31m\"}" };
	assert_int_equal(settle(&f, &o).reason, REASON_EXIT);
	o.step = "dependencies";
	struct kind_effects fx = settle(&f, &o);
	assert_int_equal(fx.reason, REASON_TARGET);
	assert_string_equal(fx.detail, "m [31m");
	o.result = "{\"reason\":\"lost\"}";
	assert_int_equal(settle(&f, &o).reason, REASON_EXIT);
	arena_release(&f.arena);
}

static void test_results_are_not_trusted(void **state)
{
	static const char *const bad[] = { "",
					   "[]",
					   "{",
					   "{\"version\":7,\"missing\":{},\"step\":[],\"reason\":1}",
					   "{\"version\":\"1 2\",\"step\":\"../x\",\"missing\":[]}",
					   "{\"version\":\"\"}" };
	struct fixture f;
	accept_build(&f);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct outcome o = {
			.outcome = OUTCOME_FAILED, .reason = REASON_EXIT, .step = "build", .result = bad[i]
		};
		struct kind_effects fx = settle(&f, &o);
		assert_int_equal(fx.outcome, OUTCOME_FAILED);
		assert_int_equal(fx.reason, REASON_EXIT);
		assert_string_equal(fx.step, "build");
		assert_null(fx.version);
	}
	arena_release(&f.arena);
}

static void test_target_create(void **state)
{
	struct fixture f;
	struct target_make make;
	accept_job(&f,
		   "{\"kind\":\"target\",\"target\":\"sid\",\"make\":{\"suite\":\"sid\",\"arch\":\"amd64\","
		   "\"components\":\"main contrib\",\"include\":[\"zstd\",\"git\"]}}");
	assert_int_equal(f.news.isolation, ISOLATION_NONE);
	assert_string_equal(f.news.arch, "amd64");
	assert_string_equal(f.news.name, "sid");
	assert_int_equal(target_make_decode(f.news.payload, &f.arena, &make, NULL), 0);
	assert_false(make.is_update);
	assert_string_equal(make.suite, "sid");
	plan_job(&f);
	assert_string_equal(env_of(&f.spec, "SLIPWAY_TARGET_SUITE"), "sid");
	assert_string_equal(env_of(&f.spec, "SLIPWAY_TARGET_COMPONENTS"), "main contrib");
	assert_string_equal(env_of(&f.spec, "SLIPWAY_TARGET_INCLUDE"), "zstd,git");
	assert_true(has_input(&f.spec, ".type/create"));
	assert_string_equal(f.spec.image, "");
	arena_release(&f.arena);
}

static void test_target_update(void **state)
{
	struct fixture f;
	accept_job(&f, "{\"kind\":\"target\",\"target\":\"t\",\"make\":{\"mode\":\"update\"}}");
	assert_int_equal(f.news.isolation, ISOLATION_CHROOT);
	plan_job(&f);
	assert_string_equal(f.spec.image, SUM);
	assert_int_equal(f.spec.steps[0].user, USER_ROOT);
	assert_int_equal(f.spec.steps[0].network, NETWORK_MIRROR);
	arena_release(&f.arena);
}

static void test_target_settles(void **state)
{
	struct fixture f;
	const struct artifact files[] = { { .name = "notes" }, { .name = "image.tar.zst" } };
	struct outcome o = { .outcome = OUTCOME_SUCCEEDED, .artifacts = files, .artifacts_len = 2 };
	accept_job(&f, "{\"kind\":\"target\",\"target\":\"t\",\"make\":{\"suite\":\"sid\"}}");
	struct kind_effects fx = settle(&f, &o);
	assert_ptr_equal(fx.image, &files[1]);
	assert_false(fx.is_target_failed);
	o.artifacts_len = 1;
	fx = settle(&f, &o);
	assert_int_equal(fx.outcome, OUTCOME_FAILED);
	assert_int_equal(fx.reason, REASON_COLLECT);
	assert_true(fx.is_target_failed);
	o = (struct outcome){ .outcome = OUTCOME_FAILED,
			      .reason = REASON_EXIT,
			      .result = "{\"message\":\"no mirror\"}" };
	fx = settle(&f, &o);
	assert_int_equal(fx.reason, REASON_TARGET);
	assert_string_equal(fx.detail, "no mirror");
	o.outcome = OUTCOME_RELEASED;
	assert_false(settle(&f, &o).is_target_failed);
	arena_release(&f.arena);
}

static void accept_recipe(struct fixture *f)
{
	accept_job(f, "{\"kind\":\"recipe\",\"recipe\":{\"text\":\"" RECIPE
		      "\",\"targets\":[\"one\",\"two\"]}}");
}

static void test_recipe_plan(void **state)
{
	struct fixture f;
	const char *const *names;
	accept_recipe(&f);
	assert_string_equal(f.news.name, "hello");
	assert_int_equal(f.kind->targets(&f.news, &f.arena, &names, NULL), 0);
	assert_string_equal(names[1], "two");
	assert_null(names[2]);
	plan_job(&f);
	assert_non_null(strstr(env_of(&f.spec, "SLIPWAY_RECIPE"), "/srv/git/hello.git main"));
	arena_release(&f.arena);
}

/* A wrong recipe is a job that fails, and says which line. */
static void test_recipe_that_is_wrong(void **state)
{
	struct fixture f;
	struct err e = ERR_INIT;
	accept_job(&f, "{\"kind\":\"recipe\",\"recipe\":{\"text\":\"" RECIPE
		       "foo bar\\n\",\"targets\":[\"one\"]}}");
	assert_int_equal(f.kind->plan(&f.c, &f.arena, &f.spec, &e), -1);
	assert_int_equal(e.code, ERR_INVALID);
	assert_string_equal(e.text, "line 3: unknown instruction foo");
	arena_release(&f.arena);
}

static void test_recipe_gives_birth(void **state)
{
	struct fixture f;
	struct artifact files[] = { { .name = "hello_2.10-3.dsc", .sha256 = SUM, .size_bytes = 4 },
				    { .name = "hello_2.10.tar.gz", .sha256 = SUM, .size_bytes = 5 } };
	struct outcome o = { .outcome = OUTCOME_SUCCEEDED, .artifacts = files, .artifacts_len = 2 };
	struct payload p;
	accept_recipe(&f);
	struct kind_effects fx = settle(&f, &o);
	assert_int_equal(fx.births_len, 2);
	struct job_new birth = fx.births[1];
	assert_int_equal(birth.kind, KIND_BUILD);
	assert_string_equal(birth.target, "two");
	assert_string_equal(birth.name, "hello_2.10-3");
	assert_string_equal(birth.build.version, "2.10-3");
	assert_string_equal(birth.owner, "o");
	assert_int_equal(birth.chain, 3);
	assert_int_equal(birth.priority, 5);
	assert_int_equal(payload_decode(birth.payload, &f.arena, &p, NULL), 0);
	assert_int_equal(p.inputs_len, 2);
	assert_int_equal(p.inputs[1].size_bytes, 5);
	/* It is a body like any other: its kind accepts it. */
	assert_int_equal(kind_find(KIND_BUILD)->check(&birth, &f.c, &f.arena, NULL), 0);
	assert_string_equal(birth.arch, "amd64");
	arena_release(&f.arena);
}

static void test_recipe_without_one_source(void **state)
{
	struct fixture f;
	struct artifact files[] = { { .name = "a_1.dsc" }, { .name = "b_1.dsc" } };
	struct outcome o = { .outcome = OUTCOME_SUCCEEDED, .artifacts = files, .artifacts_len = 2 };
	accept_recipe(&f);
	assert_int_equal(settle(&f, &o).reason, REASON_COLLECT);
	o.artifacts_len = 0;
	struct kind_effects fx = settle(&f, &o);
	assert_int_equal(fx.outcome, OUTCOME_FAILED);
	assert_int_equal(fx.births_len, 0);
	arena_release(&f.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_is_complete),
		cmocka_unit_test(test_command_native),
		cmocka_unit_test(test_command_in_a_target),
		cmocka_unit_test(test_refuses),
		cmocka_unit_test(test_no_such_target),
		cmocka_unit_test(test_build_plan),
		cmocka_unit_test(test_build_succeeds),
		cmocka_unit_test(test_build_waits_for_dependencies),
		cmocka_unit_test(test_build_says_where_it_failed),
		cmocka_unit_test(test_only_root_steps_name_the_reason),
		cmocka_unit_test(test_results_are_not_trusted),
		cmocka_unit_test(test_target_create),
		cmocka_unit_test(test_target_update),
		cmocka_unit_test(test_target_settles),
		cmocka_unit_test(test_recipe_plan),
		cmocka_unit_test(test_recipe_that_is_wrong),
		cmocka_unit_test(test_recipe_gives_birth),
		cmocka_unit_test(test_recipe_without_one_source),
	};
	return cmocka_run_group_tests(tests, load_types, free_types);
}

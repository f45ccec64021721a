#include "cli/args.h"

#include "base/clean.h"
#include "base/err.h"
#include "cli/commands.h"
#include "test.h"

static struct args args;
static struct err err;

static int parse(const char *command, int argc, const char **argv)
{
	args_release(&args);
	err = ERR_INIT;
	return args_parse(&args, command_find(command), argc, (char **)(uintptr_t)argv, &err);
}
#define PARSE(command, ...)                                     \
	__extension__({                                         \
		const char *words_[] = { __VA_ARGS__ };         \
		parse(command, (int)ARRAY_LEN(words_), words_); \
	})

static void test_every_form_of_an_option(void **state)
{
	assert_int_equal(PARSE("list", "--limit", "7", "--owner=ann", "-kbuild", "-w", "w1", "-j"), 0);
	assert_int_equal(args_int(&args, "limit", 0), 7);
	assert_string_equal(args_text(&args, "owner", ""), "ann");
	assert_string_equal(args_text(&args, "kind", ""), "build");
	assert_string_equal(args_text(&args, "worker", ""), "w1");
	assert_true(args_has(&args, "json"));
	assert_false(args_has(&args, "name"));
	assert_string_equal(args_text(&args, "name", "dflt"), "dflt");
}

static void test_a_command_keeps_its_own_options(void **state)
{
	assert_int_equal(PARSE("run", "--name", "x", "ls", "--name", "y", "-l"), 0);
	assert_string_equal(args_text(&args, "name", ""), "x");
	assert_int_equal(args.words_len, 4);
	assert_string_equal(args.words[1], "--name");
	assert_null(args.words[4]);
	assert_int_equal(PARSE("run", "--", "--name"), 0);
	assert_string_equal(args.words[0], "--name");
}

static void test_repeated_options_keep_their_order(void **state)
{
	size_t at = 0;
	assert_int_equal(PARSE("submit", "-e", "A=1", "--need", "3", "-eB=2", "--env=C", "true"), 0);
	assert_string_equal(args_next(&args, "env", &at), "A=1");
	assert_string_equal(args_next(&args, "env", &at), "B=2");
	assert_string_equal(args_next(&args, "env", &at), "C");
	assert_null(args_next(&args, "env", &at));
}

static void test_what_is_wrong_is_said(void **state)
{
	assert_int_equal(PARSE("run", "--tiemout", "5", "true"), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_non_null(strstr(err.text, "did you mean --timeout?"));
	assert_int_equal(PARSE("run", "--timeout", "soon", "true"), -1);
	assert_int_equal(err.code, ERR_USAGE);
	assert_int_equal(PARSE("run", "--timeout"), -1);
	assert_int_equal(PARSE("run", "--timeout=", "true"), -1);
	assert_int_equal(PARSE("run", "--raw=yes", "true"), -1);
	assert_int_equal(PARSE("run", "--priority", "1x", "true"), -1);
	assert_int_equal(PARSE("run", "-Q", "true"), -1);
	assert_int_equal(PARSE("run", "--name", "x"), -1);
	assert_int_equal(PARSE("log", "1", "2"), -1);
	assert_int_equal(err.code, ERR_USAGE);
}

static void test_help_needs_no_words(void **state)
{
	assert_int_equal(PARSE("log", "--help"), 0);
}

static void test_negative_numbers_are_words_and_values(void **state)
{
	assert_int_equal(PARSE("priority", "7", "-5"), 0);
	assert_string_equal(args.words[1], "-5");
	assert_int_equal(PARSE("submit", "--priority", "-5", "true"), 0);
	assert_int_equal(args_int(&args, "priority", 0), -5);
}

static void test_durations(void **state)
{
	assert_int_equal(PARSE("submit", "--timeout", "90", "--silence", "500ms", "true"), 0);
	assert_int_equal(args_duration(&args, "timeout", 0), 90000);
	assert_int_equal(args_duration(&args, "silence", 0), 500);
	assert_int_equal(args_duration(&args, "retry-delay", 3), 3);
}

static void test_nearest(void **state)
{
	const char *const names[] = { "list", "log", "submit", "suspend" };
	assert_string_equal(args_nearest("lst", names, 4), "list");
	assert_string_equal(args_nearest("sub", names, 4), "submit");
	assert_string_equal(args_nearest("supsend", names, 4), "suspend");
	assert_null(args_nearest("frobnicate", names, 4));
}

/* A table with two options of one name or letter in one command would hide one of them. */
static void test_the_table_is_sound(void **state)
{
	for (const struct command *c = commands; c->name; c++) {
		assert_non_null(c->summary);
		assert_non_null(c->arguments);
		assert_ptr_equal(command_find(c->name), c);
		const struct option_row *table;
		for (size_t i = 0; (table = command_table(c, i)); i++)
			for (const struct option_row *r = table; r->name; r++) {
				assert_ptr_equal(command_option(c, r->name, strlen(r->name)), r);
				if (r->letter)
					assert_ptr_equal(command_letter(c, r->letter), r);
				assert_true((r->type == OPTION_FLAG) == !r->argument);
			}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form_of_an_option),
		cmocka_unit_test(test_a_command_keeps_its_own_options),
		cmocka_unit_test(test_repeated_options_keep_their_order),
		cmocka_unit_test(test_what_is_wrong_is_said),
		cmocka_unit_test(test_help_needs_no_words),
		cmocka_unit_test(test_negative_numbers_are_words_and_values),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_nearest),
		cmocka_unit_test(test_the_table_is_sound),
	};
	int failed = cmocka_run_group_tests_name("args", tests, NULL, NULL);
	args_release(&args);
	return failed;
}

/* What happened, page by page: all of it, each once, newest first, and nothing that came after the first page. */
#include "test.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "pg_fixture.h"
#include "server_fixture.h"

static const struct sfx_worker one = { "one", "0000000000000001" };

static int setup(void **state)
{
	struct sfx *fx = malloc(sizeof *fx);
	sfx_init(fx, 0);
	sfx_register(fx, &one, 4);
	*state = fx;
	return 0;
}

static int teardown(void **state)
{
	sfx_release(*state);
	free(*state);
	return 0;
}

/* A job's. */
static void make_event(struct sfx *fx)
{
	int64_t id = sfx_submit(fx, "{\"argv\":[\"false\"]}");
	json_decref(sfx_lease(fx, &one, 1, 0, NULL));
	json_decref(sfx_lease(fx, &one, 0, 0, sfx_result(id, 1, "failed", "exit")));
}

/* Of what an administrator does. */
static void make_audit(struct sfx *fx, int n)
{
	char body[64];
	snprintf(body, sizeof body, "{\"weight\":%d}", n + 1);
	json_decref(sfx_call(fx, NULL, "POST", "/v1/owners/ada", body, 200));
}

/* A page behind `after`, added to `all` as a line each; the next place, "" at the end. */
static void read_page(struct sfx *fx, int limit, char after[200], struct buf *all)
{
	char path[300];
	size_t i;
	json_t *v;
	snprintf(path, sizeof path, "/v1/events?limit=%d&after=%s", limit, after);
	json_t *page = sfx_call(fx, NULL, "GET", path, NULL, 200);
	const json_t *events = json_object_get(page, "events");
	assert_true(json_array_size(events) <= (size_t)limit);
	json_array_foreach (events, i, v) {
		char *text = json_dumps(v, JSON_COMPACT | JSON_SORT_KEYS);
		buf_addf(all, "%s\n", text);
		free(text);
	}
	const char *next = json_string_value(json_object_get(page, "next"));
	snprintf(after, 200, "%s", next ? next : "");
	json_decref(page);
}

static void read_all(struct sfx *fx, int limit, struct buf *all)
{
	char after[200] = "";
	do
		read_page(fx, limit, after, all);
	while (*after);
}

static void test_pages_of_any_size_tell_the_same(void **state)
{
	struct sfx *fx = *state;
	CLEAN_BUF struct buf whole = BUF_INIT;
	for (int i = 0; i < 12; i++) {
		make_event(fx);
		make_audit(fx, i);
	}
	read_all(fx, 1000, &whole);
	assert_non_null(strstr(whole.data, "weight 12"));
	int events = 0;
	for (const char *at = whole.data; (at = strstr(at, "\"reason\":\"exit\"")); at++)
		events++;
	assert_int_equal(events, 12);
	for (int limit = 1; limit <= 7; limit++) {
		CLEAN_BUF struct buf pages = BUF_INIT;
		read_all(fx, limit, &pages);
		assert_string_equal(pages.data, whole.data);
	}
}

/* The newest is of one source, and while its reader thinks about it, more comes to both. */
static void check_slow_reader(struct sfx *fx, void (*last)(struct sfx *fx))
{
	CLEAN_BUF struct buf whole = BUF_INIT, pages = BUF_INIT;
	char after[200] = "";
	make_event(fx);
	make_audit(fx, 1);
	last(fx);
	read_all(fx, 1000, &whole);
	do {
		read_page(fx, 1, after, &pages);
		make_event(fx);
		make_audit(fx, 3);
	} while (*after);
	assert_string_equal(pages.data, whole.data);
}

static void make_last_audit(struct sfx *fx)
{
	make_audit(fx, 2);
}

static void test_who_reads_slowly_behind_an_audit(void **state)
{
	check_slow_reader(*state, make_last_audit);
}

static void test_who_reads_slowly_behind_an_event(void **state)
{
	check_slow_reader(*state, make_event);
}

static void test_what_is_no_place_is_refused(void **state)
{
	static const char *const paths[] = { "/v1/events?after=1.2.3", "/v1/events?after=1.2.3.4x",
					     "/v1/events?limit=0", "/v1/events?limit=1001",
					     "/v1/events?subject=job:1" };
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		json_decref(sfx_call(*state, NULL, "GET", paths[i], NULL, 400));
}

int main(void)
{
	if (pg_skip_all())
		return 0;
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pages_of_any_size_tell_the_same),
		TEST(test_who_reads_slowly_behind_an_audit),
		TEST(test_who_reads_slowly_behind_an_event),
		TEST(test_what_is_no_place_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* How fast the store is, one JSON line a row: store_bench FOLDER [quick]. The folder must be empty or absent.
 * Rows of one run are to be compared with each other, never with those of another machine or hour. */
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "store/jobs.h"
#include "store/records.h"
#include "store/store.h"

enum { BATCH = 64 };

static struct store *store;
static struct worker worker;
static int64_t lane;

struct call {
	struct store_task task;
	int (*fn)(struct tx *tx, struct call *c, struct err *e);
	struct arena arena;
	struct job *jobs; /* taken before, to be ended now; then those taken now */
	size_t n;
	int64_t number;
	const struct job_new *news;
	struct job_birth *births;
};

/* Rates come with the processor time of a job: on a busy machine that says more than the rate. */
static double cpu_us;

static void row(const char *what, int64_t depth, double value, const char *unit)
{
	printf("{\"what\":\"%s\",\"waiting\":%" PRId64 ",\"value\":%.1f,\"unit\":\"%s\"", what, depth, value,
	       unit);
	if (cpu_us > 0)
		printf(",\"cpu_us\":%.1f", cpu_us);
	puts("}");
	fflush(stdout);
	cpu_us = 0;
}

struct span {
	int64_t wall_ns, cpu_ns;
};

static struct span span_begin(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (struct span){ clock_boot_ns(), t.tv_sec * 1000000000 + t.tv_nsec };
}

static double span_rate(struct span from, int64_t jobs)
{
	struct span now = span_begin();
	cpu_us = (double)(now.cpu_ns - from.cpu_ns) / 1e3 / (double)jobs;
	return (double)jobs * 1e9 / (double)(now.wall_ns - from.wall_ns);
}

static int run_call(struct tx *tx, struct store_task *t, struct err *e)
{
	struct call *c = (struct call *)t;
	return c->fn(tx, c, e);
}

static void must(int rc, const struct err *e)
{
	if (rc == 0)
		return;
	fprintf(stderr, "store_bench: %s\n", e->text);
	exit(1);
}

static void do_write(struct call *c)
{
	c->task.run = run_call;
	must(store_write_wait(store, &c->task), &c->task.err);
}

static double do_read_us(struct call *c)
{
	c->task.run = run_call;
	int64_t start = clock_boot_ns();
	must(store_read_wait(store, &c->task), &c->task.err);
	return (double)(clock_boot_ns() - start) / 1e3;
}

static struct job_new a_job(void)
{
	return (struct job_new){ .kind = KIND_COMMAND,
				 .name = "true",
				 .owner = "ann",
				 .max_attempts = 1,
				 .arch = "",
				 .tags = "",
				 .target = "",
				 .dedupe = "",
				 .payload = "{\"argv\":[\"true\"]}" };
}

static int submit(struct tx *tx, struct call *c, struct err *e)
{
	return jobs_submit(tx, c->news, c->n, "owner:ann", c->births, e);
}

static void submit_many(size_t n)
{
	struct job_new *news = calloc(n, sizeof *news);
	struct job_birth *births = calloc(n, sizeof *births);
	for (size_t i = 0; i < n; i++)
		news[i] = a_job();
	struct call c = { .fn = submit, .news = news, .n = n, .births = births };
	do_write(&c);
	free(news);
	free(births);
}

static int set_up(struct tx *tx, struct call *c, struct err *e)
{
	struct lane *lanes;
	size_t n;
	if (workers_register(tx, &worker, &worker.id, e) < 0 || lanes_list(tx, &c->arena, &lanes, &n, e) < 0)
		return -1;
	lane = n ? lanes[0].id : 0;
	return 0;
}

static int finish_and_take(struct tx *tx, struct call *c, struct err *e)
{
	for (size_t i = 0; i < c->n; i++) {
		struct job_end end = { .job = c->jobs[i].id,
				       .attempt = c->jobs[i].attempt,
				       .outcome = OUTCOME_SUCCEEDED,
				       .step = "",
				       .detail = "" };
		enum job_state state;
		bool is_repeat;
		if (jobs_finish(tx, &end, "worker:bench", &state, &is_repeat, e) < 0)
			return -1;
	}
	arena_release(&c->arena);
	return jobs_take(tx, &lane, 1, (int)c->number, &worker, tx_now_ms(tx) + 60000, &c->arena, &c->jobs,
			 &c->n, e);
}

static double cycle_rate(int64_t jobs)
{
	struct call c = { .fn = finish_and_take, .number = BATCH };
	int64_t done = 0;
	struct span start = span_begin();
	while (done < jobs) {
		do_write(&c);
		if (!c.n)
			break;
		done += (int64_t)c.n;
	}
	double rate = span_rate(start, done);
	c.number = 0;
	do_write(&c);
	arena_release(&c.arena);
	return rate;
}

static void *submit_singly(void *arg)
{
	struct job_new one = a_job();
	struct job_birth birth;
	for (int i = 0; i < *(int *)arg; i++) {
		struct call c = { .fn = submit, .news = &one, .n = 1, .births = &birth };
		do_write(&c);
	}
	return NULL;
}

static double submit_rate(int threads, int each)
{
	pthread_t t[64];
	struct span start = span_begin();
	for (int i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, submit_singly, &each);
	for (int i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	return span_rate(start, (int64_t)threads * each);
}

static int list_page(struct tx *tx, struct call *c, struct err *e)
{
	struct job_filter f = { .limit = 50, .states = (unsigned)c->number };
	return jobs_list(tx, &f, &c->arena, &c->jobs, &c->n, e);
}

static int position(struct tx *tx, struct call *c, struct err *e)
{
	int at;
	struct job_filter f = { .limit = 1, .states = 1u << STATE_WAITING };
	if (jobs_list(tx, &f, &c->arena, &c->jobs, &c->n, e) < 0 || !c->n)
		return -1;
	return jobs_position(tx, &c->jobs[0], 1000, &at, e);
}

static double read_us(int (*fn)(struct tx *, struct call *, struct err *), int64_t number)
{
	double best = 1e9;
	for (int i = 0; i < 50; i++) {
		struct call c = { .fn = fn, .number = number };
		double us = do_read_us(&c);
		arena_release(&c.arena);
		best = us < best ? us : best;
	}
	return best;
}

/* What the same changes cost without us: the job's row and two events, by prepared statements in one loop. */
static double bare_rate(const char *dir, int64_t jobs)
{
	sqlite3 *db;
	CLEAN_FREE char *path = NULL;
	if (asprintf(&path, "%s/bare.db", dir) < 0 || sqlite3_open(path, &db) != SQLITE_OK)
		return 0;
	sqlite3_exec(
		db,
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;"
		"PRAGMA cache_size=-65536;"
		"CREATE TABLE job (id INTEGER PRIMARY KEY, state INT, lane INT, prio INT, attempt INT, worker INT,"
		" lease INT, started INT, finished INT, exit INT, name TEXT, payload TEXT);"
		"CREATE INDEX w ON job (lane, prio DESC, id) WHERE state = 3;"
		"CREATE INDEX r ON job (worker) WHERE state = 4;"
		"CREATE TABLE attempt (job INT, n INT, worker INT, started INT, finished INT, outcome INT,"
		" PRIMARY KEY (job, n)) WITHOUT ROWID;"
		"CREATE TABLE event (job INT, n INT, at INT, actor INT, a INT, b INT, PRIMARY KEY (job, n))"
		" WITHOUT ROWID;"
		"BEGIN; WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x < 200000)"
		" INSERT INTO job SELECT x, 3, 1, 0, 0, NULL, 0, 0, 0, -1, 'true', '{\"argv\":[\"true\"]}' FROM c;"
		"COMMIT",
		NULL, NULL, NULL);
	static const char *const sql[] = {
		"SELECT id FROM job WHERE state = 3 AND lane = 1 ORDER BY prio DESC, id LIMIT 64",
		"SELECT * FROM job WHERE id = ?1",
		"UPDATE job SET state = 4, attempt = attempt + 1, worker = 1, lease = 9, started = 5 WHERE id = ?1 AND "
		"state = 3",
		"INSERT INTO attempt VALUES (?1, 1, 1, 5, 0, 0)",
		"INSERT INTO event VALUES (?1, 2, 5, 1, 3, 4)",
		"SELECT state, attempt FROM job WHERE id = ?1",
		"UPDATE job SET state = 8, lease = 0, finished = 7, exit = 0 WHERE id = ?1 AND state = 4 AND attempt = 1",
		"UPDATE attempt SET finished = 7, outcome = 1 WHERE job = ?1 AND n = 1",
		"INSERT INTO event VALUES (?1, 3, 7, 1, 4, 8)",
	};
	sqlite3_stmt *st[9];
	for (int i = 0; i < 9; i++)
		sqlite3_prepare_v2(db, sql[i], -1, &st[i], NULL);
	int64_t ids[BATCH], done = 0;
	struct span start = span_begin();
	int n = 0;
	while (done < jobs) {
		sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
		for (int i = 0; i < n; i++)
			for (int k = 5; k < 9; k++) {
				sqlite3_bind_int64(st[k], 1, ids[i]);
				sqlite3_step(st[k]);
				sqlite3_reset(st[k]);
			}
		done += n;
		for (n = 0; sqlite3_step(st[0]) == SQLITE_ROW; n++)
			ids[n] = sqlite3_column_int64(st[0], 0);
		sqlite3_reset(st[0]);
		for (int i = 0; i < n; i++)
			for (int k = 1; k < 5; k++) {
				sqlite3_bind_int64(st[k], 1, ids[i]);
				sqlite3_step(st[k]);
				sqlite3_reset(st[k]);
			}
		sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	}
	double rate = span_rate(start, done);
	for (int i = 0; i < 9; i++)
		sqlite3_finalize(st[i]);
	sqlite3_close(db);
	return rate;
}

int main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	if (argc < 2) {
		fprintf(stderr, "usage: store_bench FOLDER [quick]\n");
		return 2;
	}
	bool is_quick = argc > 2;
	mallopt(M_TRIM_THRESHOLD, 256 << 20);
	mallopt(M_TOP_PAD, 16 << 20);
	must(store_open(&store,
			&(struct store_options){ .data_dir = argv[1],
						 .db_url = getenv("SLIPWAY_BENCH_DB"),
						 .is_create = true },
			&e),
	     &e);
	worker = (struct worker){ .name = "bench", .session = "1", .isolations = 1, .slots = 64 };

	submit_many(1000);
	struct call c = { .fn = set_up };
	do_write(&c);
	arena_release(&c.arena);
	row("submit, 1 thread, one at a time", 1000, submit_rate(1, is_quick ? 500 : 3000), "jobs/s");
	row("submit, 16 threads, one at a time", 4000, submit_rate(16, is_quick ? 200 : 2000), "jobs/s");
	struct span start = span_begin();
	submit_many(100000);
	row("submit, 100000 in one call", 36000, span_rate(start, 100000), "jobs/s");
	for (int i = 0; i < (is_quick ? 1 : 3); i++) {
		row("take and finish, 64 a transaction", 100000, cycle_rate(30000), "jobs/s");
		row("bare SQLite, the same rows", 100000, bare_rate(argv[1], 30000), "jobs/s");
		CLEAN_FREE char *path = NULL;
		if (asprintf(&path, "%s/bare.db", argv[1]) > 0)
			remove(path);
	}
	cycle_rate(1000000);
	cpu_us = 0;
	submit_many(1000);
	row("list, newest 50", 1000, read_us(list_page, 0), "us");
	row("list, newest 50 waiting", 1000, read_us(list_page, 1u << STATE_WAITING), "us");
	row("list, 50 failed of none", 1000, read_us(list_page, 1u << STATE_FAILED), "us");
	row("position of the newest", 1000, read_us(position, 0), "us");
	submit_many(10000);
	row("take and finish, 64 a transaction", 10000, cycle_rate(10000), "jobs/s");
	if (!is_quick) {
		for (int i = 0; i < 10; i++)
			submit_many(100000);
		for (int i = 0; i < 3; i++)
			row("take and finish, 64 a transaction", 1000000, cycle_rate(30000), "jobs/s");
		row("list, newest 50", 1000000, read_us(list_page, 0), "us");
		row("list, newest 50 waiting", 1000000, read_us(list_page, 1u << STATE_WAITING), "us");
		row("list, 50 failed of none", 1000000, read_us(list_page, 1u << STATE_FAILED), "us");
		row("position of the newest", 1000000, read_us(position, 0), "us");
	}
	store_close(store);
	return 0;
}

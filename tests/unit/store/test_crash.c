/* Killed at any moment: what was answered is there, nothing is half there, and it opens again by itself. A
 * child works and writes each number it was answered into a pipe; it is killed after a random time. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/random.h"
#include "contract/store_fixture.h"
#include "store/blobs.h"
#include "store/logs.h"

enum { CYCLES = 60 }; /* or SLIPWAY_CRASHES */

struct answer {
	int64_t id;
	int is_success;
};

static void tell(int fd, int64_t id, bool is_success)
{
	struct answer a = { id, is_success };
	if (write(fd, &a, sizeof a) != sizeof a)
		_exit(2);
}

static void end_with_output(struct fx *fx, const struct job *j)
{
	struct artifact art = { .name = "out", .size_bytes = sizeof j->id };
	enum job_state s;
	bool is_repeat;
	int64_t size;
	if (blob_put(fx->store, &j->id, sizeof j->id, art.sha256, NULL) < 0 ||
	    log_append(fx->store, j->id, j->attempt, 0, "a line\n", 7, &size, NULL) < 0)
		_exit(3);
	struct job_end end = { .job = j->id,
			       .attempt = j->attempt,
			       .outcome = OUTCOME_SUCCEEDED,
			       .step = "",
			       .detail = "",
			       .artifacts = &art,
			       .artifacts_len = 1,
			       .log_bytes = 7 };
	if (fx_finish(fx, &end, &s, &is_repeat) < 0)
		_exit(4);
	log_seal(fx->store, j->id, j->attempt);
}

/* Never comes back. */
static void work(struct fx *fx, int fd, uint64_t seed)
{
	struct job *jobs;
	size_t n;
	char session[32];
	fx->store = NULL;
	fx_open(fx);
	snprintf(session, sizeof session, "%llu", (unsigned long long)seed);
	fx_worker(fx, "w", session);
	tell(fd, 0, false);
	for (;;) {
		int64_t id = fx_job(fx, NULL, 0);
		if (id < 0)
			_exit(5);
		tell(fd, id, false);
		int64_t child = fx_job(fx, &id, 1);
		tell(fd, child, false);
		if (fx_take(fx, 2, &jobs, &n) < 0)
			_exit(6);
		for (size_t i = 0; i < n; i++)
			if ((jobs[i].id + (int64_t)seed) % 3 == 0) {
				fx_end(fx, jobs[i].id, OUTCOME_FAILED, REASON_EXIT);
			} else {
				end_with_output(fx, &jobs[i]);
				tell(fd, jobs[i].id, true);
			}
	}
}

static size_t read_answers(int fd, struct answer *all, size_t cap)
{
	size_t got = 0;
	assert_int_equal(fd_read_full(fd, all, cap * sizeof *all, &got, NULL), 0);
	return got / sizeof *all;
}

static void one_cycle(struct fx *fx, uint64_t seed)
{
	enum { CAP = 20000 };
	static struct answer answers[CAP];
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[0]);
		work(fx, ends[1], seed);
	}
	close(ends[1]);
	/* Every fourth dies while it opens; the others work first. */
	size_t had = seed % 4 ? read_answers(ends[0], answers, 1) : 0;
	nanosleep(&(struct timespec){ .tv_nsec = (long)random_below(seed % 4 ? 40000000 : 8000000) }, NULL);
	kill(pid, SIGKILL);
	size_t n = had + read_answers(ends[0], answers + had, CAP - had);
	close(ends[0]);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status))
		fail_msg("the child ended by itself: %d", WEXITSTATUS(status));
	fx_open(fx);
	assert_int_equal(fx_check(fx), 0);
	for (size_t i = 0; i < n; i++)
		if (answers[i].id) {
			enum job_state s = fx_state(fx, answers[i].id);
			if (answers[i].is_success)
				assert_int_equal(s, STATE_SUCCEEDED);
		}
	arena_release(&fx->arena);
	fx_close(fx);
}

static void test_killed_at_random(void **state)
{
	struct fx fx;
	fx_init(&fx);
	fx_close(&fx);
	const char *more = getenv("SLIPWAY_CRASHES");
	uint64_t cycles = more ? strtoull(more, NULL, 10) : CYCLES;
	for (uint64_t i = 0; i < cycles; i++)
		one_cycle(&fx, i);
	fx_open(&fx);
	fx_release(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_at_random),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* kill_bench TREE [ROUNDS [KIND]]: how long a job that does not want to die takes to. TREE is bench/tree: 1,000 processes, and a fork
 * bomb at its limit of 2,000, each as a native job killed by its control group, as one where there are no groups that kill (its
 * reaper does), and in a chroot.
 *
 * The time is from run_stop() of a job without grace to on_finished(): all processes dead and reaped, folders and groups gone.
 * After each, none of them may be found alive. KIND: that one alone, from 0. */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "image.h"
#include "model/spec.h"
#include "run/run.h"
#include "sandbox/cgroup.h"

enum { ROUNDS_MAX = 1000, GOAL_MS = 1000, START_MS = 60000, GIVE_UP_MS = 20000 };

static const struct kind {
	const char *name;
	enum isolation isolation;
	bool is_by_group;
} kinds[] = {
	{ "native, by its group", ISOLATION_NONE, true },
	{ "native, by its reaper", ISOLATION_NONE, false },
	{ "chroot", ISOLATION_CHROOT, true },
};

static const struct shape {
	const char *name, *argument;
	int64_t pids;
} shapes[] = {
	{ "1,000 processes", "1000", 0 },
	{ "a fork bomb at its limit of 2,000", "bomb", 2000 },
};

static struct run *run;
static bool is_up, is_over;
static const char *program;
static char dir[] = "/tmp/kill-bench-XXXXXX", blobs[64], image[65];

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "kill_bench: %s: %s\n", what, e ? e->text : "failed");
	exit(1);
}

static void on_log(void *ctx, int64_t job, int attempt, int64_t size_bytes)
{
	(void)ctx;
	(void)job;
	(void)attempt;
	is_up = size_bytes > 0;
}

static void on_finished(void *ctx, const struct outcome *o, const int *fds)
{
	(void)ctx;
	(void)fds;
	is_over = true;
	if (o->outcome != OUTCOME_CANCELLED)
		die(o->detail, NULL);
}

/* false: not in that time. */
static bool wait_for(const bool *what, int64_t limit_ms)
{
	struct err e = ERR_INIT;
	int64_t until = clock_boot_ms() + limit_ms;
	for (int64_t left; !*what;) {
		if ((left = until - clock_boot_ms()) <= 0)
			return false;
		int timeout = run_timeout_ms(run);
		struct pollfd p = { .fd = run_fd(run), .events = POLLIN };
		poll(&p, 1, timeout < 0 || timeout > left ? (int)left : timeout);
		if (run_dispatch(run, &e) < 0)
			die("dispatch", &e);
		if (is_over && what != &is_over)
			die("it ended by itself", NULL);
	}
	return true;
}

/* One that waits for its parent, for orphans this machine's pid 1, is dead. */
static bool is_living(const char *pid)
{
	char path[300];
	CLEAN_BUF struct buf stat = BUF_INIT;
	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	if (fd_read_file(AT_FDCWD, path, 4096, &stat, NULL) < 0)
		return false;
	const char *state = strstr(stat.data, "(bench-tree) ");
	return state && !strchr("ZX", state[13]);
}

static int count_living(void)
{
	int found = 0;
	CLEAN_DIR DIR *d = opendir("/proc");
	for (struct dirent *entry; d && (entry = readdir(d)) != NULL;)
		found += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_living(entry->d_name);
	return found;
}

static double kill_once(const struct kind *k, const struct shape *shape)
{
	static int64_t next_job = 1;
	struct err e = ERR_INIT;
	const char *const argv[] = { k->isolation == ISOLATION_CHROOT ? "/bench-tree" : program,
				     shape->argument, NULL };
	struct spec_step step = { .name = "", .argv = argv, .user = USER_BUILD };
	struct spec s = { .job = next_job++,
			  .attempt = 1,
			  .name = "tree",
			  .isolation = k->isolation,
			  .target = "bench",
			  .hostname = "bench",
			  .steps = &step,
			  .steps_len = 1,
			  .limits.pids = shape->pids };
	memcpy(s.image, image, sizeof s.image);
	is_up = is_over = false;
	if (run_start(run, &s, &e) < 0)
		die("start", &e);
	if (!wait_for(&is_up, START_MS))
		die("its processes do not come up", NULL);
	int64_t t0 = clock_boot_ns();
	run_stop(run, s.job, 1, RUN_STOP_CANCEL);
	if (!wait_for(&is_over, GIVE_UP_MS))
		return GIVE_UP_MS;
	double ms = (double)(clock_boot_ns() - t0) / 1e6;
	if (count_living() > 0)
		die("it is over, but processes of it live", NULL);
	return ms;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static void print_row(const struct kind *k, const struct shape *shape, double *ms, int n)
{
	char name[100];
	snprintf(name, sizeof name, "%s: %s", k->name, shape->name);
	qsort(ms, (size_t)n, sizeof *ms, compare);
	/* The nearest rank: of fewer than a hundred the 99th percentile is the longest. */
	double p99 = ms[(99 * n + 99) / 100 - 1];
	printf("%-58s %9.1f %9.1f %9.1f  p99 below %d%s\n", name, ms[(n - 1) / 2], p99, ms[n - 1], GOAL_MS,
	       p99 < GOAL_MS ? "" : ": NOT MET");
	fflush(stdout);
}

/* As on a machine without control groups of version 2: not mounted for this process and those it starts. */
static int hide_groups(void)
{
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	if (umount2("/sys/fs/cgroup/unified", MNT_DETACH) == 0)
		return 0;
	return umount2("/sys/fs/cgroup", MNT_DETACH);
}

/* NULL if this kind of killing can be had here, and the limit of the bomb with it. */
static const char *why_not(const struct kind *k, bool *is_limiting)
{
	if (!k->is_by_group && hide_groups() < 0)
		return "only root can hide the control groups";
	struct cgroup groups;
	cgroup_open(&groups, "kill-bench");
	*is_limiting = groups.is_pids;
	bool is_killing = groups.is_killing;
	cgroup_sweep(&groups);
	if (k->isolation == ISOLATION_NONE && is_killing != k->is_by_group)
		return k->is_by_group ? "no control groups that kill here"
				      : "the control groups cannot be hidden";
	return NULL;
}

static void open_run(const struct kind *k)
{
	struct err e = ERR_INIT;
	char work[64];
	snprintf(work, sizeof work, "%s/work", dir);
	struct run_options o = { .work_dir = work,
				 .blob_dir = blobs,
				 .log_delay_ms = 1,
				 .events = { .on_log = on_log, .on_finished = on_finished } };
	if (run_open(&run, &o, &e) < 0)
		die("open", &e);
	if (run_isolations(run) & 1U << k->isolation)
		return;
	printf("%s: not here: %s\n", k->name, run_why_not(run));
	run_close(run);
	exit(0);
}

/* In a process of its own, because what it hides stays hidden from it. */
static void measure(const struct kind *k, int rounds)
{
	static double ms[ROUNDS_MAX];
	bool is_limiting;
	const char *why = why_not(k, &is_limiting);
	if (why) {
		printf("%s: %s\n", k->name, why);
		exit(0);
	}
	open_run(k);
	for (size_t n = 0; n < ARRAY_LEN(shapes); n++) {
		if (shapes[n].pids && !is_limiting) {
			printf("%s: %s: nothing here limits the number of processes\n", k->name,
			       shapes[n].name);
			continue;
		}
		int done = 0;
		while (done < rounds && (ms[done++] = kill_once(k, &shapes[n])) < GIVE_UP_MS)
			;
		print_row(k, &shapes[n], ms, done);
		if (ms[done - 1] < GIVE_UP_MS)
			continue;
		printf("%s: %s: not dead after %d s, given up\n", k->name, shapes[n].name, GIVE_UP_MS / 1000);
		break;
	}
	run_close(run);
	exit(0);
}

int main(int argc, char **argv)
{
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 50;
	int only = argc > 3 ? (int)strtol(argv[3], NULL, 10) : -1;
	if (argc < 2 || rounds < 1 || rounds > ROUNDS_MAX || !mkdtemp(dir) || chmod(dir, 0711) < 0)
		die("usage: kill_bench TREE [ROUNDS [KIND]]", NULL);
	program = argv[1];
	snprintf(blobs, sizeof blobs, "%s/blobs", dir);
	mkdir(blobs, 0755);
	struct image *out = image_begin(blobs);
	image_add_file(out, program, "bench-tree");
	image_end(out, image);
	int failed = 0;
	for (int i = 0; i < (int)ARRAY_LEN(kinds); i++) {
		if (only >= 0 && i != only)
			continue;
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0)
			measure(&kinds[i], rounds);
		int status;
		failed |= pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
	}
	fd_remove_tree(AT_FDCWD, dir, NULL);
	return failed;
}

/* sandbox_bench [ROUNDS [ROW]]: what a clean chroot costs, by src/run directly: /bin/true of this machine in a sandbox with an
 * overlay of its own, without and with a network namespace, beside the same program started bare by this process. In turns;
 * medians of the rounds and their ratio. The starts are alike, one after the other, so each but the first two finds a sandbox
 * that was made during the one before; "cold": none is kept ready. Then its peers (peers.h), in the same rounds.
 * ROW: that one alone, from 0.
 *
 * Each start is one attempt from run_start() to on_finished(): root made, program run, all of it taken down. */
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "image.h"
#include "model/spec.h"
#include "peers.h"
#include "run/run.h"

enum { PER_ROUND = 40, ROUNDS_MAX = 200, STACK = 64 * 1024, PEERS_MAX = 16 };

static struct run *run; /* of what is measured */
static struct run *warm, *cold;
static int left, failed;
static int64_t next_job = 1;
static char *stack;
static char image_name[65];

static void die(const char *what, const struct err *e)
{
	fprintf(stderr, "sandbox_bench: %s: %s\n", what, e ? e->text : "failed");
	exit(1);
}

static void on_finished(void *ctx, const struct outcome *o, const int *fds)
{
	(void)ctx;
	(void)fds;
	left--;
	if (o->outcome != OUTCOME_SUCCEEDED && !failed++)
		fprintf(stderr, "sandbox_bench: %s\n", o->detail);
}

static void make_image(const char *blobs)
{
	struct image *out = image_begin(blobs);
	image_add_file(out, "/bin/true", "bin/true");
	image_add_link(out, "lib", "usr/lib");
	image_add_link(out, "lib64", "usr/lib64");
	image_add_libraries(out);
	/* As bare: without it the loader looks in a dozen folders. */
	image_add_file(out, "/etc/ld.so.cache", "etc/ld.so.cache");
	/* Peers mount over them, and one of them on a root that cannot be written to. */
	static const char *const folders[] = { "proc", "dev", "sys", "run", "tmp" };
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		image_add_folder(out, folders[i]);
	image_end(out, image_name);
}

static void wait_left(int down_to)
{
	struct err e = ERR_INIT;
	while (left > down_to) {
		struct pollfd p = { .fd = run_fd(run), .events = POLLIN };
		poll(&p, 1, run_timeout_ms(run));
		if (run_dispatch(run, &e) < 0)
			die("dispatch", &e);
	}
}

static void begin(struct spec *s)
{
	struct err e = ERR_INIT;
	s->job = next_job++;
	left++;
	if (run_start(run, s, &e) < 0)
		die("start", &e);
}

static double sandboxed(struct spec *s)
{
	int64_t t0 = clock_boot_ns();
	for (int i = 0; i < PER_ROUND; i++) {
		begin(s);
		wait_left(0);
	}
	return (double)(clock_boot_ns() - t0) / 1e6 / PER_ROUND;
}

static int child(void *arg)
{
	char *const argv[] = { arg, NULL }, *const envp[] = { NULL };
	execve(arg, argv, envp);
	_exit(127);
}

static double bare(char *program)
{
	int64_t t0 = clock_boot_ns();
	for (int i = 0; i < PER_ROUND; i++) {
		pid_t pid = clone(child, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, program);
		int status;
		if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
			die("start it bare", NULL);
	}
	return (double)(clock_boot_ns() - t0) / 1e6 / PER_ROUND;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median(double *list, int n)
{
	qsort(list, (size_t)n, sizeof *list, compare);
	return n % 2 ? list[n / 2] : (list[n / 2 - 1] + list[n / 2]) / 2;
}

static void print(const char *what, double time, double floor, const char *note)
{
	printf("%-46s %9.3f ms %9.3f ms %9.2f  %s\n", what, time, floor, time / floor, note);
}

static const struct {
	const char *what, *goal;
	bool is_cold;
	enum spec_network network;
	enum spec_scratch scratch;
} rows[] = {
	{ "overlay in memory, the host's network", "at most 1.5", false, NETWORK_FULL, SCRATCH_MEMORY },
	{ "overlay in memory, a network of its own", "at most 2", false, NETWORK_NONE, SCRATCH_MEMORY },
	{ "overlay on disk, the host's network", "", false, NETWORK_FULL, SCRATCH_DISK },
	{ "cold: in memory, the host's network", "", true, NETWORK_FULL, SCRATCH_MEMORY },
	{ "cold: in memory, a network of its own", "", true, NETWORK_NONE, SCRATCH_MEMORY },
	{ "cold: on disk, the host's network", "", true, NETWORK_FULL, SCRATCH_DISK },
};
enum { ROWS = sizeof rows / sizeof *rows };

static double base[ROUNDS_MAX], times[ROWS][ROUNDS_MAX], peer_times[PEERS_MAX][ROUNDS_MAX];

static void measure_ours(struct spec *s, int round, int only)
{
	struct spec_step *step = (struct spec_step *)(void *)(uintptr_t)s->steps;
	for (int n = 0; n < ROWS; n++) {
		if (only >= 0 && n != only)
			continue;
		run = rows[n].is_cold ? cold : warm;
		s->scratch = rows[n].scratch;
		step->network = rows[n].network;
		times[n][round] = sandboxed(s);
	}
}

static void measure_peers(int round, int only)
{
	for (int n = 0; n < peers_count(); n++) {
		if ((only >= 0 && ROWS + n != only) || peer_why_not(n))
			continue;
		peer_times[n][round] = peer_measure(n);
		if (peer_times[n][round] < 0)
			die(peer_name(n), NULL);
	}
}

static void report(int rounds, int only)
{
	double floor = median(base, rounds);
	printf("Ours isolate: user, mount, pid, ipc and uts namespaces, an overlay, no capabilities, seccomp; net where it is said.\n");
	for (int n = 0; n < ROWS; n++)
		if (only < 0 || n == only)
			print(rows[n].what, median(times[n], rounds), floor, rows[n].goal);
	for (int n = 0; n < peers_count(); n++) {
		if (only >= 0 && ROWS + n != only)
			continue;
		if (peer_why_not(n))
			printf("%-46s %s\n", peer_name(n), peer_why_not(n));
		else
			print(peer_name(n), median(peer_times[n], rounds), floor, peer_isolates(n));
	}
}

static void measure(struct spec *s, int rounds, int only)
{
	char program[] = "/bin/true";
	for (int i = 0; i < rounds; i++) {
		base[i] = bare(program);
		measure_ours(s, i, only);
		measure_peers(i, only);
	}
	report(rounds, only);
}

static void open_run(struct run **out, const char *dir, const char *blobs, int ready_ms)
{
	char work[64];
	struct err e = ERR_INIT;
	snprintf(work, sizeof work, "%s/work%d", dir, ready_ms);
	struct run_options o = { .work_dir = work,
				 .blob_dir = blobs,
				 .ready_ms = ready_ms,
				 .events = { .on_finished = on_finished } };
	if (run_open(out, &o, &e) < 0)
		die("open", &e);
	if (run_isolations(*out) & 1U << ISOLATION_CHROOT)
		return;
	fprintf(stderr, "sandbox_bench: no chroots here: %s\n", run_why_not(*out));
	exit(1);
}

int main(int argc, char **argv)
{
	char dir[] = "/tmp/sandbox-bench-XXXXXX", blobs[64], tar[200];
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 7;
	int only = argc > 2 ? (int)strtol(argv[2], NULL, 10) : -1;
	if (rounds < 1 || rounds > ROUNDS_MAX || !mkdtemp(dir) || chmod(dir, 0711) < 0)
		die("usage: sandbox_bench [ROUNDS [ROW]]", NULL);
	snprintf(blobs, sizeof blobs, "%s/blobs", dir);
	mkdir(blobs, 0755);
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	make_image(blobs);
	snprintf(tar, sizeof tar, "%s/%s", blobs, image_name);
	peers_open(dir, tar);
	open_run(&warm, dir, blobs, 0);
	open_run(&cold, dir, blobs, -1);
	const char *const program[] = { "/bin/true", NULL };
	struct spec_step step = { .name = "", .argv = program, .user = USER_BUILD };
	struct spec s = { .attempt = 1,
			  .name = "true",
			  .isolation = ISOLATION_CHROOT,
			  .target = "bench",
			  .hostname = "bench",
			  .steps = &step,
			  .steps_len = 1,
			  .grace_ms = 1000 };
	memcpy(s.image, image_name, sizeof s.image);
	for (int i = 0; i < 2; i++) {
		run = i ? cold : warm;
		begin(&s);
		wait_left(0);
	}
	measure(&s, rounds, only);
	run_close(warm);
	run_close(cold);
	fd_remove_tree(AT_FDCWD, dir, NULL);
	return failed != 0;
}

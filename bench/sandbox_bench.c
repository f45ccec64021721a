/* sandbox_bench [ROUNDS [ROW]]: what a clean chroot costs, by src/run directly: /bin/true of this machine in a sandbox with an
 * overlay of its own, without and with a network namespace, beside the same program started bare by this process. In turns;
 * medians of the rounds and their ratio. The starts are alike, one after the other, so each but the first two finds a sandbox
 * that was made during the one before; "cold": none is kept ready. ROW: that one alone, from 0.
 *
 * Each start is one attempt from run_start() to on_finished(): root made, program run, all of it taken down. */
#include <archive.h>
#include <archive_entry.h>
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

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/hash.h"
#include "model/spec.h"
#include "run/run.h"

enum { PER_ROUND = 40, ROUNDS_MAX = 200, STACK = 64 * 1024 };

static struct run *run; /* of what is measured */
static struct run *warm, *cold;
static int left, failed;
static int64_t next_job = 1;
static char *stack;

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

static void add_file(struct archive *out, const char *from, const char *to)
{
	struct stat st;
	static char room[1 << 16];
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		die(from, NULL);
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, to);
	archive_entry_set_size(entry, st.st_size);
	archive_entry_set_filetype(entry, AE_IFREG);
	archive_entry_set_perm(entry, 0755);
	archive_write_header(out, entry);
	for (ssize_t n; (n = read(fd, room, sizeof room)) > 0;)
		archive_write_data(out, room, (size_t)n);
	archive_entry_free(entry);
	close(fd);
}

static void add_link(struct archive *out, const char *name, const char *target)
{
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, AE_IFLNK);
	archive_entry_set_symlink(entry, target);
	archive_entry_set_perm(entry, 0777);
	archive_write_header(out, entry);
	archive_entry_free(entry);
}

/* Add what the dynamic loader has in this process that /bin/true needs too: the loader itself and libc. */
static void add_libraries(struct archive *out)
{
	char line[4096], path[4096], *seen[64];
	int n = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %4095s", path) != 1)
			continue;
		const char *base = strrchr(path, '/');
		if (!base || (strncmp(base, "/libc.so", 8) != 0 && strncmp(base, "/ld-linux", 9) != 0))
			continue;
		int is_known = 0;
		for (int i = 0; i < n; i++)
			is_known |= strcmp(seen[i], path) == 0;
		if (is_known || n == 64)
			continue;
		seen[n++] = strdup(path);
		add_file(out, path, path + 1);
		char loader[64];
		snprintf(loader, sizeof loader, "usr/lib%s%s", strstr(base, "x86-64") ? "64" : "", base);
		if (strncmp(base, "/ld-linux", 9) == 0)
			add_file(out, path, loader);
	}
	if (f)
		fclose(f);
}

static void make_image(const char *blobs, char sha256[65])
{
	char from[4096], to[4200];
	snprintf(from, sizeof from, "%s/new", blobs);
	struct archive *out = archive_write_new();
	archive_write_set_format_pax_restricted(out);
	if (archive_write_open_filename(out, from) != ARCHIVE_OK)
		die(from, NULL);
	add_file(out, "/bin/true", "bin/true");
	add_link(out, "lib", "usr/lib");
	add_link(out, "lib64", "usr/lib64");
	add_libraries(out);
	/* As bare: without it the loader looks in a dozen folders. */
	add_file(out, "/etc/ld.so.cache", "etc/ld.so.cache");
	archive_write_free(out);
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	int64_t size;
	struct err e = ERR_INIT;
	if (fd < 0 || hash_fd(fd, sha256, &size, &e) < 0)
		die("hash the image", &e);
	close(fd);
	snprintf(to, sizeof to, "%s/%s", blobs, sha256);
	if (rename(from, to) < 0)
		die(to, NULL);
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

static void print(const char *what, double ours, double theirs, const char *goal)
{
	printf("%-46s %9.3f ms %9.3f ms %9.2f  %s\n", what, ours, theirs, ours / theirs, goal);
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

static void measure(struct spec *s, int rounds, int only)
{
	static double base[ROUNDS_MAX], times[ROWS][ROUNDS_MAX];
	struct spec_step *step = (struct spec_step *)(void *)(uintptr_t)s->steps;
	char program[] = "/bin/true";
	for (int i = 0; i < rounds; i++) {
		base[i] = bare(program);
		for (int n = 0; n < ROWS; n++) {
			if (only >= 0 && n != only)
				continue;
			run = rows[n].is_cold ? cold : warm;
			s->scratch = rows[n].scratch;
			step->network = rows[n].network;
			times[n][i] = sandboxed(s);
		}
	}
	double floor = median(base, rounds);
	for (int n = 0; n < ROWS; n++)
		if (only < 0 || n == only)
			print(rows[n].what, median(times[n], rounds), floor, rows[n].goal);
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
	char dir[] = "/tmp/sandbox-bench-XXXXXX", blobs[64];
	int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 7;
	int only = argc > 2 ? (int)strtol(argv[2], NULL, 10) : -1;
	if (rounds < 1 || rounds > ROUNDS_MAX || !mkdtemp(dir) || chmod(dir, 0711) < 0)
		die("usage: sandbox_bench [ROUNDS [ROW]]", NULL);
	snprintf(blobs, sizeof blobs, "%s/blobs", dir);
	mkdir(blobs, 0755);
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
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
	make_image(blobs, s.image);
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

#include "peers.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"

enum { COMMANDS_MAX = 3, STACK = 64 * 1024 };

static char image[4096], root[4096], fresh[4096], said[4096];
static char into_root[4200], into_fresh[4200];

static const char *const unpack[] = { "tar", "xf", image, into_root, NULL };

static const char *const bwrap[] = { "bwrap",  "--unshare-all", "--ro-bind", root,	  "/",
				     "--proc", "/proc",		"--dev",     "/dev",	  "--tmpfs",
				     "/tmp",   "--tmpfs",	"/run",	     "/bin/true", NULL };
static const char *const bwrap_overlay[] = { "bwrap",  "--unshare-all", "--overlay-src",
					     root,     "--tmp-overlay", "/",
					     "--proc", "/proc",		"--dev",
					     "/dev",   "/bin/true",	NULL };
static const char *const nspawn[] = { "systemd-nspawn",	    "--quiet",
				      "--directory",	    root,
				      "--volatile=overlay", "--private-network",
				      "--register=no",	    "--keep-unit",
				      "--console=pipe",	    "--timezone=off",
				      "--resolv-conf=off",  "--link-journal=no",
				      "/bin/true",	    NULL };
static const char *const schroot[] = { "schroot", "--chroot", "slipway-bench", "-d", "/", "-u",
				       "root",	  "--",	      "/bin/true",     NULL };
static const char *const tar_unpack[] = { "tar", "xf", image, into_fresh, NULL };
static const char *const tar_chroot[] = { "chroot", fresh, "/bin/true", NULL };
static const char *const tar_remove[] = { "rm", "-rf", fresh, NULL };

struct peer {
	const char *name, *isolates, *package;
	int starts; /* a round: few of what is slow */
	const char *const *commands[COMMANDS_MAX];
	char why_not[512];
};

static struct peer peers[] = {
	{ "bwrap, overlay in memory",
	  "user, mount, pid, ipc, uts, cgroup and net namespaces; overlay",
	  "bubblewrap",
	  20,
	  { bwrap_overlay },
	  "" },
	{ "bwrap, root read-only, tmpfs on /tmp and /run",
	  "user, mount, pid, ipc, uts, cgroup and net namespaces; no overlay",
	  "bubblewrap",
	  20,
	  { bwrap },
	  "" },
	{ "systemd-nspawn --volatile=overlay",
	  "mount, pid, ipc, uts and net namespaces, fewer capabilities, seccomp; overlay",
	  "systemd-container",
	  2,
	  { nspawn },
	  "" },
	{ "schroot, union-type=overlay",
	  "a root of its own; overlay on disk, a session a start",
	  "schroot",
	  2,
	  { schroot },
	  "" },
	{ "tar xf, chroot, rm -r",
	  "a root of its own; unpacked anew",
	  "tar",
	  5,
	  { tar_unpack, tar_chroot, tar_remove },
	  "" },
};

static char *stack;

struct child {
	const char *const *argv;
	int null_fd, said_fd;
};

static int child(void *arg)
{
	const struct child *c = arg;
	if (dup2(c->null_fd, 0) == 0 && dup2(c->said_fd, 1) == 1 && dup2(c->said_fd, 2) == 2)
		execvp(c->argv[0], (char *const *)(uintptr_t)c->argv);
	_exit(127);
}

/* 0 if it ran and exited with 0. What it says is in the file `said`. */
static int run_command(const char *const *argv)
{
	CLEAN_FD int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	CLEAN_FD int said_fd = open(said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct child c = { argv, null_fd, said_fd };
	int status;
	if (null_fd < 0 || said_fd < 0)
		return -1;
	pid_t pid = clone(child, stack + STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, &c);
	return pid < 0 || waitpid(pid, &status, 0) != pid ? -1 : status;
}

static int start_peer(const struct peer *p)
{
	int failed = 0;
	for (int i = 0; i < COMMANDS_MAX && p->commands[i] && !failed; i++)
		failed = run_command(p->commands[i]);
	return failed;
}

static int write_text(const char *path, const char *text)
{
	CLEAN_FD int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

/* What schroot reads and writes, in folders of ours: it takes no other place for either. */
static int hide_schroot(const char *dir)
{
	static const char *const folders[] = { "conf",
					       "lib",
					       "lib/session",
					       "lib/unpack",
					       "lib/union",
					       "lib/union/overlay",
					       "lib/union/underlay" };
	char path[4200], text[4600], conf[4200], lib[4200];
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		snprintf(path, sizeof path, "%s/schroot-%s", dir, folders[i]);
		if (mkdir(path, 0755) < 0)
			return -1;
	}
	snprintf(conf, sizeof conf, "%s/schroot-conf", dir);
	snprintf(lib, sizeof lib, "%s/schroot-lib", dir);
	snprintf(path, sizeof path, "%s/bench", conf);
	snprintf(
		text, sizeof text,
		"[slipway-bench]\ntype=directory\ndirectory=%s\nunion-type=overlay\nprofile=minimal\nroot-users=root\n",
		root);
	if (write_text(path, text) < 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount(conf, "/etc/schroot/chroot.d", NULL, MS_BIND, NULL) < 0 ||
			       mount(lib, "/var/lib/schroot", NULL, MS_BIND, NULL) < 0
		       ? -1
		       : 0;
}

static bool is_installed(const char *program)
{
	const char *path = getenv("PATH");
	for (const char *p = path; p && *p; p += strspn(p, ":")) {
		char file[4096];
		int n = (int)strcspn(p, ":");
		snprintf(file, sizeof file, "%.*s/%s", n, p, program);
		if (access(file, X_OK) == 0)
			return true;
		p += n;
	}
	return false;
}

/* Once, not measured: does it work, and if not, what does it say? */
static void probe(struct peer *p)
{
	const char *program = p->commands[0][0];
	if (!is_installed(program)) {
		snprintf(p->why_not, sizeof p->why_not, "not installed (package %s)", p->package);
		return;
	}
	if (start_peer(p) == 0)
		return;
	char line[256] = "";
	CLEAN_FILE FILE *f = fopen(said, "re");
	if (f && fgets(line, sizeof line, f))
		line[strcspn(line, "\n")] = '\0';
	snprintf(p->why_not, sizeof p->why_not, "does not work here: %s", line);
}

void peers_open(const char *dir, const char *tar)
{
	snprintf(image, sizeof image, "%s", tar);
	snprintf(root, sizeof root, "%s/peer-root", dir);
	snprintf(fresh, sizeof fresh, "%s/peer-fresh", dir);
	snprintf(into_root, sizeof into_root, "--one-top-level=%s", root);
	snprintf(into_fresh, sizeof into_fresh, "--one-top-level=%s", fresh);
	snprintf(said, sizeof said, "%s/peer-said", dir);
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (stack == MAP_FAILED || run_command(unpack) != 0) {
		fprintf(stderr, "bench: cannot unpack %s\n", tar);
		exit(1);
	}
	if (geteuid() == 0 && is_installed("schroot") && hide_schroot(dir) < 0)
		perror("bench: schroot's folders");
	for (size_t i = 0; i < ARRAY_LEN(peers); i++)
		probe(&peers[i]);
}

int peers_count(void)
{
	return (int)ARRAY_LEN(peers);
}

const char *peer_name(int n)
{
	return peers[n].name;
}

const char *peer_isolates(int n)
{
	return peers[n].isolates;
}

const char *peer_why_not(int n)
{
	return *peers[n].why_not ? peers[n].why_not : NULL;
}

double peer_measure(int n)
{
	const struct peer *p = &peers[n];
	int64_t t0 = clock_boot_ns();
	for (int i = 0; i < p->starts; i++)
		if (start_peer(p) != 0)
			return -1;
	return (double)(clock_boot_ns() - t0) / 1e6 / p->starts;
}

#include "cli/doctor_checks.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/fd.h"
#include "cli/api.h"
#include "cli/fields.h"
#include "model/job.h"
#include "run/run.h"
#include "sandbox/userns.h"
#include "text/json.h"
#include "worker/worker.h"

static void say(struct doctor_finding *f, enum doctor_state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static void say(struct doctor_finding *f, enum doctor_state state, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	f->state = state;
	vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
}

static void fix(struct doctor_finding *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void fix(struct doctor_finding *f, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(f->fix, sizeof f->fix, fmt, ap);
	va_end(ap);
}

static bool always(const struct doctor *d)
{
	return true;
}

static bool never(const struct doctor *d)
{
	return false;
}

static bool for_chroots(const struct doctor *d)
{
	return d->isolations & 1U << ISOLATION_CHROOT;
}

static bool for_vms(const struct doctor *d)
{
	return d->isolations & 1U << ISOLATION_VM;
}

/* The first number of a file of the kernel's; -1: there is no such file. */
static long kernel_number(const char *path)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	return fd_read_file(AT_FDCWD, path, 4096, &text, NULL) < 0 ? -1 : strtol(text.data, NULL, 10);
}

static bool is_program(const char *name)
{
	const char *at = getenv("PATH");
	for (size_t n; at && *at; at += n + (at[n] == ':')) {
		CLEAN_BUF struct buf path = BUF_INIT;
		n = strcspn(at, ":");
		buf_add(&path, at, n);
		buf_addf(&path, "/%s", name);
		if (!path.is_failed && access(path.data, X_OK) == 0)
			return true;
	}
	return false;
}

/* Errno of unshare(flags) in a child, 0 = it works. */
static int try_unshare(int flags)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		_exit(unshare(flags) < 0 ? errno : 0);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return EAGAIN;
	return WEXITSTATUS(status);
}

/* ---- the kernel --------------------------------------------------------------------------------------------- */

static void check_kernel(struct doctor *d, struct doctor_finding *f)
{
	struct utsname u;
	int major = 0, minor = 0;
	if (uname(&u) < 0 || sscanf(u.release, "%d.%d", &major, &minor) != 2) {
		say(f, DOCTOR_LIMITED, "its version is not known");
		return;
	}
	int version = major * 1000 + minor;
	if (version >= 5014) {
		say(f, DOCTOR_OK, "Linux %s", u.release);
		return;
	}
	say(f, version >= 5011 ? DOCTOR_LIMITED : DOCTOR_MISSING, "Linux %s: %s", u.release,
	    version >= 5011 ? "trees of processes are killed one by one before 5.14"
			    : "chroots need 5.11, for overlays in a user namespace");
	fix(f, "apt-get install linux-image-%s", arch_native());
}

static void check_userns(struct doctor *d, struct doctor_finding *f)
{
	static const struct {
		const char *path, *fix;
		long bad;
	} switches[] = {
		{ "/proc/sys/user/max_user_namespaces", "sysctl -w user.max_user_namespaces=10000", 0 },
		{ "/proc/sys/kernel/unprivileged_userns_clone",
		  "sysctl -w kernel.unprivileged_userns_clone=1", 0 },
		{ "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
		  "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", 1 },
	};
	int sys = try_unshare(CLONE_NEWUSER);
	if (!sys) {
		say(f, DOCTOR_OK, "can be made");
		return;
	}
	say(f, DOCTOR_MISSING, "the kernel refuses them (%s): no chroots", strerrordesc_np(sys));
	for (size_t i = 0; i < ARRAY_LEN(switches) && !*f->fix; i++)
		if (kernel_number(switches[i].path) == switches[i].bad)
			fix(f, "%s", switches[i].fix);
}

static void check_netns(struct doctor *d, struct doctor_finding *f)
{
	int sys = try_unshare(CLONE_NEWUSER | CLONE_NEWNET);
	if (!sys) {
		say(f, DOCTOR_OK, "a step can be cut off from the network");
		return;
	}
	say(f, DOCTOR_MISSING, "steps cannot be cut off from the network (%s)", strerrordesc_np(sys));
	if (kernel_number("/proc/sys/user/max_net_namespaces") == 0)
		fix(f, "sysctl -w user.max_net_namespaces=10000");
}

static void check_ids(struct doctor *d, struct doctor_finding *f)
{
	struct err e = ERR_INIT;
	struct userns_range r;
	bool is_root = geteuid() == 0;
	if (userns_find_range(&r, &e) < 0) {
		const char *user = getenv("USER");
		say(f, DOCTOR_MISSING, "%s: no chroots", e.text);
		fix(f, "usermod --add-subuids 100000-165535 --add-subgids 100000-165535 %s",
		    user && *user ? user : "$USER");
	} else if (!is_root && (!is_program("newuidmap") || !is_program("newgidmap"))) {
		say(f, DOCTOR_MISSING, "newuidmap is not installed: no chroots but for root");
		fix(f, "apt-get install uidmap");
	} else {
		say(f, DOCTOR_OK, "%d from %u on", USERNS_IDS, (unsigned)r.uid);
	}
}

static void check_overlay(struct doctor *d, struct doctor_finding *f)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	if (fd_read_file(AT_FDCWD, "/proc/filesystems", 65536, &text, NULL) == 0 &&
	    strstr(text.data, "\toverlay\n")) {
		say(f, DOCTOR_OK, "a clean root needs no copy");
		return;
	}
	say(f, DOCTOR_MISSING, "the kernel has not loaded it: no chroots");
	fix(f, "modprobe overlay && echo overlay >/etc/modules-load.d/overlay.conf");
}

static void check_seccomp(struct doctor *d, struct doctor_finding *f)
{
	unsigned action = SECCOMP_RET_KILL_PROCESS;
	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0)
		say(f, DOCTOR_OK, "system calls of build steps are filtered");
	else
		say(f, DOCTOR_MISSING, "this kernel cannot filter system calls: no chroots");
}

/* The real thing, in a folder that goes again: everything above together, and whatever else may be in the way. */
static void check_chroot(struct doctor *d, struct doctor_finding *f)
{
	char dir[] = "/tmp/slipway-doctor-XXXXXX";
	struct err e = ERR_INIT;
	struct run *run = NULL;
	const struct run_options o = { .work_dir = dir, .ready_ms = -1 };
	if (!mkdtemp(dir)) {
		say(f, DOCTOR_LIMITED, "it could not be tried: no folder can be made in /tmp");
		return;
	}
	if (run_open(&run, &o, &e) < 0)
		say(f, DOCTOR_MISSING, "a runner cannot start here: %s", e.text);
	else if (run_isolations(run) & 1U << ISOLATION_CHROOT)
		say(f, DOCTOR_OK, "works here");
	else
		say(f, DOCTOR_MISSING, "does not work here: %s", run_why_not(run));
	run_close(run);
	fd_remove_tree(AT_FDCWD, dir, NULL);
}

static void check_kvm(struct doctor *d, struct doctor_finding *f)
{
	if (access("/dev/kvm", R_OK | W_OK) == 0) {
		say(f, DOCTOR_OK, "/dev/kvm can be used");
	} else if (errno == ENOENT) {
		say(f, DOCTOR_MISSING,
		    "no /dev/kvm: the processor or its firmware does not offer it, or nobody loaded it");
		fix(f, "modprobe kvm_intel || modprobe kvm_amd");
	} else {
		say(f, DOCTOR_MISSING, "/dev/kvm is there, and not for this user");
		fix(f, "usermod -aG kvm %s", getenv("USER") ? getenv("USER") : "$USER");
	}
}

/* ---- limits ------------------------------------------------------------------------------------------------- */

static void look_at_groups(struct doctor *d)
{
	char tag[32];
	snprintf(tag, sizeof tag, "doctor-%d", (int)getpid());
	cgroup_open(&d->cgroup, tag);
	cgroup_sweep(&d->cgroup);
}

static void check_cgroup(struct doctor *d, struct doctor_finding *f)
{
	look_at_groups(d);
	const char *mode = cgroup_mode_name(d->cgroup.mode);
	if (d->cgroup.is_killing) {
		say(f, DOCTOR_OK, "%s; the processes of a job are killed at one stroke", mode);
		return;
	}
	say(f, DOCTOR_LIMITED,
	    "%s; no groups can be made in v2: the processes of a job are killed one by one", mode);
	if (geteuid() != 0)
		fix(f, "systemd-run --user -p Delegate=yes slipway worker …");
	else
		fix(f, "mount -t cgroup2 none /sys/fs/cgroup");
}

static void check_limit(const struct doctor *d, struct doctor_finding *f, bool is_there, bool is_v2,
			const char *controller, const char *instead)
{
	if (is_there) {
		say(f, DOCTOR_OK, "enforced by cgroup %s", is_v2 ? "v2" : "v1");
		return;
	}
	say(f, DOCTOR_LIMITED, "a job's limit is not enforced%s", instead);
	if (geteuid() != 0)
		fix(f, "systemd-run --user -p Delegate=yes slipway worker …");
	else
		fix(f, "echo +%s >/sys/fs/cgroup/cgroup.subtree_control", controller);
}

static void check_memory(struct doctor *d, struct doctor_finding *f)
{
	check_limit(d, f, d->cgroup.is_memory, d->cgroup.is_v2_memory, "memory", "");
}

static void check_pids(struct doctor *d, struct doctor_finding *f)
{
	check_limit(d, f, d->cgroup.is_pids, d->cgroup.is_v2_pids, "pids", "");
}

/* ---- the machine -------------------------------------------------------------------------------------------- */

/* The folder may not exist yet: what holds it does. */
static int look_at_disk(const char *dir, struct statvfs *v)
{
	CLEAN_FREE char *path = strdup(dir);
	while (path && statvfs(path, v) < 0) {
		char *slash = strrchr(path, '/');
		if (errno != ENOENT || !slash)
			return -1;
		slash[slash == path] = '\0';
	}
	return path ? 0 : -1;
}

static void check_disk(struct doctor *d, struct doctor_finding *f)
{
	struct statvfs v;
	char has[SHOW_BYTES], needs[SHOW_BYTES];
	if (look_at_disk(d->work_dir, &v) < 0) {
		say(f, DOCTOR_MISSING, "%s: %s", d->work_dir, strerrordesc_np(errno));
		return;
	}
	int64_t free_bytes = (int64_t)v.f_bavail * (int64_t)v.f_frsize,
		total = (int64_t)v.f_blocks * (int64_t)v.f_frsize,
		least = d->min_free_bytes < 0 ? worker_min_free_bytes(total) : d->min_free_bytes;
	show_size(free_bytes, has);
	show_size(least, needs);
	if (free_bytes >= least) {
		say(f, DOCTOR_OK, "%s has %s free", d->work_dir, has);
		return;
	}
	say(f, DOCTOR_MISSING, "%s has %s free, less than %s (worker --min-free): no job is taken",
	    d->work_dir, has, needs);
	fix(f, "du -xh --max-depth=2 %s | sort -h | tail", d->work_dir);
}

static void check_clock(struct doctor *d, struct doctor_finding *f)
{
	struct timex t = { .modes = 0 };
	if (adjtimex(&t) != TIME_ERROR && !(t.status & STA_UNSYNC)) {
		say(f, DOCTOR_OK, "is kept right");
		return;
	}
	/* Leases do not depend on it; file times, and what a build writes into its packages, do. */
	say(f, DOCTOR_LIMITED, "nothing keeps it right; files of builds may get wrong times");
	fix(f, "apt-get install systemd-timesyncd");
}

static void check_program(struct doctor_finding *f, const char *program, const char *package, const char *use)
{
	if (is_program(program)) {
		say(f, DOCTOR_OK, "is there (%s)", use);
		return;
	}
	say(f, DOCTOR_MISSING, "is not installed (%s)", use);
	fix(f, "apt-get install %s", package);
}

static void check_mmdebstrap(struct doctor *d, struct doctor_finding *f)
{
	check_program(f, "mmdebstrap", "mmdebstrap", "makes targets");
}

static void check_git(struct doctor *d, struct doctor_finding *f)
{
	check_program(f, "git", "git", "recipes and imports");
}

static void check_recipe(struct doctor *d, struct doctor_finding *f)
{
	check_program(f, "git-build-recipe", "git-build-recipe", "recipes");
}

static void check_dpkg(struct doctor *d, struct doctor_finding *f)
{
	check_program(f, "dpkg-source", "dpkg-dev", "recipes");
}

static void check_zstd(struct doctor *d, struct doctor_finding *f)
{
	check_program(f, "zstd", "zstd", "makes targets");
}

/* ---- the server --------------------------------------------------------------------------------------------- */

static bool if_named(const struct doctor *d)
{
	return d->server != NULL;
}

static void check_server(struct doctor *d, struct doctor_finding *f)
{
	struct err e = ERR_INIT;
	struct api *api = NULL;
	CLEAN_JSON json_t *status = NULL;
	if (!d->server) {
		say(f, DOCTOR_OK, "none was named (--server)");
		return;
	}
	if (api_open(&api, d->server, &e) == 0)
		status = api_get(api, "/v1/status", NULL, &e);
	if (status)
		say(f, DOCTOR_OK, "%s answers, version %s", d->server, field_text(status, "version"));
	else
		say(f, DOCTOR_MISSING, "%s", e.text);
	api_free(api);
}

const struct doctor_check doctor_checks[] = {
	{ "kernel", check_kernel, for_chroots },
	{ "user namespaces", check_userns, for_chroots },
	{ "subordinate ids", check_ids, for_chroots },
	{ "overlay", check_overlay, for_chroots },
	{ "seccomp", check_seccomp, for_chroots },
	{ "network namespaces", check_netns, never },
	{ "chroot", check_chroot, for_chroots },
	{ "kvm", check_kvm, for_vms },
	{ "cgroup", check_cgroup, never },
	{ "limit memory", check_memory, never },
	{ "limit pids", check_pids, never },
	{ "disk", check_disk, always },
	{ "clock", check_clock, never },
	{ "mmdebstrap", check_mmdebstrap, never },
	{ "zstd", check_zstd, never },
	{ "git", check_git, never },
	{ "git-build-recipe", check_recipe, never },
	{ "dpkg-source", check_dpkg, never },
	{ "server", check_server, if_named },
	{ NULL, NULL, NULL },
};

const char *doctor_state_name(enum doctor_state s)
{
	static const char *const names[] = {
		[DOCTOR_OK] = "ok", [DOCTOR_LIMITED] = "limited", [DOCTOR_MISSING] = "missing"
	};
	return names[s];
}

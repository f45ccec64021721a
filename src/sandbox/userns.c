#include "sandbox/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "sandbox/raw.h"

extern char **environ;

/* A line "user:first:count" of a file, by name or number of the user. */
static bool find_sub_range(const char *file, const char *user, uid_t uid, uint32_t *first)
{
	CLEAN_FILE FILE *f = fopen(file, "re");
	char line[256], number[16];
	snprintf(number, sizeof number, "%u", (unsigned)uid);
	while (f && fgets(line, sizeof line, f)) {
		char *colon = strchr(line, ':');
		if (!colon)
			continue;
		*colon = '\0';
		unsigned start, count;
		if (sscanf(colon + 1, "%u:%u", &start, &count) != 2 || count < USERNS_IDS)
			continue;
		if ((user && strcmp(line, user) == 0) || strcmp(line, number) == 0) {
			*first = start;
			return true;
		}
	}
	return false;
}

int userns_find_range(struct userns_range *r, struct err *e)
{
	uid_t uid = geteuid();
	char room[4096];
	struct passwd pw, *got = NULL;
	getpwuid_r(uid, &pw, room, sizeof room, &got);
	const char *user = got ? got->pw_name : NULL;
	if (find_sub_range("/etc/subuid", user, uid, &r->uid) &&
	    find_sub_range("/etc/subgid", user, uid, &r->gid))
		return 0;
	if (uid != 0)
		return err_set(e, ERR_UNSUPPORTED, "%s has no range of %d ids in /etc/subuid and /etc/subgid",
			       user ? user : "this user", USERNS_IDS);
	r->uid = r->gid = USERNS_ROOT_BASE;
	return 0;
}

static int write_map(pid_t pid, const char *file, uint32_t first, struct err *e)
{
	char path[64], text[64];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	snprintf(text, sizeof text, "0 %u %d\n", (unsigned)first, USERNS_IDS);
	CLEAN_FD int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return err_sys(e, "map ids of the namespace (%s)", file);
	return 0;
}

/* newuidmap PID inside outside count…: the set-id program that may map what /etc/subuid grants. */
static int run_newmap(const char *program, pid_t pid, const uint32_t *own, uint32_t first, struct err *e)
{
	char text[8][16], *argv[10];
	int n = 0;
	snprintf(text[n++], 16, "%d", (int)pid);
	if (own) {
		snprintf(text[n++], 16, "0");
		snprintf(text[n++], 16, "%u", (unsigned)*own);
		snprintf(text[n++], 16, "1");
	}
	snprintf(text[n++], 16, "%d", own ? 1 : 0);
	snprintf(text[n++], 16, "%u", (unsigned)first);
	snprintf(text[n++], 16, "%d", own ? USERNS_IDS - 1 : USERNS_IDS);
	char name[16];
	snprintf(name, sizeof name, "%s", program);
	argv[0] = name;
	for (int i = 0; i < n; i++)
		argv[i + 1] = text[i];
	argv[n + 1] = NULL;
	pid_t child;
	int sys = posix_spawnp(&child, program, NULL, NULL, argv, environ), status;
	if (sys) {
		errno = sys;
		return err_sys(e, "run %s", program);
	}
	if (waitpid(child, &status, 0) != child || status != 0)
		return err_set(e, ERR_UNSUPPORTED, "%s refused the range %u", program, (unsigned)first);
	return 0;
}

/* `is_own_root`: our own ids are 0 inside and the range follows, for giving a folder away. */
static int map_ids(pid_t pid, const struct userns_range *r, bool is_own_root, struct err *e)
{
	if (geteuid() == 0 && !is_own_root)
		return write_map(pid, "uid_map", r->uid, e) < 0 ? -1 : write_map(pid, "gid_map", r->gid, e);
	uint32_t uid = geteuid(), gid = getegid();
	if (run_newmap("newuidmap", pid, is_own_root ? &uid : NULL, r->uid, e) < 0)
		return -1;
	return run_newmap("newgidmap", pid, is_own_root ? &gid : NULL, r->gid, e);
}

/* A child that goes on only when the parent has written its maps. */
static pid_t fork_mapped(uint64_t flags, const struct userns_range *r, bool is_own_root, struct err *e)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	struct clone_args args = { .flags = flags, .exit_signal = SIGCHLD };
	/* As fork(): no CLONE_VM, the child has a stack of its own. */
	long pid = raw2(SYS_clone3, RAW_P(&args), sizeof args);
	if (pid == 0) {
		char go;
		close(ends[1]);
		if (read(ends[0], &go, 1) != 1)
			_exit(1);
		close(ends[0]);
		if (raw3(SYS_setresgid, 0, 0, 0) < 0 || raw3(SYS_setresuid, 0, 0, 0) < 0 ||
		    raw2(SYS_setgroups, 0, 0) < 0)
			_exit(1);
		return 0;
	}
	close(ends[0]);
	CLEAN_FD int go = ends[1];
	if (pid < 0) {
		errno = (int)-pid;
		return err_sys(e, "make a user namespace");
	}
	if (map_ids((pid_t)pid, r, is_own_root, e) < 0 || write(go, "", 1) != 1) {
		close(take_fd(&go));
		waitpid((pid_t)pid, NULL, 0);
		return -1;
	}
	return (pid_t)pid;
}

pid_t userns_fork(const struct userns_range *r, struct err *e)
{
	return fork_mapped(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS, r, false,
			   e);
}

/* Only its owner in both worlds may do this: a helper namespace in which we are root and the range is mapped too. */
static int give_by_helper(int fd, const struct userns_range *r, struct err *e)
{
	pid_t pid = fork_mapped(CLONE_NEWUSER, r, true, e);
	if (pid < 0)
		return -1;
	if (pid == 0)
		_exit(fchown(fd, 1, 1) < 0 ? 1 : 0);
	int status;
	if (waitpid(pid, &status, 0) != pid || status != 0)
		return err_set(e, ERR_UNSUPPORTED, "a folder could not be given to the mapped ids");
	return 0;
}

int userns_give(int dirfd, const char *name, const struct userns_range *r, struct err *e)
{
	/* Whatever the mask is: the owner must be able to enter what will be another's. */
	bool is_new = mkdirat(dirfd, name, 0711) == 0;
	if (is_new ? fchmodat(dirfd, name, 0711, 0) < 0 : errno != EEXIST)
		return err_sys(e, "make %s", name);
	CLEAN_FD int fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(e, "open %s", name);
	if (st.st_uid == r->uid && st.st_gid == r->gid)
		return 0;
	if (geteuid() != 0) {
		CLEAN_FD int real = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		return real < 0 ? err_sys(e, "open %s", name) : give_by_helper(real, r, e);
	}
	if (fchownat(fd, "", r->uid, r->gid, AT_EMPTY_PATH) < 0)
		return err_sys(e, "give %s to the mapped ids", name);
	return 0;
}

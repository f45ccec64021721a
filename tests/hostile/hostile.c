/* The programs as such: which there are, and what they do where nothing holds them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "rig.h"
#include "text/json.h"
#include "hostile.h"

enum { PROBES_MAX = 1000, CONTROL_S = 20 };

static void path_of(const char *name, char path[400])
{
	snprintf(path, 400, "%s/%s", getenv("SLIPWAY_PROBES"), name);
}

static json_t *ask(const char *name)
{
	struct err e = ERR_INIT;
	char path[400], text[4096];
	int ends[2];
	path_of(name, path);
	if (pipe2(ends, O_CLOEXEC) < 0)
		tap_die("pipe");
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		execl(path, name, "--about", (char *)NULL);
		_exit(127);
	}
	close(ends[1]);
	CLEAN_FILE FILE *f = fdopen(ends[0], "r");
	size_t n = f ? fread(text, 1, sizeof text, f) : 0;
	waitpid(pid, NULL, 0);
	json_t *about = json_parse(name, text, n, &e);
	if (!about)
		tap_die("%s: %s", path, e.text);
	return about;
}

static int rank(const struct hostile *h)
{
	static const char *const classes[] = { "escape", "exhaustion", "lie", "terminal" };
	int i = 0;
	while (i < (int)ARRAY_LEN(classes) && strcmp(text_in(h->about, "class"), classes[i]) != 0)
		i++;
	return i;
}

static int by_class(const void *a, const void *b)
{
	const struct hostile *x = a, *y = b;
	int c = rank(x) - rank(y);
	return c ? c : strcmp(x->name, y->name);
}

struct hostile *hostile_list(size_t *len)
{
	char path[400];
	const char *only = getenv("SLIPWAY_HOSTILE");
	struct hostile *list = calloc(PROBES_MAX, sizeof *list);
	snprintf(path, sizeof path, "%s/tests/hostile/probes", getenv("SLIPWAY_SRC"));
	CLEAN_DIR DIR *d = opendir(path);
	*len = 0;
	for (struct dirent *entry; d && list && *len < PROBES_MAX && (entry = readdir(d));) {
		size_t n = strlen(entry->d_name);
		struct hostile *h = &list[*len];
		if (n < 3 || n > sizeof h->name || strcmp(entry->d_name + n - 2, ".c") != 0)
			continue;
		snprintf(h->name, sizeof h->name, "%.*s", (int)(n - 2), entry->d_name);
		if (only && !strstr(h->name, only))
			continue;
		h->about = ask(h->name);
		++*len;
	}
	if (!*len)
		tap_die("there are no programs in %s", path);
	qsort(list, *len, sizeof *list, by_class);
	return list;
}

void hostile_free(struct hostile *list, size_t len)
{
	for (size_t i = 0; i < len; i++)
		json_decref(list[i].about);
	free(list);
}

bool hostile_is(const struct hostile *h, const char *flag)
{
	return number_in(h->about, flag) != 0;
}

bool hostile_is_for(const struct hostile *h, int step)
{
	/* As in enum probe_as. */
	int64_t as = number_in(h->about, "as");
	return as == 0 || as == (step == STEP_BUILD ? 1 : 2);
}

/* Root, with all rights, but with mounts, processes and a host name apart: what it breaks there is not the machine's. */
static void run_unheld(const char *path, const char *name, int out)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS) < 0)
		_exit(96);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		    mount("proc", "/proc", "proc", 0, NULL) < 0 || chdir("/tmp") < 0)
			_exit(96);
		dup2(out, STDOUT_FILENO);
		dup2(out, 9);
		/* Its pid 1 must be another program. */
		pid = fork();
		if (pid == 0) {
			alarm(CONTROL_S);
			execl(path, name, (char *)NULL);
			_exit(96);
		}
		close(9);
		waitpid(pid, NULL, 0);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	_exit(0);
}

bool hostile_gets_through(const struct hostile *h, char *text, size_t size)
{
	char path[400], line[1000];
	bool is_through = false;
	int ends[2];
	path_of(h->name, path);
	if (pipe2(ends, O_CLOEXEC) < 0)
		tap_die("pipe");
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		run_unheld(path, h->name, ends[1]);
	close(ends[1]);
	CLEAN_FILE FILE *f = fdopen(ends[0], "r");
	snprintf(text, size, "nothing");
	while (f && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = '\0';
		snprintf(text, size, "%s", line);
		is_through |= strncmp(line, "BROKEN: ", 8) == 0;
	}
	waitpid(pid, NULL, 0);
	unlink("/tmp/zero");
	rmdir("/tmp/inner");
	return is_through;
}

/* Inputs: copied from the folder of blobs into the attempt's folder. The owner opens the blobs, because a task in the held
 * namespace may not, and hands over one at a time, as the task asks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/fd.h"
#include "base/path.h"
#include "run/driver_priv.h"
#include "run/run_priv.h"
#include "run/task_priv.h"

/* The folders of a/b/c, made beneath dir. Each part is entered by descriptor, none may be a link. */
static int open_parent(int dir, const char *path, const char **base, uid_t uid, struct err *e)
{
	CLEAN_FD int at = dup(dir);
	for (const char *slash; at >= 0 && (slash = strchr(path, '/')) != NULL; path = slash + 1) {
		char part[NAME_MAX + 1];
		snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
		if (mkdirat(at, part, 0755) == 0) {
			if (uid && fchownat(at, part, uid, uid, AT_SYMLINK_NOFOLLOW) < 0)
				return err_sys(e, "give %s to the build user", part);
		} else if (errno != EEXIST) {
			return err_sys(e, "make the folder %s", part);
		}
		int next = openat(at, part, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0)
			return err_sys(e, "open the folder %s", part);
		close(at);
		at = next;
	}
	*base = path;
	return at < 0 ? err_sys(e, "dup") : take_fd(&at);
}

static int copy_bytes(int from, int to, struct err *e)
{
	for (;;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
		if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS))
			n = sendfile(to, from, NULL, 1 << 30);
		if (n < 0 && errno != EINTR)
			return err_sys(e, "copy");
		if (n == 0)
			return 0;
	}
}

static int copy_input(int dir, const char *name, int mode, int from, uid_t uid, struct err *e)
{
	const char *base = name;
	CLEAN_FD int parent = open_parent(dir, name, &base, uid, e);
	if (parent < 0)
		return -1;
	CLEAN_FD int to = openat(parent, base, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (to < 0)
		return err_sys(e, "make it");
	if (copy_bytes(from, to, e) < 0)
		return -1;
	if (uid && fchown(to, uid, uid) < 0)
		return err_sys(e, "give it to the build user");
	return fchmod(to, (mode_t)mode & 0777) < 0 ? err_sys(e, "set its mode") : 0;
}

void inputs_task(int sock, const void *arg, size_t len, const int *fds, int fds_len, int root_fd)
{
	(void)arg;
	(void)len;
	char *room = malloc(TASK_PACKET_MAX + 1);
	struct err e = ERR_INIT;
	int dir = fds_len	? fds[0]
		  : root_fd < 0 ? -1
				: fd_open_beneath(root_fd, "job", O_RDONLY | O_DIRECTORY, &e);
	uid_t uid = fds_len ? 0 : SPAWNER_BUILD_UID;
	if (dir < 0 || !room) {
		task_fail(sock, REASON_INTERNAL, "there is no folder for the inputs");
		return;
	}
	while (task_send(sock, 'n', NULL, 0, NULL, 0, -1) == 0) {
		struct task_input in;
		int from;
		long n = task_receive(sock, room, &from, 0);
		if (n <= 0)
			return;
		if (n < (long)(1 + sizeof in) || from < 0)
			return;
		memcpy(&in, room + 1, sizeof in);
		const char *name = room + 1 + sizeof in;
		if (copy_input(dir, name, in.mode, from, uid, &e) < 0) {
			err_wrap(&e, "input %s", name);
			task_fail(sock, REASON_INPUT, e.text);
			return;
		}
		close(from);
	}
}

void inputs_begin(struct run_attempt *a)
{
	struct err e = ERR_INIT;
	int dir = a->driver->folder_fd(a);
	a->inputs_sent = 0;
	if (spawner_task(a->driver->spawner(a), TASK_INPUTS, a->slot, NULL, 0, &dir, dir >= 0, &a->task,
			 &e) == 0 &&
	    run_watch(a->run, a->task, SOURCE_TASK, a->slot, &e) == 0)
		return;
	attempt_fail(a, REASON_INTERNAL, "%s", e.text);
	if (a->task >= 0)
		close(a->task);
	a->task = -1;
}

static void end_task(struct run_attempt *a)
{
	close(a->task);
	a->task = -1;
}

static void send_next(struct run_attempt *a)
{
	if (a->inputs_sent == a->spec.inputs_len) {
		end_task(a);
		return;
	}
	const struct job_input *in = &a->spec.inputs[a->inputs_sent++];
	struct task_input head = { .mode = in->mode };
	CLEAN_FD int fd = openat(a->run->blob_fd, in->sha256, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	if (fd < 0 || fstat(fd, &st) < 0) {
		attempt_fail(a, REASON_INPUT, "input %s is not there", in->name);
		end_task(a);
	} else if (!S_ISREG(st.st_mode) || (in->size_bytes && st.st_size != in->size_bytes)) {
		attempt_fail(a, REASON_INPUT, "input %s is not of the size it must be", in->name);
		end_task(a);
	} else if (task_send(a->task, 'I', &head, sizeof head, in->name, strlen(in->name) + 1, fd) < 0) {
		attempt_fail(a, REASON_INTERNAL, "input %s could not be handed over", in->name);
		end_task(a);
	}
}

void inputs_on_task(struct run_attempt *a)
{
	while (a->task >= 0) {
		int fd, reason;
		char *room = a->run->room;
		long n = task_receive(a->task, room, &fd, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n > (long)sizeof reason && room[0] == 'x') {
			memcpy(&reason, room + 1, sizeof reason);
			attempt_fail(a, (enum job_reason)reason, "%s", room + 1 + sizeof reason);
			end_task(a);
		} else if (n == 1 && room[0] == 'n') {
			send_next(a);
		} else {
			attempt_fail(a, REASON_INTERNAL, "the copying of inputs broke off");
			end_task(a);
		}
		if (fd >= 0)
			close(fd);
	}
}

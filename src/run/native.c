/* Native attempts: an ordinary process in the slot's folder. */
#include <fcntl.h>
#include <unistd.h>

#include "run/driver_priv.h"
#include "run/run_priv.h"

static int prepare(struct run_attempt *a, struct err *e)
{
	if (a->spec.limits.disk_bytes)
		pump_note(a, "without a chroot the limit of %lld bytes of disk holds for each file alone",
			  (long long)a->spec.limits.disk_bytes);
	if (a->spec.limits.inodes)
		pump_note(a, "without a chroot the limit of %lld files is not kept",
			  (long long)a->spec.limits.inodes);
	return folder_ready(a->run, a->slot, e) < 0 ? -1 : driver_limits(a, e);
}

static int folder_fd(const struct run_attempt *a)
{
	return a->run->folders[a->slot].fd;
}

static int start_step(struct run_attempt *a, const struct spec_step *step, int out_fd, struct err *e)
{
	const struct job_limits *l = &a->spec.limits;
	struct spawner_start p = {
		.id = a->id,
		.slot = a->slot,
		.argv = step->argv,
		.envp = driver_environment(a, step, a->run->folders[a->slot].path),
		.out_fd = out_fd,
		.cgroup_fd = a->limits.dir_fd,
		.procs_fds = { a->limits.procs[0], a->limits.procs[1], a->limits.procs[2], -1 },
		.files = l->files,
		.cpu_s = (l->cpu_ms + 999) / 1000,
		.file_bytes = l->disk_bytes,
	};
	if (!p.envp)
		return err_set(e, ERR_NOMEM, "out of memory");
	return spawner_start(a->run->native, &p, e);
}

static struct spawner *spawner(const struct run_attempt *a)
{
	return a->run->native;
}

static void inspect(struct run_attempt *a, bool *has_files, bool *has_result)
{
	struct folder *f = &a->run->folders[a->slot];
	*has_files = *has_result = false;
	if (!f->path || folder_is_clean(f))
		return;
	/* What exactly is there is the collector's to find out. */
	*has_files = true;
	*has_result = faccessat(f->fd, "result.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void clean(struct run_attempt *a)
{
	struct folder *f = &a->run->folders[a->slot];
	if (f->path && !folder_is_clean(f))
		folder_drop(a->run, a->slot);
}

const struct driver driver_native = {
	.prepare = prepare,
	.folder_fd = folder_fd,
	.start_step = start_step,
	.spawner = spawner,
	.inspect = inspect,
	.clean = clean,
};

/* Chroot attempts: a sandbox over an unpacked image. */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "run/driver_priv.h"
#include "run/run_priv.h"

enum {
	SCRATCH_DEFAULT_BYTES = 1 << 30,
	RESOLV_MAX = 16 * 1024,
};

static bool needs_network(const struct spec *s)
{
	for (size_t i = 0; i < s->steps_len; i++)
		if (s->steps[i].network != NETWORK_NONE)
			return true;
	return false;
}

/* The host's names, for steps that share its network; else only the loopback's. */
static const char *hosts_text(struct run_attempt *a)
{
	const char *name = *a->spec.hostname ? a->spec.hostname : "slipway";
	return arena_printf(&a->arena, "127.0.0.1\tlocalhost\n127.0.1.1\t%s\n::1\tlocalhost ip6-localhost\n",
			    name);
}

bool chroot_is_on_disk(const struct run_attempt *a)
{
	return a->spec.scratch == SCRATCH_DISK || a->run->is_disk_only;
}

static int open_root(struct run_attempt *a, struct err *e)
{
	const struct spec *s = &a->spec;
	CLEAN_BUF struct buf resolv = BUF_INIT;
	bool has_resolv = needs_network(s) &&
			  fd_read_file(AT_FDCWD, "/etc/resolv.conf", RESOLV_MAX, &resolv, NULL) == 0;
	int64_t bytes = s->limits.disk_bytes ? s->limits.disk_bytes : SCRATCH_DEFAULT_BYTES;
	struct spawner_root root = {
		.id = a->id,
		.slot = a->slot,
		.image = s->image,
		.scratch = chroot_is_on_disk(a) ? SPAWNER_SCRATCH_DISK : SPAWNER_SCRATCH_MEMORY,
		.memory_bytes = bytes,
		.inodes = s->limits.inodes,
		.hosts = hosts_text(a),
		.resolv_conf = has_resolv ? resolv.data : NULL,
	};
	a->is_root_open = true;
	return spawner_root_open(a->run->chroot, &root, e);
}

static int prepare(struct run_attempt *a, struct err *e)
{
	if (!a->run->is_chroot_ready) {
		attempt_fail(a, REASON_INTERNAL, "this worker cannot run chroots: %s", a->run->why_not);
		return 0;
	}
	if (!a->image)
		a->image = image_take(a->run, a->spec.image, e);
	if (!a->image) {
		attempt_fail(a, REASON_TARGET, "%s", e->text);
		return 0;
	}
	if (!a->image->is_ready)
		return 0;
	return driver_limits(a, e) < 0 ? -1 : open_root(a, e);
}

static int folder_fd(const struct run_attempt *a)
{
	(void)a;
	return -1;
}

static int start_step(struct run_attempt *a, const struct spec_step *step, int out_fd, struct err *e)
{
	const struct job_limits *l = &a->spec.limits;
	const struct cgroup_limits *c = &a->limits;
	struct spawner_start p = {
		.id = a->id,
		.slot = a->slot,
		.argv = step->argv,
		.envp = driver_environment(a, step, "/job"),
		.out_fd = out_fd,
		.cgroup_fd = -1,
		/* The namespace's root may not place anybody in a group of the host, but a descriptor opened by
		 * us carries our right. */
		.procs_fds = { c->v2_procs, c->procs[0], c->procs[1], c->procs[2] },
		.files = l->files,
		.cpu_s = (l->cpu_ms + 999) / 1000,
		.file_bytes = chroot_is_on_disk(a) ? l->disk_bytes : 0,
		.is_root = step->user == USER_ROOT,
		.net = step->network == NETWORK_NONE ? SPAWNER_NET_NONE : SPAWNER_NET_HOST,
		.hostname = *a->spec.hostname ? a->spec.hostname : "slipway",
	};
	if (!p.envp)
		return err_set(e, ERR_NOMEM, "out of memory");
	return spawner_start(a->run->chroot, &p, e);
}

static struct spawner *spawner(const struct run_attempt *a)
{
	return a->run->chroot;
}

static void inspect(struct run_attempt *a, bool *has_files, bool *has_result)
{
	*has_files = a->is_root_open;
	*has_result = a->has_result;
}

static void clean(struct run_attempt *a)
{
	if (a->is_root_open)
		spawner_root_close(a->run->chroot, a->slot, NULL);
	a->is_root_open = false;
}

const struct driver driver_chroot = {
	.prepare = prepare,
	.folder_fd = folder_fd,
	.start_step = start_step,
	.spawner = spawner,
	.inspect = inspect,
	.clean = clean,
};

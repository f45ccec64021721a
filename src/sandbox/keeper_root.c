/* File systems in the held namespace. Its private root holds nothing but our own:
 *
 *   w/  the folder given to the namespace: images/SHA, scratch/SERIAL, trash/
 *   t/SERIAL a scratch in memory
 *   dev a ready read-only /dev that each sandbox moves into its own root
 *   proc
 *
 * A scratch holds u and k, the upper and work folders of the overlay, and m, where the merged root is mounted: so what is
 * in memory is taken down by one unmount, each of which waits for all processors of the machine.
 *
 * Mount points in a sandbox's root (dev, proc, job, etc) are made in the upper layer before it is mounted, so they are
 * folders whatever the image has in those places: no path is ever walked through an image. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/fd.h"
#include "sandbox/keeper_priv.h"

enum { OWN_INODES = 64 }; /* what we and the overlay make in a scratch; a guess that is large enough */

static const char *const devices[] = { "null", "zero", "full", "random", "urandom", "tty" };
static const struct {
	const char *name, *target;
} dev_links[] = {
	{ "fd", "/proc/self/fd" },	 { "stdin", "/proc/self/fd/0" }, { "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" }, { "ptmx", "pts/ptmx" },
};

static int make_devices(struct err *e)
{
	if (mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k") < 0)
		return err_sys(e, "mount a /dev");
	for (size_t i = 0; i < ARRAY_LEN(devices); i++) {
		char from[32], to[32];
		snprintf(from, sizeof from, "/dev/%s", devices[i]);
		snprintf(to, sizeof to, "dev/%s", devices[i]);
		CLEAN_FD int fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0666);
		if (fd < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0)
			return err_sys(e, "bind %s", from);
	}
	for (size_t i = 0; i < ARRAY_LEN(dev_links); i++) {
		char to[32];
		snprintf(to, sizeof to, "dev/%s", dev_links[i].name);
		if (symlink(dev_links[i].target, to) < 0)
			return err_sys(e, "make %s", to);
	}
	if (mkdir("dev/pts", 0755) < 0 || mkdir("dev/shm", 0755) < 0)
		return err_sys(e, "make a folder in /dev");
	if (mount(NULL, "dev", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NOEXEC, NULL) < 0)
		return err_sys(e, "make /dev read-only");
	return 0;
}

static int leave_old_root(struct err *e)
{
	if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_sys(e, "leave the host's root");
	return 0;
}

/* May folders here be marked as hiding those of the layer below? */
static bool has_user_attributes(const char *path)
{
	static const char name[] = "user.overlay.probe";
	return setxattr(path, name, "y", 1, 0) == 0 && removexattr(path, name) == 0;
}

/* The root itself is a tmpfs of this namespace, as a scratch in memory would be. */
static int probe_scratch(struct keeper *k, struct err *e)
{
	k->is_memory_able = !k->options->is_disk_only && has_user_attributes("/t");
	k->is_disk_able = has_user_attributes("/w/scratch");
	if (k->is_memory_able || k->is_disk_able)
		return 0;
	return err_set(
		e, ERR_UNSUPPORTED,
		"neither memory (before Linux 6.6) nor the file system of the work folder can hold what "
		"an overlay writes: they have no attributes in user.*");
}

/* No user namespace can be made in ours, by whatever way a call for it gets past the filter. */
static int forbid_namespaces(struct err *e)
{
	CLEAN_FD int fd = open("proc/sys/user/max_user_namespaces", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "0", 1) != 1)
		return err_sys(e, "forbid user namespaces within ours");
	return 0;
}

int keeper_root_setup(struct keeper *k, struct err *e)
{
	static const char *const folders[] = { "w", "t", "dev", "proc" };
	static const char *const kept[] = { "w/images", "w/scratch", "w/trash" };
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_sys(e, "make the mounts private");
	if (mkdir("root", 0755) < 0 && errno != EEXIST)
		return err_sys(e, "make a folder for the root");
	if (mount("tmpfs", "root", "tmpfs", MS_NOSUID, "mode=755,size=4m") < 0)
		return err_sys(e, "mount a root of our own");
	if (chdir("root") < 0)
		return err_sys(e, "enter the root");
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (mkdir(folders[i], 0755) < 0)
			return err_sys(e, "make %s", folders[i]);
	/* ".." of the mount is the work folder, which may lie beneath folders these ids cannot pass. */
	if (mount("..", "w", NULL, MS_BIND, NULL) < 0)
		return err_sys(e, "bind the work folder");
	if (make_devices(e) < 0)
		return -1;
	if (mount("proc", "proc", "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL) < 0)
		return err_sys(e, "mount /proc");
	if (forbid_namespaces(e) < 0)
		return -1;
	if (leave_old_root(e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (mkdir(kept[i], 0755) < 0 && errno != EEXIST)
			return err_sys(e, "make %s", kept[i]);
	k->trash_fd = open("w/trash", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return k->trash_fd < 0 ? err_sys(e, "open the trash") : probe_scratch(k, e);
}

static void to_trash(struct keeper *k, const char *path)
{
	char to[KEEPER_PATH_BYTES];
	snprintf(to, sizeof to, "w/trash/%d.%lld", (int)getpid(), (long long)++k->serial);
	while (rename(path, to) < 0 && (errno == EEXIST || errno == ENOTEMPTY))
		snprintf(to, sizeof to, "w/trash/%d.%lld", (int)getpid(), (long long)++k->serial);
}

static int by_time(const struct dirent **a, const struct dirent **b)
{
	struct stat x = { 0 }, y = { 0 };
	char path[300];
	snprintf(path, sizeof path, "w/images/%s", (*a)->d_name);
	stat(path, &x);
	snprintf(path, sizeof path, "w/images/%s", (*b)->d_name);
	stat(path, &y);
	return x.st_mtime < y.st_mtime ? -1 : x.st_mtime > y.st_mtime;
}

/* As the one who unpacked it wrote it down; "0" if he did not. */
static void add_image(struct buf *out, const char *name)
{
	CLEAN_BUF struct buf size = BUF_INIT;
	char path[300];
	snprintf(path, sizeof path, "w/images/.size-%s", name);
	bool is_known = fd_read_file(AT_FDCWD, path, 32, &size, NULL) == 0;
	buf_addf(out, "%s %s\n", name, is_known ? size.data : "0");
}

void keeper_hello(struct keeper *k)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	struct dirent **list = NULL;
	/* What a killed worker left. */
	to_trash(k, "w/scratch");
	mkdir("w/scratch", 0755);
	keeper_sweep(k);
	int n = scandir("w/images", &list, NULL, by_time);
	for (int i = 0; i < n; i++) {
		char path[300];
		snprintf(path, sizeof path, "w/images/%s", list[i]->d_name);
		if (strlen(list[i]->d_name) == 64)
			add_image(&text, list[i]->d_name);
		else if (list[i]->d_name[0] != '.' || list[i]->d_name[1] == 't')
			to_trash(k, path);
		free(list[i]);
	}
	free(list);
	struct wire_event ev = { .is_disk_only = !k->is_memory_able };
	keeper_report(k, SPAWNER_HELLO, NULL, &ev, text.len < WIRE_BYTES_MAX / 2 ? text.data : "");
}

static void name_root(struct keeper *k, struct keeper_root *r)
{
	snprintf(r->scratch, sizeof r->scratch, "%s/%lld", r->is_memory ? "t" : "w/scratch",
		 (long long)++k->serial);
}

static int write_file(int dirfd, const char *path, const char *text, struct err *e)
{
	CLEAN_FD int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return fd < 0 ? err_sys(e, "write /%s", path) : fd_write_all(fd, text, strlen(text), e);
}

static int fill_upper(int scratch, const char *hosts, const char *resolv, struct err *e)
{
	static const char *const folders[] = { "m", "k", "u", "u/dev", "u/proc", "u/job", "u/job/out" };
	for (size_t i = 0; i < ARRAY_LEN(folders); i++)
		if (mkdirat(scratch, folders[i], 0755) < 0)
			return err_sys(e, "make %s", folders[i]);
	if (fchownat(scratch, "u/job", SPAWNER_BUILD_UID, SPAWNER_BUILD_UID, 0) < 0 ||
	    fchownat(scratch, "u/job/out", SPAWNER_BUILD_UID, SPAWNER_BUILD_UID, 0) < 0)
		return err_sys(e, "give the work folder to the build user");
	if ((hosts || resolv) && mkdirat(scratch, "u/etc", 0755) < 0)
		return err_sys(e, "make /etc");
	if (hosts && write_file(scratch, "u/etc/hosts", hosts, e) < 0)
		return -1;
	return resolv ? write_file(scratch, "u/etc/resolv.conf", resolv, e) : 0;
}

static int make_scratch(struct keeper *k, struct keeper_root *r, const struct wire_root *w, struct err *e)
{
	if (!(r->is_memory ? k->is_memory_able : k->is_disk_able))
		return err_set(e, ERR_UNSUPPORTED, "%s has no attributes in user.*, which an overlay needs",
			       r->is_memory ? "memory" : "the file system of the work folder");
	if (mkdir(r->scratch, 0700) < 0)
		return err_sys(e, "make a scratch folder");
	char options[96];
	int64_t inodes = w->inodes ? w->inodes + OWN_INODES : OWN_INODES + w->memory_bytes / 1024;
	snprintf(options, sizeof options, "mode=700,size=%lld,nr_inodes=%lld", (long long)w->memory_bytes,
		 (long long)inodes);
	if (r->is_memory && mount("tmpfs", r->scratch, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0)
		return err_sys(e, "mount a scratch in memory");
	return 0;
}

void root_take_down(struct keeper *k, struct keeper_root *r)
{
	char merged[KEEPER_PATH_BYTES + 2];
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	r->is_open = false;
	if (!r->scratch[0])
		return;
	if (r->is_memory) {
		umount2(r->scratch, MNT_DETACH);
		rmdir(r->scratch);
	} else {
		snprintf(merged, sizeof merged, "%s/m", r->scratch);
		umount2(merged, MNT_DETACH);
		to_trash(k, r->scratch);
		keeper_sweep(k);
	}
	r->scratch[0] = '\0';
}

static int mount_merged(struct keeper_root *r, const char *image, struct err *e)
{
	char options[512];
	/* Without trusted.* attributes, which are the host's; no remount of a volatile upper ever takes place. */
	int n = snprintf(options, sizeof options,
			 "lowerdir=w/images/%s,upperdir=%s/u,workdir=%s/k,userxattr%s", image, r->scratch,
			 r->scratch, r->is_memory ? "" : ",volatile");
	if (n < 0 || n >= (int)sizeof options)
		return err_set(e, ERR_INVALID, "the name of the image is too long");
	char merged[KEEPER_PATH_BYTES + 2];
	snprintf(merged, sizeof merged, "%s/m", r->scratch);
	if (mount("overlay", merged, "overlay", MS_NOSUID | MS_NODEV, options) < 0)
		return err_sys(e, "mount the root image");
	r->fd = open(merged, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r->fd < 0 ? err_sys(e, "open the root") : 0;
}

/* Three strings after the fixed part, each with its NUL. */
static int read_texts(const char *key, size_t len, struct wire_root *w, const char *texts[3])
{
	if (len < sizeof *w)
		return -1;
	memcpy(w, key, sizeof *w);
	const char *p = key + sizeof *w, *end = key + len;
	for (int i = 0; i < 3; i++) {
		texts[i] = p;
		p = p < end ? memchr(p, '\0', (size_t)(end - p)) : NULL;
		if (!p++)
			return -1;
	}
	return strlen(texts[0]) == 64 && !strchr(texts[0], '/') ? 0 : -1;
}

static int fill_root(struct keeper *k, struct keeper_root *r, const struct wire_root *w,
		     const char *const *texts, struct err *e)
{
	r->is_memory = w->scratch == SPAWNER_SCRATCH_MEMORY;
	name_root(k, r);
	if (make_scratch(k, r, w, e) < 0)
		return -1;
	CLEAN_FD int scratch = open(r->scratch, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (scratch < 0)
		return err_sys(e, "open the scratch folder");
	if (fill_upper(scratch, w->has_hosts ? texts[1] : NULL, w->has_resolv ? texts[2] : NULL, e) < 0)
		return -1;
	return mount_merged(r, texts[0], e);
}

int root_make(struct keeper *k, struct keeper_root *r, const char *key, size_t len, struct err *e)
{
	struct wire_root w;
	const char *texts[3];
	if (read_texts(key, len, &w, texts) < 0)
		return err_set(e, ERR_INTERNAL, "bad message");
	if (fill_root(k, r, &w, texts, e) < 0) {
		root_take_down(k, r);
		return -1;
	}
	r->is_open = true;
	return 0;
}

void keeper_root_open(struct keeper *k, struct wire_message *m)
{
	struct keeper_slot *s = keeper_slot_get(k, m->head.slot);
	if (!s || !k->is_held || s->root.is_open)
		return;
	s->id = m->head.id;
	s->root_failed = (struct err)ERR_INIT;
	if (ready_take(k, s, m->body, m->len))
		return;
	if (root_make(k, &s->root, m->body, m->len, &s->root_failed) < 0) {
		struct wire_event ev = { .sys = s->root_failed.sys };
		keeper_report(k, SPAWNER_ROOT_FAILED, s, &ev, s->root_failed.text);
	}
}

/* What there is to do is done later, but for one root a slot. */
void keeper_root_close(struct keeper *k, struct keeper_slot *s)
{
	if (!s->root.is_open || s->state != SLOT_IDLE)
		return;
	proc_leave(k, &s->proc);
	root_take_down(k, &s->spent);
	s->spent = s->root;
	s->root = (struct keeper_root){ .fd = -1 };
	ready_want(k, s);
}

void keeper_image_drop(struct keeper *k, const struct wire_message *m)
{
	char path[KEEPER_PATH_BYTES + 64];
	if (!k->is_held || m->len != 64 || memchr(m->body, '/', 64))
		return;
	/* Whatever is ready to run in it: few images are dropped, so which one is not asked. */
	for (int i = 0; i < k->slots_end; i++)
		if (k->slots[i])
			ready_drop(k, k->slots[i]);
	snprintf(path, sizeof path, "w/images/.size-%.64s", m->body);
	unlink(path);
	snprintf(path, sizeof path, "w/images/%.64s", m->body);
	to_trash(k, path);
	keeper_sweep(k);
}

/* Parts of /proc that are the machine's. The files belong to the host's root, whom nobody in the namespace is, so these
 * mounts are the second bolt on the door. Where they are is known: /proc and /dev are ours, mounted just before. */
static const char *const proc_masked[] = { "/proc/kcore", "/proc/keys", "/proc/kmsg", "/proc/sysrq-trigger",
					   "/proc/timer_list" };

static size_t add_masks(struct child_op *ops)
{
	size_t n = 0;
	for (size_t i = 0; i < ARRAY_LEN(proc_masked); i++)
		ops[n++] = (struct child_op){ .code = CHILD_OP_MASK,
					      .a = "/dev/null",
					      .b = proc_masked[i],
					      .what = "mask a file of /proc" };
	ops[n++] = (struct child_op){ .code = CHILD_OP_READONLY,
				      .b = "/proc/sys",
				      .what = "make /proc/sys read-only" };
	return n;
}

size_t root_ops(struct keeper_proc *p, const struct keeper_root *r)
{
	snprintf(p->merged, sizeof p->merged, "%s/m", r->scratch);
	snprintf(p->dev, sizeof p->dev, "%s/m/dev", r->scratch);
	snprintf(p->pts, sizeof p->pts, "%s/m/dev/pts", r->scratch);
	snprintf(p->shm, sizeof p->shm, "%s/m/dev/shm", r->scratch);
	snprintf(p->proc, sizeof p->proc, "%s/m/proc", r->scratch);
	const struct child_op list[] = {
		{ CHILD_OP_MOUNT, "proc", p->proc, "proc", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL,
		  "mount /proc" },
		{ CHILD_OP_MOUNT, "dev", p->dev, NULL, MS_MOVE, NULL, "move /dev" },
		{ CHILD_OP_MOUNT, "devpts", p->pts, "devpts", MS_NOSUID | MS_NOEXEC,
		  "newinstance,ptmxmode=0666,mode=0620,gid=5", "mount /dev/pts" },
		{ CHILD_OP_MOUNT, "tmpfs", p->shm, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777,size=64m",
		  "mount /dev/shm" },
		{ CHILD_OP_PIVOT, NULL, p->merged, NULL, 0, NULL, "enter the root image" },
		{ CHILD_OP_HOSTNAME, p->hostname, NULL, NULL, 0, NULL, "set the host name" },
		{ CHILD_OP_LOOPBACK, NULL, NULL, NULL, 0, NULL, "bring up the loopback" },
	};
	size_t n = ARRAY_LEN(list) - (p->flags & WIRE_NET_NONE ? 0 : 1);
	memcpy(p->ops, list, n * sizeof *list);
	return n + add_masks(p->ops + n);
}

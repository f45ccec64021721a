/* A native slot's folder is used again by one attempt after the other as long as they leave it as it was: making and
 * removing two folders costs a good part of what starting a small process does. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clean.h"
#include "run/run_priv.h"

struct dirent64_head {
	uint64_t inode;
	int64_t offset;
	uint16_t length;
	uint8_t type;
	char name[];
};

/* How many entries beside . and ..; *inode is that of the last one. -1: cannot be read, or more than a few. */
static int count_entries(int fd, uint64_t *inode)
{
	_Alignas(struct dirent64_head) char room[1024];
	int found = 0;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -1;
	for (;;) {
		long n = syscall(SYS_getdents64, fd, room, sizeof room);
		if (n < 0 || found > 1)
			return -1;
		if (n == 0)
			return found;
		for (long at = 0; at < n;) {
			const struct dirent64_head *d = (const void *)(room + at);
			at += d->length;
			if (strcmp(d->name, ".") == 0 || strcmp(d->name, "..") == 0)
				continue;
			found++;
			*inode = d->inode;
		}
	}
}

static bool has_mode(const struct stat *st)
{
	return (st->st_mode & 07777) == 0700 && st->st_nlink > 0;
}

static bool is_same(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The kernel's clock for times of change may stand still for as long as a tick, 10 ms at the most. */
static bool is_older_than_a_tick(const struct timespec *t, const struct timespec *now)
{
	enum { MARGIN_MS = 50 };
	return (now->tv_sec - t->tv_sec) * 1000 + (now->tv_nsec - t->tv_nsec) / 1000000 > MARGIN_MS;
}

/* A folder's time of change moves with its entries, mode and owner, and nobody but the clock sets it. */
bool folder_is_clean(struct folder *f)
{
	struct stat st, out;
	struct timespec now;
	uint64_t inode = 0, none = 0;
	if (fstat(f->fd, &st) < 0 || fstat(f->out_fd, &out) < 0)
		return false;
	if (f->is_settled && is_same(&st.st_ctim, &f->changed) && is_same(&out.st_ctim, &f->out_changed))
		return true;
	f->is_settled = false;
	if (count_entries(f->fd, &inode) != 1 || inode != f->out_inode ||
	    count_entries(f->out_fd, &none) != 0 || !has_mode(&st) || !has_mode(&out))
		return false;
	clock_gettime(CLOCK_REALTIME, &now);
	f->is_settled = is_older_than_a_tick(&st.st_ctim, &now) && is_older_than_a_tick(&out.st_ctim, &now);
	f->changed = st.st_ctim;
	f->out_changed = out.st_ctim;
	return true;
}

void folder_release(struct folder *f)
{
	if (f->fd >= 0)
		close(f->fd);
	if (f->out_fd >= 0)
		close(f->out_fd);
	f->fd = f->out_fd = -1;
	free(f->path);
	f->path = NULL;
}

void folder_drop(struct run *r, int slot)
{
	char from[32], to[48];
	snprintf(from, sizeof from, "slots/%d", slot);
	/* Without write permission on it an ordinary user may not move it elsewhere. */
	fchmod(r->folders[slot].fd, 0700);
	do
		snprintf(to, sizeof to, "trash/%d.%lld", (int)getpid(), (long long)++r->serial);
	while (renameat(r->work_fd, from, r->work_fd, to) < 0 && (errno == ENOTEMPTY || errno == EEXIST));
	struct stat st;
	if (fstatat(r->work_fd, from, &st, AT_SYMLINK_NOFOLLOW) == 0)
		err_set(&r->unclean, ERR_SYSTEM, "the folder %s/%s of an ended job cannot be put away",
			r->work_path, from);
	folder_release(&r->folders[slot]);
	spawner_sweep(r->native, NULL);
}

static int make_folder(struct run *r, int slot, struct folder *f, struct err *e)
{
	char name[32];
	struct stat st;
	snprintf(name, sizeof name, "slots/%d", slot);
	if (mkdirat(r->work_fd, name, 0700) < 0)
		return err_sys(e, "make %s", name);
	f->fd = openat(r->work_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->fd < 0 || mkdirat(f->fd, "out", 0700) < 0)
		return err_sys(e, "make %s/out", name);
	f->out_fd = openat(f->fd, "out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->out_fd < 0 || fstat(f->out_fd, &st) < 0)
		return err_sys(e, "open %s/out", name);
	f->out_inode = st.st_ino;
	f->is_settled = false;
	if (asprintf(&f->path, "%s/%s", r->work_path, name) < 0) {
		f->path = NULL;
		return err_set(e, ERR_NOMEM, "out of memory");
	}
	return 0;
}

int folder_ready(struct run *r, int slot, struct err *e)
{
	struct folder *f = &r->folders[slot];
	if (f->path)
		return 0;
	f->fd = f->out_fd = -1;
	if (make_folder(r, slot, f, e) < 0) {
		folder_release(f);
		return -1;
	}
	CLEAN_FD int group = f->is_grouped ? -1 : cgroup_slot(&r->cgroup, slot);
	f->is_grouped = true;
	return spawner_slot(r->native, slot, f->fd, group, e);
}

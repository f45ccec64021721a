/* Root images: archives among the blobs, unpacked once for each worker into a folder of the held namespace, by a task that
 * locks itself into that folder first. */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/hash.h"
#include "run/run_priv.h"
#include "run/task_priv.h"
#include "run/unpack_priv.h"

/* Beside the image, for the next worker on this folder; what cannot be written is not known then. */
static void note_size(int images, const char *name, int64_t size_bytes)
{
	char file[80], text[32];
	snprintf(file, sizeof file, ".size-%s", name);
	snprintf(text, sizeof text, "%lld", (long long)size_bytes);
	fd_replace_file(images, file, text, strlen(text), 0644, NULL);
}

static int unpack_into(const char *name, int tar_fd, const char *sha256, int64_t *size_bytes, struct err *e)
{
	CLEAN_FD int images = open("/w/images", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char part[80];
	snprintf(part, sizeof part, ".tmp-%s", name);
	if (images < 0 || fd_remove_tree(images, part, e) < 0 || mkdirat(images, part, 0755) < 0)
		return err_sys(e, "make a folder for the image");
	if (fchdir(images) < 0 || chroot(part) < 0 || chdir("/") < 0)
		return err_sys(e, "enter the folder for the image");
	setlocale(LC_CTYPE, "C.UTF-8");
	if (unpack_archive(tar_fd, sha256, size_bytes, e) < 0)
		return -1;
	note_size(images, name, *size_bytes);
	/* Once it has its name it counts as whole, also after a power cut. */
	if (syncfs(images) < 0 || renameat(images, part, images, name) < 0)
		return err_sys(e, "put the image in its place");
	return 0;
}

void image_task(int sock, const void *arg, size_t len, const int *fds, int fds_len, int root_fd)
{
	(void)root_fd;
	char sha256[65];
	struct err e = ERR_INIT;
	if (len != 64 || fds_len != 1)
		return;
	memcpy(sha256, arg, 64);
	sha256[64] = '\0';
	umask(0);
	int64_t size_bytes = 0;
	if (unpack_into(sha256, fds[0], sha256, &size_bytes, &e) < 0) {
		err_wrap(&e, "unpack image %.12s", sha256);
		task_fail(sock, REASON_TARGET, e.text);
	} else {
		task_send(sock, 'd', &size_bytes, sizeof size_bytes, NULL, 0, -1);
	}
}

static struct image *image_new(struct run *r, const char *sha256, struct err *e)
{
	struct image *i = calloc(1, sizeof *i);
	if (!i) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	snprintf(i->sha256, sizeof i->sha256, "%s", sha256);
	i->task = -1;
	i->used_serial = ++r->serial;
	i->next = r->images;
	r->images = i;
	return i;
}

void image_add_known(struct run *r, const char *list)
{
	char sha256[65];
	while (strlen(list) > 64) {
		memcpy(sha256, list, 64);
		sha256[64] = '\0';
		struct image *i = image_new(r, sha256, NULL);
		if (i) {
			i->is_ready = true;
			i->size_bytes = strtoll(list + 64, NULL, 10);
		}
		list += strcspn(list, "\n");
		list += *list == '\n';
	}
}

static struct image *find(struct run *r, const char *sha256)
{
	for (struct image *i = r->images; i; i = i->next)
		if (strcmp(i->sha256, sha256) == 0)
			return i;
	return NULL;
}

static void forget(struct run *r, struct image *gone)
{
	for (struct image **at = &r->images; *at; at = &(*at)->next)
		if (*at == gone) {
			*at = gone->next;
			break;
		}
	if (gone->task >= 0)
		close(gone->task);
	free(gone);
}

static int begin_unpack(struct run *r, struct image *i, struct err *e)
{
	CLEAN_FD int fd = openat(r->blob_fd, i->sha256, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_sys(e, "open image %.12s", i->sha256);
	if (spawner_task(r->chroot, TASK_UNPACK, -1, i->sha256, 64, &fd, 1, &i->task, e) < 0)
		return -1;
	return run_watch(r, i->task, SOURCE_IMAGE, i->task, e);
}

struct image *image_take(struct run *r, const char *sha256, struct err *e)
{
	if (!hash_is_hex(sha256)) {
		err_set(e, ERR_INVALID, "the target has no image");
		return NULL;
	}
	struct image *i = find(r, sha256);
	if (!i) {
		i = image_new(r, sha256, e);
		if (i && begin_unpack(r, i, e) < 0) {
			forget(r, i);
			return NULL;
		}
	}
	if (i) {
		i->users++;
		i->used_serial = ++r->serial;
	}
	return i;
}

static struct image *oldest_idle(const struct run *r, int *idle)
{
	struct image *oldest = NULL;
	*idle = 0;
	for (struct image *i = r->images; i; i = i->next) {
		if (!i->is_ready || i->users)
			continue;
		(*idle)++;
		if (!oldest || i->used_serial < oldest->used_serial)
			oldest = i;
	}
	return oldest;
}

static int64_t drop(struct run *r, struct image *i)
{
	int64_t size_bytes = i->size_bytes > 0 ? i->size_bytes : 1;
	if (spawner_image_drop(r->chroot, i->sha256, NULL) < 0)
		return 0;
	forget(r, i);
	return size_bytes;
}

void image_give_back(struct run *r, struct image *i)
{
	int idle;
	if (--i->users)
		return;
	i->used_serial = ++r->serial;
	i->used_ms = clock_boot_ms();
	/* One that failed is tried anew by the next attempt. */
	if (i->failed.code != ERR_NONE) {
		forget(r, i);
		return;
	}
	struct image *oldest = oldest_idle(r, &idle);
	if (idle > r->options.images_kept)
		drop(r, oldest);
}

bool run_image_hold(struct run *r, const char *sha256)
{
	struct image *i = find(r, sha256);
	if (!i || !i->is_ready)
		return false;
	i->users++;
	return true;
}

void run_image_release(struct run *r, const char *sha256)
{
	struct image *i = find(r, sha256);
	if (i)
		image_give_back(r, i);
}

int64_t run_images_bytes(const struct run *r)
{
	int64_t bytes = 0;
	for (const struct image *i = r->images; i; i = i->next)
		bytes += i->size_bytes;
	return bytes;
}

bool run_image_oldest(const struct run *r, int64_t *used_ms)
{
	int idle;
	const struct image *i = oldest_idle(r, &idle);
	*used_ms = i ? i->used_ms : 0;
	return i != NULL;
}

int64_t run_image_drop_oldest(struct run *r)
{
	int idle;
	struct image *i = oldest_idle(r, &idle);
	return i ? drop(r, i) : 0;
}

struct image *image_find_task(struct run *r, int task_fd)
{
	for (struct image *i = r->images; i; i = i->next)
		if (i->task == task_fd)
			return i;
	return NULL;
}

static void tell_waiting(struct run *r, struct image *i)
{
	for (int n = 0; n < RUN_SLOTS_MAX; n++)
		if (r->slots[n] && r->slots[n]->image == i)
			attempt_on_image(r->slots[n]);
}

void image_on_task(struct run *r, struct image *i)
{
	int fd, reason;
	long n = task_receive(i->task, r->room, &fd, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return;
	close(i->task);
	i->task = -1;
	if (fd >= 0)
		close(fd);
	if (n == 1 + (long)sizeof i->size_bytes && r->room[0] == 'd') {
		i->is_ready = true;
		memcpy(&i->size_bytes, r->room + 1, sizeof i->size_bytes);
	} else if (n > (long)sizeof reason) {
		err_set(&i->failed, ERR_INVALID, "%s", r->room + 1 + sizeof reason);
	} else {
		err_set(&i->failed, ERR_INTERNAL, "the unpacking of image %.12s broke off", i->sha256);
	}
	/* It stays in the list at least as long as we hold it. */
	i->users++;
	tell_waiting(r, i);
	image_give_back(r, i);
}

void image_free_all(struct run *r)
{
	while (r->images)
		forget(r, r->images);
}

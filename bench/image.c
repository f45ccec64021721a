#include "image.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/err.h"
#include "base/hash.h"

enum { LIBRARIES_MAX = 8, FOLDER_BYTES = 4096 };

struct image {
	struct archive *out;
	char blobs[FOLDER_BYTES], path[FOLDER_BYTES + 8];
};

static void die(const char *what)
{
	fprintf(stderr, "bench: image: %s\n", what);
	exit(1);
}

struct image *image_begin(const char *blobs)
{
	struct image *i = calloc(1, sizeof *i);
	if (!i)
		die("no memory");
	snprintf(i->blobs, sizeof i->blobs, "%s", blobs);
	snprintf(i->path, sizeof i->path, "%s/new", i->blobs);
	i->out = archive_write_new();
	archive_write_set_format_pax_restricted(i->out);
	if (archive_write_open_filename(i->out, i->path) != ARCHIVE_OK)
		die(i->path);
	return i;
}

static void add(struct image *i, const char *name, unsigned type, int64_t size, const char *target)
{
	struct archive_entry *entry = archive_entry_new();
	archive_entry_set_pathname(entry, name);
	archive_entry_set_filetype(entry, type);
	archive_entry_set_size(entry, size);
	archive_entry_set_perm(entry, 0755);
	if (target)
		archive_entry_set_symlink(entry, target);
	if (archive_write_header(i->out, entry) != ARCHIVE_OK)
		die(name);
	archive_entry_free(entry);
}

void image_add_file(struct image *i, const char *from, const char *to)
{
	static char room[1 << 16];
	struct stat st;
	CLEAN_FD int fd = open(from, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		die(from);
	add(i, to, AE_IFREG, st.st_size, NULL);
	for (ssize_t n; (n = read(fd, room, sizeof room)) > 0;)
		archive_write_data(i->out, room, (size_t)n);
}

void image_add_link(struct image *i, const char *name, const char *target)
{
	add(i, name, AE_IFLNK, 0, target);
}

void image_add_folder(struct image *i, const char *name)
{
	add(i, name, AE_IFDIR, 0, NULL);
}

void image_add_libraries(struct image *i)
{
	char line[4096], path[4096], seen[LIBRARIES_MAX][256];
	int n = 0;
	CLEAN_FILE FILE *f = fopen("/proc/self/maps", "re");
	while (f && fgets(line, sizeof line, f)) {
		if (sscanf(line, "%*s %*s %*s %*s %*s %4095s", path) != 1)
			continue;
		const char *base = strrchr(path, '/');
		bool is_loader = base && strncmp(base, "/ld-linux", 9) == 0;
		if (!base || (!is_loader && strncmp(base, "/libc.so", 8) != 0))
			continue;
		bool is_known = false;
		for (int k = 0; k < n; k++)
			is_known |= strcmp(seen[k], path) == 0;
		if (is_known || n == LIBRARIES_MAX)
			continue;
		snprintf(seen[n++], sizeof seen[0], "%s", path);
		image_add_file(i, path, path + 1);
		char loader[300];
		snprintf(loader, sizeof loader, "usr/lib%s%s", strstr(base, "x86-64") ? "64" : "", base);
		if (is_loader)
			image_add_file(i, path, loader);
	}
}

void image_end(struct image *i, char sha256[65])
{
	char to[FOLDER_BYTES + 80];
	int64_t size;
	struct err e = ERR_INIT;
	if (archive_write_close(i->out) != ARCHIVE_OK)
		die(archive_error_string(i->out));
	archive_write_free(i->out);
	CLEAN_FD int fd = open(i->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || hash_fd(fd, sha256, &size, &e) < 0)
		die("hash it");
	snprintf(to, sizeof to, "%s/%s", i->blobs, sha256);
	if (rename(i->path, to) < 0)
		die(to);
	free(i);
}

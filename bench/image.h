/* A root image of a few files of this machine, for benches: as small as it can be, so that what is measured is the sandbox.
 *
 * begin, add, end: in `blobs` then lies a tar named by its sha256, as src/run wants it. Whatever fails ends the program. */
#ifndef SLIPWAY_BENCH_IMAGE_H
#define SLIPWAY_BENCH_IMAGE_H

struct image;

struct image *image_begin(const char *blobs);
/* `from` of this machine, executable, as `to` in the image (without a leading slash). */
void image_add_file(struct image *i, const char *from, const char *to);
void image_add_link(struct image *i, const char *name, const char *target);
void image_add_folder(struct image *i, const char *name);
/* What the dynamic loader has in this process that a program of libc alone needs too: the loader itself and libc. */
void image_add_libraries(struct image *i);
void image_end(struct image *i, char sha256[65]);

#endif

/* What a driver does for an attempt. native.c and chroot.c; a vm driver would be the third. */
#ifndef SLIPWAY_RUN_DRIVER_PRIV_H
#define SLIPWAY_RUN_DRIVER_PRIV_H

#include <stdbool.h>

struct run_attempt;
struct err;
struct spec_step;
struct spawner;

struct driver {
	/* Where it will run: folder or root. May leave the attempt waiting for an image. 0, or -1 with the reason set. */
	int (*prepare)(struct run_attempt *a, struct err *e);
	/* Descriptor of the attempt's folder for tasks; -1 = they find it in the slot's root. */
	int (*folder_fd)(const struct run_attempt *a);
	int (*start_step)(struct run_attempt *a, const struct spec_step *step, int out_fd, struct err *e);
	struct spawner *(*spawner)(const struct run_attempt *a);
	/* All processes are dead: did they leave files in out/, and a result.json? */
	void (*inspect)(struct run_attempt *a, bool *has_files, bool *has_result);
	/* Take it down. What is still on its way out when this returns can be seen by nobody who starts in the slot next. */
	void (*clean)(struct run_attempt *a);
};

extern const struct driver driver_native, driver_chroot;

/* chroot.c: what it writes goes to a disk, because the spec or this machine says so. */
bool chroot_is_on_disk(const struct run_attempt *a);

/* driver.c: what both need. The environment of a step, in the attempt's arena. */
const char *const *driver_environment(struct run_attempt *a, const struct spec_step *step,
				      const char *folder);
/* Open a group for the attempt's limits, once; says in the log what cannot be kept here. */
int driver_limits(struct run_attempt *a, struct err *e);

#endif

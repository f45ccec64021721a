/* All that a runner could leave on a machine, as a sorted list of lines, so that before and after can be compared:
 *
 *   process    descendants of this process, the dead that nobody reaped among them
 *   namespace  of those, and of any process of the machine that has a mount of the work folder, if not ours
 *   mount      in those namespaces; in our own, mounts of the work folder
 *   group      control groups named after the work folder in every tree, v1 and v2, with what is in them
 *   file       beneath the work folder
 *   fd         open descriptors of this process and of its descendants
 *
 * Others may be busy on the same machine, so what is not traceable to us is not listed. inventory_adopt() first: orphans
 * must become children of this process, whose descendants are then all there is. An ordinary user cannot look into
 * processes that have mapped ids; a line says so. */
#ifndef SLIPWAY_TESTS_INVENTORY_H
#define SLIPWAY_TESTS_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>

struct buf;

struct inventory {
	char **lines;
	size_t len, cap;
};

#define INVENTORY_INIT     \
	{                  \
		NULL, 0, 0 \
	}
#define CLEAN_INVENTORY __attribute__((cleanup(inventory_release)))

void inventory_adopt(void);
/* `group`: the name of the work folder's control groups. */
void inventory_take(struct inventory *v, const char *work_dir, const char *group);
void inventory_release(struct inventory *v);
size_t inventory_count(const struct inventory *v, const char *sort);
/* The present is as `before`, in a few seconds at the latest: what is on its way out may take its time. `is_reaping`: no child
 * of this process is another's to wait for. */
bool inventory_is_same(const struct inventory *before, const char *work_dir, const char *group,
		       bool is_reaping, struct buf *difference);
/* Fails the test, with the difference. */
void inventory_assert_same(const struct inventory *before, const char *work_dir, const char *group,
			   bool is_reaping);

#endif

/* Cleanup attributes for locals: `CLEAN_FD int fd = -1;` closes itself when it leaves its scope.
 * Each destructor takes the empty value (-1, NULL) and does nothing with it. Give ownership away with
 * `return take_fd(&fd);` or `take_ptr(&p)`. */
#ifndef SLIPWAY_BASE_CLEAN_H
#define SLIPWAY_BASE_CLEAN_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void clean_free(void *p)
{
	free(*(void **)p);
}
static inline void clean_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
static inline void clean_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}
static inline void clean_file(FILE **f)
{
	if (*f)
		fclose(*f);
}
static inline int take_fd(int *fd)
{
	int got = *fd;
	*fd = -1;
	return got;
}

#define CLEAN(fn) __attribute__((cleanup(fn)))
#define CLEAN_FREE CLEAN(clean_free)
#define CLEAN_FD CLEAN(clean_fd)
#define CLEAN_DIR CLEAN(clean_dir)
#define CLEAN_FILE CLEAN(clean_file)
#define take_ptr(p)                           \
	__extension__({                       \
		__typeof__(*(p)) got_ = *(p); \
		*(p) = NULL;                  \
		got_;                         \
	})
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif

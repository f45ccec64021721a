/* A well-behaved job that runs while a hostile one does: it fills files and memory of its own with a pattern and looks at them
 * again and again until it is told to end (USR1). Its log ends in "intact", or it fails. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATTERN_BYTES = 65536 };

static const char *const files[] = { "/job/pattern", "/tmp/pattern", "/dev/shm/pattern" };
static unsigned char pattern[PATTERN_BYTES];

static void make_pattern(void)
{
	unsigned x = (unsigned)strtol(getenv("SLIPWAY_JOB"), NULL, 10) * 2654435761U + 1;
	for (size_t i = 0; i < sizeof pattern; i++) {
		x = x * 1103515245 + 12345;
		pattern[i] = (unsigned char)(x >> 16);
	}
}

static int is_intact(const char *path)
{
	unsigned char now[PATTERN_BYTES];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int is_same = fd >= 0 && read(fd, now, sizeof now) == sizeof now &&
		      memcmp(now, pattern, sizeof now) == 0;
	close(fd);
	return is_same;
}

int main(void)
{
	sigset_t end;
	const struct timespec pause = { .tv_nsec = 5000000 };
	sigemptyset(&end);
	sigaddset(&end, SIGUSR1);
	sigprocmask(SIG_BLOCK, &end, NULL);
	make_pattern();
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		int fd = open(files[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd < 0 || write(fd, pattern, sizeof pattern) != sizeof pattern)
			return 1;
		close(fd);
	}
	puts("up");
	fflush(stdout);
	for (int is_last = 0; !is_last;) {
		is_last = sigtimedwait(&end, NULL, &pause) == SIGUSR1;
		for (size_t i = 0; i < sizeof files / sizeof *files; i++)
			if (!is_intact(files[i])) {
				printf("%s is not what it was\n", files[i]);
				return 1;
			}
	}
	puts("intact");
	return 0;
}

#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { STATUS_BROKEN = 99, STATUS_UNTRIED = 98 };

static void __attribute__((format(printf, 2, 0))) say(const char *verdict, const char *fmt, va_list ap)
{
	fputs(verdict, stdout);
	vprintf(fmt, ap);
	putchar('\n');
	fflush(stdout);
}

void broken(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say("BROKEN: ", fmt, ap);
	va_end(ap);
	_exit(STATUS_BROKEN);
}

void untried(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say("UNTRIED: ", fmt, ap);
	va_end(ap);
	_exit(STATUS_UNTRIED);
}

void note(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	say("", fmt, ap);
	va_end(ap);
}

static bool is_refusal(int sys)
{
	return sys == EPERM || sys == EACCES || sys == ENOSYS || sys == EAFNOSUPPORT ||
	       sys == EPROTONOSUPPORT || sys == ESOCKTNOSUPPORT;
}

static bool is_absence(int sys)
{
	return sys == ENOENT || sys == ENOTDIR || sys == ENXIO || sys == ENODEV || sys == EROFS ||
	       sys == ENETUNREACH || sys == EADDRNOTAVAIL || sys == ECONNREFUSED || sys == EHOSTUNREACH ||
	       sys == ESRCH;
}

static void check(const char *what, long result, bool may_be_absent)
{
	int sys = errno;
	if (result >= 0)
		broken("%s worked", what);
	if (!is_refusal(sys) && !(may_be_absent && is_absence(sys)))
		broken("%s got into the kernel: %s", what, strerrorname_np(sys));
	note("%s: %s", what, strerrorname_np(sys));
}

void refused(const char *what, long result)
{
	check(what, result, false);
}

void absent(const char *what, long result)
{
	check(what, result, true);
}

void no_open(const char *path, int flags)
{
	struct stat st;
	int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	/* What is masked is /dev/null by that name. */
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3))
		note("%s: masked", path);
	else
		check(path, fd, true);
}

long needs(const char *what, long result)
{
	if (result < 0)
		untried("%s: %s", what, strerrorname_np(errno));
	return result;
}

const char *host_path(void)
{
	const char *path = getenv("HOSTILE_SECRET");
	if (!path)
		untried("HOSTILE_SECRET is not set");
	return path + strspn(path, "/");
}

const char *bait(const char *before)
{
	static char name[80];
	const char *text = getenv("HOSTILE_BAIT");
	if (!text)
		untried("HOSTILE_BAIT is not set");
	snprintf(name, sizeof name, "%s%s", before, text);
	return name;
}

void no_host_below(const char *how, int dirfd)
{
	int fd = openat(dirfd, host_path(), O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		broken("the host's files are there by %s", how);
	note("%s: %s", how, strerrorname_np(errno));
}

const char *out_path(const char *name)
{
	static char path[8192];
	const char *out = getenv("SLIPWAY_OUT");
	if (!out)
		untried("SLIPWAY_OUT is not set");
	snprintf(path, sizeof path, "%s/%s", out, name);
	return path;
}

void write_file(const char *path, const void *bytes, unsigned long n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, bytes, n) != (ssize_t)n)
		untried("%s could not be written: %s", path, strerrorname_np(errno));
	close(fd);
}

void on_signal(int sig, void (*handler)(int))
{
	const struct sigaction act = { .sa_handler = handler };
	sigaction(sig, &act, NULL);
}

/* The texts have no characters that JSON would want escaped but these. */
static void print_text(const char *key, const char *text)
{
	printf(",\"%s\":\"", key);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			putchar('\\');
		putchar(*text);
	}
	putchar('"');
}

static void print_about(void)
{
	printf("{\"class\":\"%s\"", probe.class);
	print_text("tries", probe.tries);
	print_text("must", probe.must);
	if (probe.end)
		print_text("end", probe.end);
	if (probe.log)
		print_text("log", probe.log);
	if (probe.artifacts)
		print_text("artifacts", probe.artifacts);
	if (probe.known)
		print_text("known", probe.known);
	if (probe.limits)
		printf(",\"limits\":%s", probe.limits);
	printf(",\"timeout\":%d,\"silence\":%d,\"as\":%d,\"controlled\":%d,\"long\":%d,\"collecting\":%d}\n",
	       probe.timeout_s, probe.silence_s, (int)probe.as, probe.is_controlled, probe.is_long,
	       probe.is_collecting);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--about") == 0) {
		print_about();
		return 0;
	}
	probe_run();
	puts("HELD");
	return 0;
}

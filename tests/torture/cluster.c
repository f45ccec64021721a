#include "cluster.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rig.h"

static char dir[64], url[300];

static int pg(const char *word, char *at, char *line, size_t room)
{
	char path[400];
	const char *src = getenv("SLIPWAY_SRC");
	char *argv[] = { path, (char *)(uintptr_t)word, at, NULL };

	snprintf(path, sizeof(path), "%s/tests/pg", src ? src : ".");
	return run_program(argv, line, room);
}

const char *cluster_why_not(char *why, size_t room)
{
	pg("why", NULL, why, room);
	return why;
}

const char *cluster_make(void)
{
	/* Not in a folder that is ours alone: it runs as somebody else. */
	snprintf(dir, sizeof(dir), "/tmp/slwp.%d", (int)getpid());
	atexit(cluster_remove);
	if (pg("pair", dir, url, sizeof(url)) != 0 || !*url)
		tap_die("tests/pg pair: see what it says");
	return url;
}

void cluster_do(const char *word)
{
	if (pg(word, dir, NULL, 0) != 0)
		tap_die("tests/pg %s: see what it says", word);
}

void cluster_do_at(const char *word, int i)
{
	char one[80];

	snprintf(one, sizeof(one), "%s/%d", dir, i);
	if (pg(word, one, NULL, 0) != 0)
		tap_die("tests/pg %s, of %d: see what it says", word, i);
}

void cluster_remove(void)
{
	pg("stop", dir, NULL, 0);
}

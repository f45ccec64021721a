/* tree N: a job that does not want to die. N processes, each ignoring every signal that can be, many of them in sessions of
 * their own and orphaned by a double fork, wait until they are killed.
 * tree bomb: all of them fork as fast as they can, for ever, also when there is no room for one more.
 * "up" on stdout once all are there, or once a fork has failed. */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

struct shared {
	atomic_long there; /* processes that have settled */
	atomic_flag is_said;
};

static struct shared *shared;
static long wanted;

static void say_up(void)
{
	if (!atomic_flag_test_and_set(&shared->is_said) && write(1, "up\n", 3) != 3)
		_exit(1);
}

static void settle(void)
{
	for (int s = 1; s < NSIG; s++)
		sigaction(s, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	setsid();
	if (atomic_fetch_add(&shared->there, 1) + 1 == wanted)
		say_up();
}

/* Start the roots of the two halves of a tree of `n` below this process. Gives 0 in this one, in a root the size of its half. */
static long branch(long n)
{
	long halves[2] = { (n - 1) / 2, n - 1 - (n - 1) / 2 };
	for (int i = 0; i < 2; i++) {
		if (!halves[i] || fork() != 0)
			continue;
		/* The second one is orphaned: its parent leaves at once. */
		if (i && fork() != 0)
			_exit(0);
		return halves[i];
	}
	return 0;
}

static void grow(long n)
{
	while (n) {
		settle();
		n = branch(n);
	}
	for (;;)
		pause();
}

static void explode(void)
{
	settle();
	for (;;) {
		pid_t pid = fork();
		if (pid == 0)
			setsid();
		else if (pid < 0)
			say_up();
	}
}

int main(int argc, char **argv)
{
	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (argc != 2 || shared == MAP_FAILED)
		return 2;
	if (strcmp(argv[1], "bomb") == 0)
		explode();
	wanted = strtol(argv[1], NULL, 10);
	grow(wanted);
}

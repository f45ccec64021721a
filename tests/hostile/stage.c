#include "stage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "http/client.h"

extern char **environ;

enum { NOBODY = 65534, SUB_IDS = 1200000000, END_MS = 120000 };

static void put(const struct stage *s, const char *name, const char *text, mode_t mode, char path[160])
{
	snprintf(path, 160, "%s/%s", s->rig.dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fchmod(fd, mode) < 0)
		tap_die("%s: %s", path, strerrordesc_np(errno));
	close(fd);
}

/* ---- what they look for ------------------------------------------------------------------------------------ */

static int listen_at(const struct sockaddr *at, socklen_t len)
{
	int fd = socket(at->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, at, len) < 0 || listen(fd, 8) < 0)
		tap_die("listen: %s", strerrordesc_np(errno));
	return fd;
}

static void lay_baits(struct stage *s)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct sockaddr_in port = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof port;
	char text[32], path[160];
	key_t key = 0x51190000 | (getpid() & 0xffff);
	/* Others may have a stage on this machine, too. */
	int n = snprintf(s->bait, sizeof s->bait, "/slipway-hostile-%d", (int)getpid());
	memcpy(name.sun_path + 1, s->bait + 1, (size_t)n - 1);
	put(s, "secret", "of the host\n", 0644, path);
	snprintf(s->secret, sizeof s->secret, "%s", path);
	s->abstract = listen_at((struct sockaddr *)&name,
				(socklen_t)(offsetof(struct sockaddr_un, sun_path)) + (socklen_t)n);
	s->listening = listen_at((struct sockaddr *)&port, sizeof port);
	getsockname(s->listening, (struct sockaddr *)&port, &len);
	s->shm = shmget(key, 4096, IPC_CREAT | 0666);
	mqd_t queue = mq_open(s->bait, O_RDWR | O_CREAT, 0666, NULL);
	int file = shm_open(s->bait, O_RDWR | O_CREAT, 0666);
	if (s->shm < 0 || queue < 0 || file < 0)
		tap_die("baits: %s", strerrordesc_np(errno));
	mq_close(queue);
	close(file);
	setenv("HOSTILE_SECRET", s->secret, 1);
	setenv("HOSTILE_BAIT", s->bait + 1, 1);
	snprintf(text, sizeof text, "%d", (int)key);
	setenv("HOSTILE_KEY", text, 1);
	snprintf(text, sizeof text, "%d", ntohs(port.sin_port));
	setenv("HOSTILE_PORT", text, 1);
	setenv("HOSTILE_WORKER", "secret of the worker", 1);
}

static void take_baits(struct stage *s)
{
	close(s->abstract);
	close(s->listening);
	shmctl(s->shm, IPC_RMID, NULL);
	mq_unlink(s->bait);
	shm_unlink(s->bait);
}

/* ---- an ordinary user with subordinate ids, without a change of the machine's own files ------------------------ */

static void add_sub_ids(const struct stage *s, const char *file)
{
	CLEAN_BUF struct buf text = BUF_INIT;
	char path[160];
	fd_read_file(AT_FDCWD, file, 1 << 20, &text, NULL);
	buf_addf(&text, "\n%d:%d:65536\n", NOBODY, SUB_IDS);
	put(s, strrchr(file, '/') + 1, text.data, 0644, path);
	if (mount(path, file, NULL, MS_BIND, NULL) < 0)
		tap_die("%s: %s", file, strerrordesc_np(errno));
}

static void become_apart(struct stage *s)
{
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		tap_die("a mount namespace: %s", strerrordesc_np(errno));
	add_sub_ids(s, "/etc/subuid");
	add_sub_ids(s, "/etc/subgid");
	s->rig.uid = NOBODY;
	if (chown(s->rig.dir, NOBODY, NOBODY) < 0)
		tap_die("chown: %s", strerrordesc_np(errno));
}

/* ---- server and target -------------------------------------------------------------------------------------- */

static void run_to_end(const char *const *argv)
{
	char *words[8];
	pid_t pid;
	int status;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!(words[i] = (char *)(uintptr_t)argv[i]))
			break;
	if (posix_spawnp(&pid, words[0], NULL, NULL, words, environ) != 0 ||
	    waitpid(pid, &status, 0) != pid || status != 0)
		tap_die("%s failed", argv[0]);
}

static void make_target(struct stage *s)
{
	char image[160], pack[400];
	const char *src = getenv("SLIPWAY_SRC"), *probes = getenv("SLIPWAY_PROBES");
	if (!src || !probes)
		tap_die("SLIPWAY_SRC and SLIPWAY_PROBES are not set");
	put(s, "image.tar", "", 0644, image);
	snprintf(pack, sizeof pack, "%s/tests/hostile/pack-image", src);
	run_to_end((const char *const[]){ pack, probes, image, NULL });
	json_t *job = stage_wait(s, stage_submit(s, json_pack("{s:s,s:s,s:{s:s},s:{s:s}}", "kind", "target",
							      "target", "hostile", "make", "suite", "hostile",
							      "env", "HOSTILE_IMAGE", image)));
	if (strcmp(text_in(job, "state"), "succeeded") != 0) {
		CLEAN_BUF struct buf log = BUF_INIT;
		stage_log(s, number_in(job, "id"), &log);
		tap_die("no target: %s", log.data);
	}
	json_decref(job);
}

/* One that runs a program as the build's user, and one that makes targets of an image that is there. */
static void make_types(const struct stage *s)
{
	static const char *const folders[] = { "types", "types/hostile", "types/target-create" };
	char path[160];
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		snprintf(path, sizeof path, "%s/%s", s->rig.dir, folders[i]);
		mkdir(path, 0755);
	}
	put(s, "types/hostile/type.ini",
	    "[type]\nsummary = a hostile program\n\n[step probe]\nrun = probe\nuser = build\nnetwork = none\n",
	    0644, path);
	put(s, "types/hostile/probe", "#!/bin/sh\nexec \"/probes/$HOSTILE_PROGRAM\"\n", 0755, path);
	put(s, "types/target-create/type.ini",
	    "[type]\nsummary = the image that is there\ninternal = yes\ncollect = image.tar.*\n\n[step create]\nrun = create\n",
	    0644, path);
	put(s, "types/target-create/create",
	    "#!/bin/sh\nexec cp \"$HOSTILE_IMAGE\" \"$SLIPWAY_OUT/image.tar.gz\"\n", 0755, path);
}

/* A worker says in the log what it cannot keep. */
static void find_limits(struct stage *s)
{
	CLEAN_BUF struct buf log = BUF_INIT;
	json_t *body = stage_body("own-id", true);
	json_object_set_new(body, "limits", json_pack("{s:i,s:i}", "memory", 64 << 20, "pids", 64));
	json_t *job = stage_wait(s, stage_submit(s, body));
	stage_log(s, number_in(job, "id"), &log);
	s->is_memory = !strstr(log.data, "bytes of memory");
	s->is_pids = !strstr(log.data, "processes");
	json_decref(job);
}

const char *stage_why_not(void)
{
	static char text[200];
	if (geteuid() != 0)
		return "only root can look at all that might be left";
	const char *probes = getenv("SLIPWAY_PROBES");
	snprintf(text, sizeof text, "%s/neighbour", probes ? probes : "");
	return access(text, X_OK) < 0 ? "the programs are made for x86-64 alone" : NULL;
}

void stage_start(struct stage *s)
{
	char types[160];
	const char *const options[] = { "--slots", "2", "--types", types, NULL };
	snprintf(types, sizeof types, "%s/types", s->rig.dir);
	rig_start(&s->rig, options);
	s->client = rig_client(&s->rig);
}

void stage_open(struct stage *s, enum stage_worker worker)
{
	*s = (struct stage){ .worker = worker };
	rig_make(&s->rig);
	if (chmod(s->rig.dir, 0755) < 0)
		tap_die("chmod");
	lay_baits(s);
	make_types(s);
	if (worker == WORKER_USER)
		become_apart(s);
	stage_start(s);
	make_target(s);
	find_limits(s);
}

int stage_stop(struct stage *s)
{
	client_free(s->client);
	s->client = NULL;
	return rig_stop(&s->rig) != 0;
}

void stage_kill(struct stage *s)
{
	client_free(s->client);
	s->client = NULL;
	rig_kill(&s->rig);
}

int stage_close(struct stage *s)
{
	int n = s->client ? stage_stop(s) : 0;
	n += rig_count_leftovers(&s->rig);
	take_baits(s);
	if (s->worker == WORKER_USER) {
		umount2("/etc/subuid", MNT_DETACH);
		umount2("/etc/subgid", MNT_DETACH);
	}
	rig_remove(&s->rig);
	return n;
}

/* ---- jobs ---------------------------------------------------------------------------------------------------- */

int64_t stage_submit(struct stage *s, json_t *body)
{
	struct err e = ERR_INIT;
	char *text = json_dumps(body, JSON_COMPACT);
	json_t *answer = text ? rig_call(s->client, "POST", "/v1/jobs", text, &e) : NULL;
	if (!answer)
		tap_die("submit %s: %s", text, e.text);
	int64_t id = number_in(answer, "id");
	json_decref(answer);
	json_decref(body);
	free(text);
	return id;
}

json_t *stage_body(const char *program, bool is_build)
{
	static const char *const handed[] = { "HOSTILE_SECRET", "HOSTILE_BAIT", "HOSTILE_KEY",
					      "HOSTILE_PORT" };
	char path[200];
	snprintf(path, sizeof path, "/probes/%s", program);
	json_t *env = json_pack("{s:s}", "HOSTILE_PROGRAM", program);
	for (size_t i = 0; i < ARRAY_LEN(handed); i++)
		json_object_set_new(env, handed[i], json_string(getenv(handed[i])));
	if (is_build)
		return json_pack("{s:s,s:s,s:s,s:{s:s},s:o}", "kind", "build", "name", program, "target",
				 "hostile", "build", "type", "hostile", "env", env);
	return json_pack("{s:[s],s:s,s:s,s:s,s:o}", "argv", path, "name", program, "isolation", "chroot",
			 "target", "hostile", "env", env);
}

json_t *stage_wait(struct stage *s, int64_t id)
{
	char path[80];
	int64_t until = clock_boot_ms() + END_MS;
	for (bool is_done = false; !is_done;) {
		snprintf(path, sizeof path, "/v1/wait?ids=%" PRId64 "&timeout=10", id);
		json_t *answer = rig_get(s->client, path);
		is_done = json_is_true(json_object_get(answer, "done"));
		json_decref(answer);
		if (!is_done && clock_boot_ms() > until)
			tap_die("job %" PRId64 " does not end", id);
	}
	snprintf(path, sizeof path, "/v1/jobs/%" PRId64, id);
	return rig_get(s->client, path);
}

struct awaited {
	const char *word;
	bool is_there;
};

/* The first bytes have it, whole: it is written at once. */
static int look_for(void *ctx, const void *bytes, size_t n, struct err *e)
{
	struct awaited *a = ctx;
	a->is_there = memmem(bytes, n, a->word, strlen(a->word)) != NULL;
	return a->is_there ? err_set(e, ERR_INVALID, "it is there") : 0;
}

bool stage_wait_log(struct stage *s, int64_t id, const char *word)
{
	struct err e = ERR_INIT;
	struct awaited a = { word, false };
	char path[80];
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	snprintf(path, sizeof path, "/v1/jobs/%" PRId64 "/log?follow=1", id);
	struct client_request follow = { .method = "GET", .path = path, .sink = look_for, .sink_ctx = &a };
	client_do(s->client, &follow, &reply, &e);
	return a.is_there;
}

void stage_log(struct stage *s, int64_t id, struct buf *out)
{
	CLEAN_REPLY struct client_reply reply = CLIENT_REPLY_INIT;
	struct err e = ERR_INIT;
	char path[80];
	snprintf(path, sizeof path, "/v1/jobs/%" PRId64 "/log", id);
	if (client_call(s->client, "GET", path, NULL, &reply, &e) < 0)
		tap_die("log of %" PRId64 ": %s", id, e.text);
	buf_add(out, reply.body.data, reply.body.len);
}

void stage_work_dir(const struct stage *s, char out[120])
{
	snprintf(out, 120, "%s/worker", s->rig.data);
}

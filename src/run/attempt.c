#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clean.h"
#include "base/clock.h"
#include "run/driver_priv.h"
#include "run/run_priv.h"
#include "run/spec_copy_priv.h"

#define DISK_TEXT "%swrote more into its chroot than its limits of disk let it"

enum { CPU_LOOK_MS = 50 }; /* a limit of processor time is kept to about as much, by each processor */

static void set_stuck(struct run_attempt *a, bool is_stuck)
{
	a->run->stuck += is_stuck - a->is_stuck;
	a->is_stuck = is_stuck;
}

struct run_attempt *attempt_new(struct run *r, const struct spec *s, int slot, struct err *e)
{
	struct run_attempt *a = calloc(1, sizeof *a);
	if (!a) {
		err_set(e, ERR_NOMEM, "out of memory");
		return NULL;
	}
	a->run = r;
	a->slot = slot;
	a->id = ++r->next_id;
	a->task = -1;
	a->pump.fd = a->pump.file_fd = -1;
	a->limits = (struct cgroup_limits)CGROUP_LIMITS_INIT;
	a->driver = s->isolation == ISOLATION_CHROOT ? &driver_chroot : &driver_native;
	if (spec_copy(&a->spec, s, &a->arena, e) < 0) {
		attempt_free(a);
		return NULL;
	}
	pump_init(&a->pump, &a->spec);
	a->started_ms = a->output_ms = clock_boot_ms();
	a->outcome = (struct outcome){ .job = s->job,
				       .attempt = s->attempt,
				       .outcome = OUTCOME_SUCCEEDED,
				       .step = "",
				       .detail = "",
				       .exit_code = -1 };
	return a;
}

void attempt_free(struct run_attempt *a)
{
	if (!a)
		return;
	set_stuck(a, false);
	pump_release(&a->pump);
	cgroup_limits_close(&a->run->cgroup, &a->limits);
	if (a->task >= 0)
		close(a->task);
	if (a->image)
		image_give_back(a->run, a->image);
	free(a->artifacts);
	free(a->artifact_fds);
	arena_release(&a->arena);
	free(a);
}

void attempt_fail(struct run_attempt *a, enum job_reason reason, const char *fmt, ...)
{
	a->is_failed = true;
	if (a->outcome.outcome != OUTCOME_SUCCEEDED)
		return;
	char text[OUTCOME_DETAIL_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	const char *copy = arena_strdup(&a->arena, text);
	a->outcome.outcome = OUTCOME_FAILED;
	a->outcome.reason = reason;
	a->outcome.detail = copy ? copy : "";
}

void attempt_add_artifact(struct run_attempt *a, const char *name, const char *sha256, int64_t size_bytes,
			  int fd)
{
	size_t n = a->outcome.artifacts_len;
	if (n == a->artifacts_cap) {
		size_t cap = n ? n * 2 : 16;
		struct artifact *list = realloc(a->artifacts, cap * sizeof *list);
		if (list)
			a->artifacts = list;
		int *fds = realloc(a->artifact_fds, cap * sizeof *fds);
		if (fds)
			a->artifact_fds = fds;
		if (!list || !fds) {
			close(fd);
			attempt_fail(a, REASON_INTERNAL, "out of memory");
			return;
		}
		a->artifacts_cap = cap;
	}
	struct artifact *f = &a->artifacts[n];
	*f = (struct artifact){ .job = a->spec.job, .attempt = a->spec.attempt, .size_bytes = size_bytes };
	f->name = arena_strdup(&a->arena, name);
	snprintf(f->sha256, sizeof f->sha256, "%s", sha256);
	a->artifact_fds[n] = fd;
	a->outcome.artifacts = a->artifacts;
	a->outcome.artifacts_len = n + 1;
}

static void drop_artifacts(struct run_attempt *a)
{
	for (size_t i = 0; i < a->outcome.artifacts_len; i++)
		close(a->artifact_fds[i]);
	a->outcome.artifacts_len = 0;
}

static void become_done(struct run_attempt *a)
{
	a->phase = PHASE_DONE;
	a->run->is_done_waiting = true;
}

/* What a halt means for the outcome; it goes before whatever the dying processes said. */
static void apply_halt(struct run_attempt *a)
{
	struct outcome *o = &a->outcome;
	if (a->halt != HALT_CANCEL && a->halt != HALT_RELEASE)
		return;
	o->outcome = a->halt == HALT_CANCEL ? OUTCOME_CANCELLED : OUTCOME_RELEASED;
	o->reason = REASON_NONE;
	o->detail = "";
	o->exit_code = -1;
	o->signal = 0;
	drop_artifacts(a);
}

static void clean(struct run_attempt *a)
{
	if (a->task >= 0)
		close(a->task);
	a->task = -1;
	apply_halt(a);
	if (a->limits.is_used) {
		bool memory_hit, pids_hit;
		int64_t peak;
		cgroup_limits_read(&a->run->cgroup, &a->limits, &memory_hit, &pids_hit, &peak);
		if (peak > a->outcome.usage.memory_peak_bytes)
			a->outcome.usage.memory_peak_bytes = peak;
		cgroup_limits_close(&a->run->cgroup, &a->limits);
	}
	a->driver->clean(a);
	become_done(a);
}

/* What failed for want of it, the copying of inputs, may have been heard of first. */
void attempt_on_root_failed(struct run_attempt *a, const char *why)
{
	if (a->halt)
		return;
	a->outcome.outcome = OUTCOME_SUCCEEDED;
	attempt_fail(a, REASON_INTERNAL, "%s", why);
}

/* With nothing in out/ there is nothing to look for: the first glob has no match. */
static void collect(struct run_attempt *a)
{
	bool has_files = false, has_result = false;
	const char *const *globs = a->spec.collect;
	a->driver->inspect(a, &has_files, &has_result);
	bool is_wanted = globs && globs[0] && (!a->is_failed || a->spec.is_collecting_failed) && !a->halt;
	if (is_wanted && !has_files && !a->is_failed)
		attempt_fail(a, REASON_COLLECT, "nothing in the out folder matches %s", globs[0]);
	if (!(is_wanted && has_files) && !has_result) {
		clean(a);
		return;
	}
	a->phase = PHASE_COLLECT;
	if (is_wanted && has_files && a->run->options.events.on_collecting)
		a->run->options.events.on_collecting(a->run->options.ctx, a->spec.job, a->spec.attempt);
	collect_begin(a, is_wanted && has_files, has_result);
	if (a->task < 0)
		clean(a);
}

static bool is_ending(const struct run_attempt *a)
{
	return a->halt == HALT_CANCEL || a->halt == HALT_RELEASE || a->halt == HALT_STALE ||
	       a->halt == HALT_TIMEOUT;
}

static int start_step(struct run_attempt *a, const struct spec_step *step, struct err *e)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	CLEAN_FD int in = ends[0];
	CLEAN_FD int out = ends[1];
	if (fcntl(in, F_SETFL, O_NONBLOCK) < 0 || run_watch(a->run, in, SOURCE_PIPE, a->slot, e) < 0)
		return -1;
	a->pump.fd = take_fd(&in);
	a->pump.is_wide = false;
	return a->driver->start_step(a, step, out, e);
}

/* Start the next step that is to run, or go on to collecting. */
static void next_step(struct run_attempt *a)
{
	for (; a->step < a->spec.steps_len; a->step++) {
		const struct spec_step *step = &a->spec.steps[a->step];
		if (is_ending(a) || (a->is_failed && !step->is_always))
			continue;
		struct err e = ERR_INIT;
		a->halt = HALT_NONE;
		a->is_killed = false;
		set_stuck(a, false);
		a->kill_at_ms = 0;
		a->phase = PHASE_STEP;
		a->step_started_ms = a->output_ms = clock_boot_ms();
		measure_plan(a, a->step_started_ms);
		if (start_step(a, step, &e) == 0)
			return;
		a->outcome.step = a->is_failed ? a->outcome.step : step->name;
		attempt_fail(a, REASON_INTERNAL, "%s", e.text);
	}
	collect(a);
}

static void step_over(struct run_attempt *a)
{
	a->step++;
	next_step(a);
}

static void after_inputs(struct run_attempt *a)
{
	a->step = 0;
	next_step(a);
}

static void prepared(struct run_attempt *a)
{
	if (a->is_failed || !a->spec.inputs_len) {
		after_inputs(a);
		return;
	}
	a->phase = PHASE_INPUTS;
	inputs_begin(a);
	if (a->task < 0)
		after_inputs(a);
}

void attempt_begin(struct run_attempt *a)
{
	struct err e = ERR_INIT;
	if (a->driver->prepare(a, &e) < 0)
		attempt_fail(a, REASON_INTERNAL, "%s", e.text);
	if (a->is_failed) {
		clean(a);
		return;
	}
	if (a->image && !a->image->is_ready) {
		a->phase = PHASE_IMAGE;
		return;
	}
	prepared(a);
}

void attempt_on_image(struct run_attempt *a)
{
	if (a->phase != PHASE_IMAGE)
		return;
	if (a->image->failed.code != ERR_NONE) {
		attempt_fail(a, REASON_TARGET, "%s", a->image->failed.text);
		clean(a);
		return;
	}
	attempt_begin(a);
}

void attempt_on_task(struct run_attempt *a)
{
	if (a->phase == PHASE_STEP || a->phase == PHASE_MEASURE) {
		measure_on_task(a);
		if (a->phase == PHASE_MEASURE && a->task < 0)
			step_over(a);
	} else if (a->phase == PHASE_INPUTS) {
		inputs_on_task(a);
		if (a->task < 0)
			after_inputs(a);
	} else if (a->phase == PHASE_COLLECT) {
		collect_on_task(a);
		if (a->task < 0)
			clean(a);
	}
}

static const char *step_prefix(const struct spec_step *step, char out[128])
{
	if (*step->name)
		snprintf(out, 128, "step %s ", step->name);
	else
		out[0] = '\0';
	return out;
}

/* A process that was refused memory or a fork may die of it in any way; the kernel's count decides. */
static enum job_reason limit_reason(struct run_attempt *a, bool is_disk_full)
{
	bool memory_hit, pids_hit;
	int64_t peak;
	if (!a->limits.is_used)
		return is_disk_full ? REASON_DISK : REASON_NONE;
	cgroup_limits_read(&a->run->cgroup, &a->limits, &memory_hit, &pids_hit, &peak);
	return memory_hit ? REASON_MEMORY : pids_hit ? REASON_PIDS : is_disk_full ? REASON_DISK : REASON_NONE;
}

/* A process alone was over the limit of processor time that the kernel keeps for each: it is the attempt's. */
static bool is_cpu_signal(const struct run_attempt *a, int status)
{
	return a->spec.limits.cpu_ms && WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU;
}

static void judge_status(struct run_attempt *a, const struct spec_step *step, int status, bool is_disk_full)
{
	char prefix[128];
	step_prefix(step, prefix);
	enum job_reason limit = is_cpu_signal(a, status) ? REASON_TIMEOUT : limit_reason(a, is_disk_full);
	const char *why = limit == REASON_MEMORY    ? " (over its memory limit)"
			  : limit == REASON_PIDS    ? " (over its limit of processes)"
			  : limit == REASON_DISK    ? " (its disk was full)"
			  : limit == REASON_TIMEOUT ? " (over its processor time)"
						    : "";
	if (WIFSIGNALED(status)) {
		int sig = WTERMSIG(status);
		const char *name = sigabbrev_np(sig);
		attempt_fail(a, limit ? limit : REASON_SIGNAL, "%sended by signal %d (SIG%s)%s", prefix, sig,
			     name ? name : "?", why);
	} else {
		enum job_reason reason = step->reason ? step->reason : REASON_EXIT;
		attempt_fail(a, limit ? limit : reason, "%sexited with status %d%s", prefix,
			     WEXITSTATUS(status), why);
	}
}

static void judge(struct run_attempt *a, const struct spec_step *step, const struct spawner_event *ev)
{
	char prefix[128];
	step_prefix(step, prefix);
	struct outcome *o = &a->outcome;
	bool is_first = o->outcome == OUTCOME_SUCCEEDED;
	bool is_clean = ev->is_started && WIFEXITED(ev->status) && WEXITSTATUS(ev->status) == 0;
	if (is_first) {
		o->exit_code = WIFEXITED(ev->status) ? WEXITSTATUS(ev->status) : -1;
		o->signal = WIFSIGNALED(ev->status) ? WTERMSIG(ev->status) : 0;
	}
	if (a->halt == HALT_TIMEOUT || a->halt == HALT_STEP_TIMEOUT) {
		int64_t ms = a->halt == HALT_TIMEOUT ? a->spec.timeout_ms : step->timeout_ms;
		attempt_fail(a, REASON_TIMEOUT, "%sdid not end within %lld.%03lld s", prefix,
			     (long long)ms / 1000, (long long)ms % 1000);
	} else if (a->halt == HALT_SILENCE) {
		attempt_fail(a, REASON_SILENCE, "%swrote nothing for %lld.%03lld s", prefix,
			     (long long)a->spec.silence_ms / 1000, (long long)a->spec.silence_ms % 1000);
	} else if (a->halt == HALT_CPU) {
		attempt_fail(a, REASON_TIMEOUT, "%sused its %lld.%03lld s of processor time", prefix,
			     (long long)a->spec.limits.cpu_ms / 1000,
			     (long long)a->spec.limits.cpu_ms % 1000);
	} else if (a->halt == HALT_DISK) {
		attempt_fail(a, REASON_DISK, DISK_TEXT, prefix);
	} else if (a->halt == HALT_LOG) {
		attempt_fail(a, REASON_OUTPUT, "%swrote on long after its log of %lld bytes was full", prefix,
			     (long long)a->pump.limit_bytes);
	} else if (ev->is_by_watchdog) {
		a->halt = HALT_RELEASE;
	} else if (!ev->is_started && strncmp(ev->text, "exec ", 5) == 0) {
		pump_note(a, "%s", ev->text);
		attempt_fail(a, REASON_EXIT, "%s%s", prefix, ev->text);
	} else if (!ev->is_started) {
		o->exit_code = is_first ? -1 : o->exit_code;
		attempt_fail(a, a->spec.isolation == ISOLATION_NONE ? REASON_INTERNAL : REASON_TARGET, "%s%s",
			     prefix, ev->text);
	} else if (!is_clean && a->halt == HALT_NONE) {
		judge_status(a, step, ev->status, ev->is_disk_full);
	}
	if (is_first && o->outcome != OUTCOME_SUCCEEDED)
		o->step = step->name;
}

void attempt_on_ended(struct run_attempt *a, const struct spawner_event *ev)
{
	if (a->phase != PHASE_STEP)
		return;
	measure_end(a);
	/* Every writer is dead: what the pipe holds now is all there will be. */
	pump_read(a, true);
	struct usage *u = &a->outcome.usage;
	u->cpu_user_us += ev->cpu_user_us;
	u->cpu_sys_us += ev->cpu_sys_us;
	if (ev->memory_peak_bytes > u->memory_peak_bytes)
		u->memory_peak_bytes = ev->memory_peak_bytes;
	a->has_result = ev->has_result;
	judge(a, &a->spec.steps[a->step], ev);
	if (a->is_measured && !a->is_failed && !a->halt) {
		a->phase = PHASE_MEASURE;
		measure_begin(a);
	}
	if (a->task < 0)
		step_over(a);
}

void attempt_over_disk(struct run_attempt *a)
{
	if (a->phase == PHASE_STEP) {
		attempt_halt(a, HALT_DISK);
		return;
	}
	attempt_fail(a, REASON_DISK, DISK_TEXT, "");
	a->outcome.step = a->spec.steps[a->step].name;
}

static void send_signal(struct run_attempt *a, int sig)
{
	struct err e = ERR_INIT;
	if (sig == SIGKILL && !a->is_killed) {
		a->is_killed = true;
		a->killed_ms = clock_boot_ms();
	}
	spawner_kill(a->driver->spawner(a), a->id, a->slot, sig, &e);
}

void attempt_halt(struct run_attempt *a, enum halt why)
{
	bool is_stronger = why == HALT_STALE || why == HALT_CANCEL || why == HALT_RELEASE;
	bool is_running = a->phase == PHASE_STEP;
	if (a->halt != HALT_NONE && !(is_stronger && a->halt != HALT_STALE))
		return;
	bool is_first = a->halt == HALT_NONE;
	a->halt = why;
	if (!is_running) {
		/* Nothing of the attempt runs but, perhaps, a task, which ends with its socket. */
		if (a->phase != PHASE_DONE)
			clean(a);
		else
			apply_halt(a);
		return;
	}
	if (why == HALT_STALE || a->spec.grace_ms <= 0) {
		send_signal(a, SIGKILL);
	} else if (is_first) {
		a->kill_at_ms = clock_boot_ms() + a->spec.grace_ms;
		send_signal(a, SIGTERM);
	}
}

/* Not before all processors together could have used what is left; and then again, if they did not. */
static void look_at_cpu(struct run_attempt *a, int64_t now)
{
	int64_t used_us = cgroup_limits_cpu_us(&a->run->cgroup, &a->limits);
	int64_t left_ms = a->spec.limits.cpu_ms - used_us / 1000;
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	if (used_us < 0) {
		a->cpu_look_ms = INT64_MAX;
		return;
	}
	if (left_ms <= 0)
		attempt_halt(a, HALT_CPU);
	int64_t in_ms = left_ms / (processors > 0 ? processors : 1);
	a->cpu_look_ms = now + (in_ms > CPU_LOOK_MS ? in_ms : CPU_LOOK_MS);
}

void attempt_on_time(struct run_attempt *a, int64_t now)
{
	const struct spec *s = &a->spec;
	if (a->pump.first_ms && a->pump.file_fd < 0 &&
	    now >= a->pump.first_ms + a->run->options.log_delay_ms) {
		pump_to_file(a);
		pump_tell(a);
	}
	pump_on_time(a, now);
	if (a->phase == PHASE_DONE)
		return;
	if (s->timeout_ms && now >= a->started_ms + s->timeout_ms && a->halt == HALT_NONE) {
		if (a->phase != PHASE_STEP)
			attempt_fail(a, REASON_TIMEOUT, "did not end within its time");
		attempt_halt(a, HALT_TIMEOUT);
	}
	if (a->phase != PHASE_STEP)
		return;
	int64_t step_ms = s->steps[a->step].timeout_ms;
	if (step_ms && now >= a->step_started_ms + step_ms)
		attempt_halt(a, HALT_STEP_TIMEOUT);
	if (s->silence_ms && now >= a->output_ms + s->silence_ms)
		attempt_halt(a, HALT_SILENCE);
	if (s->limits.cpu_ms && a->limits.is_used && now >= a->cpu_look_ms)
		look_at_cpu(a, now);
	if (a->halt == HALT_NONE && now >= a->disk_look_ms)
		measure_begin(a);
	if (pump_is_flood(&a->pump))
		attempt_halt(a, HALT_LOG);
	if (a->kill_at_ms && now >= a->kill_at_ms && !a->is_killed)
		send_signal(a, SIGKILL);
	if (a->is_killed && now >= a->killed_ms + a->run->options.stuck_ms)
		set_stuck(a, true);
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t attempt_deadline_ms(const struct run_attempt *a)
{
	const struct spec *s = &a->spec;
	int64_t at = INT64_MAX;
	if (a->pump.first_ms && a->pump.file_fd < 0)
		at = earlier(at, a->pump.first_ms + a->run->options.log_delay_ms);
	if (a->pump.is_paused)
		at = earlier(at, a->pump.second_ms + 1000);
	if (a->phase == PHASE_DONE)
		return at;
	if (a->halt == HALT_NONE && s->timeout_ms)
		at = earlier(at, a->started_ms + s->timeout_ms);
	if (a->phase != PHASE_STEP)
		return at;
	int64_t step_ms = s->steps[a->step].timeout_ms;
	if (a->halt == HALT_NONE && step_ms)
		at = earlier(at, a->step_started_ms + step_ms);
	if (a->halt == HALT_NONE && s->silence_ms)
		at = earlier(at, a->output_ms + s->silence_ms);
	if (a->halt == HALT_NONE && s->limits.cpu_ms && a->limits.is_used)
		at = earlier(at, a->cpu_look_ms);
	if (a->halt == HALT_NONE)
		at = earlier(at, a->disk_look_ms);
	if (a->kill_at_ms && !a->is_killed)
		at = earlier(at, a->kill_at_ms);
	if (a->is_killed && !a->is_stuck)
		at = earlier(at, a->killed_ms + a->run->options.stuck_ms);
	return at;
}

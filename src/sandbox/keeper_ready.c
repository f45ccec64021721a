/* Roots and sandboxes made ahead.
 *
 * Two attempts that follow one another in a slot mostly want the same: image, scratch, hosts, and in their first start user,
 * network and host name. After two that were alike the next is made while the second runs: the root and a sandbox in it
 * whose command waits. It is used once, by a request that is the same byte for byte, or thrown away: when another root is
 * asked for, an image is dropped, it dies, or nobody has come for it in a while. One a slot at most.
 *
 * Taking down what an attempt leaves is put off to the same moments. What a start may wait for is made as soon as there are
 * no events; what nobody waits for is left until something runs, or until it has been quiet for a moment. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "sandbox/keeper_priv.h"

enum { QUIET_MS = 2 };

void ready_drop(struct keeper *k, struct keeper_slot *s)
{
	proc_leave(k, &s->ready.proc);
	root_take_down(k, &s->ready.root);
	s->ready.is_wanted = false;
}

static bool is_key(const struct keeper_ready *r, const char *key, size_t len)
{
	return r->key && r->key_len == len && memcmp(r->key, key, len) == 0;
}

static void keep_key(struct keeper_ready *r, const char *key, size_t len)
{
	char *copy = realloc(r->key, len + 1);
	r->key_len = 0;
	if (!copy)
		return;
	memcpy(copy, key, len);
	r->key = copy;
	r->key_len = len;
}

bool ready_take(struct keeper *k, struct keeper_slot *s, const char *key, size_t len)
{
	struct keeper_ready *r = &s->ready;
	r->is_alike = is_key(r, key, len);
	r->is_start_known = r->is_wanted = false;
	if (!r->is_alike) {
		ready_drop(k, s);
		keep_key(r, key, len);
		return false;
	}
	if (!r->root.is_open)
		return false;
	s->root = r->root;
	s->proc = r->proc;
	r->root = (struct keeper_root){ .fd = -1 };
	r->proc = NULL;
	return true;
}

void ready_want(struct keeper *k, struct keeper_slot *s)
{
	struct keeper_ready *r = &s->ready;
	if (!r->is_start_known && s->root.is_open) {
		r->flags = s->flags;
		memcpy(r->hostname, s->hostname, sizeof r->hostname);
		r->is_start_known = true;
	}
	r->is_wanted = r->is_alike && r->is_start_known && !r->proc && k->options->ready_ms >= 0 &&
		       !k->is_owner_gone;
}

bool ready_on_death(struct keeper *k, struct keeper_slot *s, pid_t pid)
{
	struct keeper_proc **at = s->ready.proc && s->ready.proc->pid == pid ? &s->ready.proc
				  : s->proc && s->proc->pid == pid	     ? &s->proc
									     : NULL;
	if (!at)
		return false;
	(*at)->pid = 0;
	proc_leave(k, at);
	return true;
}

static void make(struct keeper *k, struct keeper_slot *s)
{
	struct keeper_ready *r = &s->ready;
	struct err e = ERR_INIT;
	if (!r->root.is_open) {
		r->is_wanted = root_make(k, &r->root, r->key, r->key_len, &e) == 0;
		r->drop_at_ms = clock_boot_ms() +
				(k->options->ready_ms ? k->options->ready_ms : SPAWNER_READY_MS);
		return;
	}
	r->is_wanted = false;
	if (proc_make(k, s, &r->root, r->flags, r->hostname, &r->proc) == 0)
		r->proc->is_made_ahead = true;
}

void ready_work(struct keeper *k, bool is_quiet)
{
	int64_t now = clock_boot_ms();
	for (int i = 0; i < k->slots_end; i++)
		if (k->slots[i] && k->slots[i]->ready.is_wanted) {
			make(k, k->slots[i]);
			return;
		}
	if (!is_quiet && !keeper_is_busy(k))
		return;
	for (int i = 0; i < k->slots_end; i++) {
		struct keeper_slot *s = k->slots[i];
		if (s && s->spent.is_open) {
			root_take_down(k, &s->spent);
			return;
		}
		if (s && s->ready.root.is_open && now >= s->ready.drop_at_ms)
			ready_drop(k, s);
	}
}

int ready_wait_ms(const struct keeper *k)
{
	int64_t at = INT64_MAX;
	bool is_any_spent = false;
	for (int i = 0; i < k->slots_end; i++) {
		const struct keeper_slot *s = k->slots[i];
		if (!s)
			continue;
		if (s->ready.is_wanted)
			return 0;
		is_any_spent |= s->spent.is_open;
		if (s->ready.root.is_open && s->ready.drop_at_ms < at)
			at = s->ready.drop_at_ms;
	}
	if (is_any_spent)
		return keeper_is_busy(k) ? 0 : QUIET_MS;
	if (at == INT64_MAX)
		return -1;
	int64_t left = at - clock_boot_ms();
	return left < QUIET_MS ? QUIET_MS : (int)left;
}

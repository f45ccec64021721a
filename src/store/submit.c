/* Births. A batch is planned as a whole before a row is written: which lines are new, what numbers they
 * get, what each needs, in which chain it is, and whether something it needs has failed already. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "model/submit.h"
#include "store/ids_priv.h"
#include "store/limit_keys_priv.h"
#include "store/owners_priv.h"

/* A payload longer than this lives beside the row, so that a change of state rewrites few bytes. */
enum { PAYLOAD_IN_ROW_MAX = 1024 };

struct plan_line {
	const struct job_new *new;
	const struct plan_line *same; /* an earlier line with its dedupe key */
	int64_t id, chain;
	int64_t lane;	/* once its row is written */
	int64_t *needs; /* numbers, ascending, each once */
	size_t needs_len;
	int needs_left;
	bool is_new, is_needed, is_doomed;
};

struct plan {
	struct tx *tx;
	struct arena *a;
	struct plan_line *lines;
	size_t len;
	int64_t first;		      /* the number of the first new line */
	struct plan_line **by_number; /* from `first` */
	/* Lines of a batch are mostly alike: the lane of the one before. */
	const struct job_new *lane_of;
	int64_t lane, lane_owner;
	const struct job_new *key_of; /* and the limit key */
	int64_t key_owner, key;
	size_t *order; /* lines so that each comes after those of the batch it needs */
};

/* "line 3: …" in a batch, plain for one job. */
static int refuse(const struct plan *p, size_t line, struct err *e)
{
	return p->len > 1 ? err_wrap(e, "line %zu", line + 1) : -1;
}

static int check_line(const struct plan *p, size_t at, struct err *e)
{
	const struct job_new *n = p->lines[at].new;
	int rc = 0;
	if (!kind_name(n->kind))
		rc = err_set(e, ERR_INVALID, "there is no kind %d", (int)n->kind);
	else if (!isolation_name(n->isolation))
		rc = err_set(e, ERR_INVALID, "there is no isolation %d", (int)n->isolation);
	else if (n->priority < JOB_PRIORITY_MIN || n->priority > JOB_PRIORITY_MAX)
		rc = err_set(e, ERR_INVALID, "priority must be from %d to %d", JOB_PRIORITY_MIN,
			     JOB_PRIORITY_MAX);
	else if (n->max_attempts < 1 || n->max_attempts > JOB_ATTEMPTS_MAX)
		rc = err_set(e, ERR_INVALID, "max_attempts must be from 1 to %d", JOB_ATTEMPTS_MAX);
	else if (n->needs_len > JOB_NEEDS_MAX)
		rc = err_set(e, ERR_TOO_LARGE, "needs more than %d jobs", JOB_NEEDS_MAX);
	else if (!n->payload)
		rc = err_set(e, ERR_INVALID, "has no payload");
	return rc < 0 ? refuse(p, at, e) : 0;
}

/* Which lines are new. A line whose key an earlier one has is that one. */
static int plan_new(struct plan *p, size_t *count, struct err *e)
{
	CLEAN_MAP struct map keys = MAP_INIT;
	*count = 0;
	for (size_t i = 0; i < p->len; i++) {
		struct plan_line *l = &p->lines[i];
		const char *key = l->new->dedupe;
		if (check_line(p, i, e) < 0)
			return -1;
		if (key && *key) {
			l->same = map_find(&keys, key);
			if (l->same)
				continue;
			if (map_set(&keys, key, l, e) < 0 ||
			    tx_get_int(p->tx, STMT_JOB_LIVE_DEDUPE, DB_ARGS(db_str(key)), &l->id, e) < 0)
				return -1;
			if (l->id)
				continue;
		}
		l->is_new = true;
		++*count;
	}
	return 0;
}

/* The number of each: those of new lines in a row. */
static int plan_numbers(struct plan *p, struct err *e)
{
	size_t count;
	p->first = INT64_MAX;
	if (plan_new(p, &count, e) < 0)
		return -1;
	if (count && tx_get_int(p->tx, STMT_JOB_NUMBERS, DB_ARGS(db_int((int64_t)count)), &p->first, e) < 0)
		return -1;
	int64_t next = p->first;
	for (size_t i = 0; i < p->len; i++) {
		struct plan_line *l = &p->lines[i];
		if (l->same)
			l->id = l->same->id;
		if (!l->is_new)
			continue;
		l->id = next++;
		p->by_number[l->id - p->first] = l;
	}
	return 0;
}

static int compare_ids(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return x < y ? -1 : x > y;
}

/* References become numbers; each once. A number of this batch given as a plain number is refused: it does
 * not exist yet. */
static int plan_needs(struct plan *p, size_t at, struct err *e)
{
	struct plan_line *l = &p->lines[at];
	size_t n = l->new->needs_len;
	if (!n || !l->is_new)
		return 0;
	l->needs = arena_array(p->a, n, sizeof *l->needs);
	if (!l->needs)
		return err_set(e, ERR_NOMEM, "needs");
	for (size_t i = 0; i < n; i++) {
		int64_t need = l->new->needs[i];
		if (need < 0) {
			if ((uint64_t)-need > p->len) {
				err_set(e, ERR_INVALID, "needs #%lld, but there are %zu lines",
					(long long)-need, p->len);
				return refuse(p, at, e);
			}
			need = p->lines[-need - 1].id;
		} else if (need == 0 || need >= p->first) {
			err_set(e, ERR_INVALID, "needs job %lld, which does not exist", (long long)need);
			return refuse(p, at, e);
		}
		if (need == l->id) {
			err_set(e, ERR_INVALID, "needs itself");
			return refuse(p, at, e);
		}
		l->needs[i] = need;
	}
	qsort(l->needs, n, sizeof *l->needs, compare_ids);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || l->needs[i] != l->needs[i - 1])
			l->needs[l->needs_len++] = l->needs[i];
	return 0;
}

/* The new line of that number. */
static struct plan_line *line_of(const struct plan *p, int64_t id)
{
	return p->by_number[id - p->first];
}

/* Lines that wait for a line, as one array: for each, where its part begins. */
struct edges {
	size_t *from; /* len + 1 */
	size_t *to;
	size_t *missing; /* needs of the batch that have not been ordered yet */
};

static int edges_make(struct plan *p, struct edges *g, struct err *e)
{
	g->from = arena_array(p->a, p->len + 2, sizeof *g->from);
	g->missing = arena_array(p->a, p->len + 1, sizeof *g->missing);
	if (!g->from || !g->missing)
		return err_set(e, ERR_NOMEM, "needs");
	size_t total = 0;
	for (size_t i = 0; i < p->len; i++)
		for (size_t k = 0; k < p->lines[i].needs_len; k++)
			if (p->lines[i].needs[k] >= p->first) {
				g->from[line_of(p, p->lines[i].needs[k]) - p->lines + 2]++;
				g->missing[i]++;
				total++;
			}
	g->to = arena_array(p->a, total + 1, sizeof *g->to);
	if (!g->to)
		return err_set(e, ERR_NOMEM, "needs");
	for (size_t i = 2; i < p->len + 2; i++)
		g->from[i] += g->from[i - 1];
	for (size_t i = 0; i < p->len; i++)
		for (size_t k = 0; k < p->lines[i].needs_len; k++)
			if (p->lines[i].needs[k] >= p->first)
				g->to[g->from[line_of(p, p->lines[i].needs[k]) - p->lines + 1]++] = i;
	return 0;
}

/* A line in a cycle: from one that could not be ordered, go to one that it needs and that could not
 * either, so often that what merely waits for the cycle is behind. */
static size_t find_cycle(const struct plan *p, const struct edges *g)
{
	size_t at = 0;
	while (!g->missing[at])
		at++;
	for (size_t step = 0; step < p->len; step++) {
		const struct plan_line *l = &p->lines[at];
		for (size_t k = 0; k < l->needs_len; k++) {
			size_t to = l->needs[k] < p->first ? at
							   : (size_t)(line_of(p, l->needs[k]) - p->lines);
			if (to != at && g->missing[to]) {
				at = to;
				break;
			}
		}
	}
	return at;
}

/* Kahn's order; what it cannot reach is a cycle, or needs one. */
static int plan_order(struct plan *p, struct err *e)
{
	struct edges g = { .from = NULL };
	p->order = arena_array(p->a, p->len, sizeof *p->order);
	if (!p->order)
		return err_set(e, ERR_NOMEM, "needs");
	if (edges_make(p, &g, e) < 0)
		return -1;
	size_t done = 0, ready = 0;
	for (size_t i = 0; i < p->len; i++)
		if (!g.missing[i])
			p->order[ready++] = i;
	for (; done < ready; done++)
		for (size_t k = g.from[p->order[done]]; k < g.from[p->order[done] + 1]; k++)
			if (--g.missing[g.to[k]] == 0)
				p->order[ready++] = g.to[k];
	if (ready == p->len)
		return 0;
	err_set(e, ERR_INVALID, "needs itself by way of others");
	return refuse(p, find_cycle(p, &g), e);
}

/* What one need means for a line: does it still wait, will it fail, which chain is it in? */
static int plan_need(struct plan *p, struct plan_line *l, int64_t need, int64_t *chain, struct err *e)
{
	if (need >= p->first) {
		struct plan_line *other = line_of(p, need);
		other->is_needed = true;
		l->needs_left++;
		l->is_doomed |= other->is_doomed;
		*chain = other->chain;
		return 0;
	}
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(p->tx, STMT_JOB_CHAIN, DB_ARGS(db_int(need)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0) {
		err_set(e, ERR_INVALID, "needs job %lld, which does not exist", (long long)need);
		return refuse(p, (size_t)(l - p->lines), e);
	}
	if (rc < 0)
		return -1;
	enum job_state state = (enum job_state)db_col_int(&rows, 0);
	*chain = db_col_int(&rows, 1);
	l->needs_left += state != STATE_SUCCEEDED;
	l->is_doomed |= state == STATE_FAILED || state == STATE_CANCELLED;
	return tx_exec(p->tx, STMT_JOB_SET_NEEDED, DB_ARGS(db_int(need)), NULL, e);
}

static int64_t first_need(const struct plan *p, const struct plan_line *l)
{
	if (!l->needs_len)
		return 0;
	int64_t need = l->new->needs[0];
	return need < 0 ? p->lines[-need - 1].id : need;
}

static int plan_line(struct plan *p, struct plan_line *l, struct err *e)
{
	l->chain = l->id;
	for (size_t i = 0; i < l->needs_len; i++) {
		int64_t chain = 0;
		if (plan_need(p, l, l->needs[i], &chain, e) < 0)
			return -1;
		if (l->needs[i] == first_need(p, l))
			l->chain = chain;
	}
	if (l->new->chain)
		l->chain = l->new->chain;
	return 0;
}

static int add_inputs(struct tx *tx, int64_t id, const char *payload, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct payload p;
	if (!strstr(payload, "\"inputs\""))
		return 0;
	if (payload_decode(payload, &a, &p, e) < 0)
		return -1;
	for (size_t i = 0; i < p.inputs_len; i++)
		if (tx_exec(tx, STMT_INPUT_ADD, DB_ARGS(db_int(id), db_str(p.inputs[i].sha256)), NULL, e) < 0)
			return -1;
	return 0;
}

static int add_details(struct tx *tx, const struct plan_line *l, bool is_payload_beside, struct err *e)
{
	const struct job_new *n = l->new;
	if (is_payload_beside &&
	    tx_exec(tx, STMT_PAYLOAD_ADD, DB_ARGS(db_int(l->id), db_str(n->payload)), NULL, e) < 0)
		return -1;
	if (n->build.type && tx_exec(tx, STMT_BUILD_ADD,
				     DB_ARGS(db_int(l->id), db_str(n->build.type),
					     db_str(n->build.source ? n->build.source : ""),
					     db_str(n->build.version ? n->build.version : "")),
				     NULL, e) < 0)
		return -1;
	if (n->recipe_text &&
	    tx_exec(tx, STMT_RECIPE_ADD, DB_ARGS(db_int(l->id), db_str(n->recipe_text)), NULL, e) < 0)
		return -1;
	return add_inputs(tx, l->id, n->payload, e);
}

/* The tags of its lane: its own and the zone of its owner. */
static const char *lane_tags(struct plan *p, const char *tags, const char *zone, struct err *e)
{
	tags = tags ? tags : "";
	if (!*zone)
		return tags;
	const char *all = arena_printf(p->a, "%s%s" LANE_ZONE_TAG "%s", tags, *tags ? "," : "", zone);
	if (!all)
		err_set(e, ERR_NOMEM, "lane");
	return all;
}

static int find_lane(struct plan *p, int64_t owner, const struct job_new *n, struct err *e)
{
	const struct job_new *b = p->lane_of;
	if (b && p->lane_owner == owner && b->kind == n->kind && b->isolation == n->isolation &&
	    b->arch == n->arch && b->tags == n->tags)
		return 0;
	const struct owner_row *o = owner_find(p->tx, owner, e);
	const char *tags = o ? lane_tags(p, n->tags, o->zone, e) : NULL;
	if (!tags)
		return -1;
	p->lane_of = n;
	p->lane_owner = owner;
	return lane_id(p->tx, n->kind, n->isolation, n->arch, tags, &p->lane, e);
}

static bool is_same_key(const struct limit_key *a, const struct limit_key *b)
{
	return a->n == b->n && (a->name == b->name || (a->name && b->name && strcmp(a->name, b->name) == 0));
}

static int find_key(struct plan *p, int64_t owner, const struct job_new *n, struct err *e)
{
	if (p->key_of && p->key_owner == owner && is_same_key(&p->key_of->limit_key, &n->limit_key))
		return 0;
	p->key_of = n;
	p->key_owner = owner;
	return limit_key_id(p->tx, owner, &n->limit_key, &p->key, e);
}

static int add_row(struct plan *p, struct plan_line *l, struct job_row *r, struct err *e)
{
	struct tx *tx = p->tx;
	const struct job_new *n = l->new;
	const char *payload = strlen(n->payload) > PAYLOAD_IN_ROW_MAX ? NULL : n->payload;
	int64_t target;
	*r = (struct job_row){ .events = 1, .is_needed = l->is_needed };
	r->j.id = l->id;
	r->j.kind = n->kind;
	r->j.needs_left = l->needs_left;
	r->j.max_attempts = n->max_attempts;
	r->j.retry_delay_ms = n->retry_delay_ms;
	r->j.run_at_ms = n->run_at_ms;
	r->j.exit_code = -1;
	r->j.state = n->is_suspended ? STATE_SUSPENDED : job_state_free(tx, &r->j);
	if (string_id(tx, n->owner, &r->owner, e) < 0 || find_lane(p, r->owner, n, e) < 0 ||
	    string_id(tx, n->target, &target, e) < 0 || find_key(p, r->owner, n, e) < 0)
		return -1;
	r->j.lane = l->lane = p->lane;
	r->j.priority = n->priority;
	r->limit_key = p->key;
	bool is_gated = r->limit_key && r->j.state == STATE_WAITING;
	if (tx_exec(tx, STMT_JOB_ADD,
		    DB_ARGS(db_int(l->id), db_int((int)n->kind), db_int((int)r->j.state), db_int(r->j.lane),
			    db_int(n->max_attempts), db_int(n->retry_delay_ms), db_int(n->run_at_ms),
			    db_int(l->needs_left), db_int(l->is_needed), db_int(n->priority),
			    db_ref(r->owner), db_ref(target), db_int(l->chain), db_int(tx->now_ms),
			    db_int(n->timeout_ms), db_int(n->silence_ms), db_str(n->name ? n->name : ""),
			    db_str_or_null(n->dedupe), db_str(payload), db_ref(r->limit_key),
			    db_int(is_gated)),
		    NULL, e) < 0)
		return -1;
	return add_details(tx, l, !payload, e);
}

static int add_needs(struct tx *tx, const struct plan_line *l, struct err *e)
{
	for (size_t i = 0; i < l->needs_len; i++)
		if (tx_exec(tx, STMT_NEED_ADD, DB_ARGS(db_int(l->id), db_int(l->needs[i])), NULL, e) < 0)
			return -1;
	return 0;
}

static int write_lines(struct plan *p, const char *actor, struct err *e)
{
	struct job_row r;
	for (size_t i = 0; i < p->len; i++) {
		struct plan_line *l = &p->lines[i];
		if (!l->is_new)
			continue;
		if (add_row(p, l, &r, e) < 0 || job_born(p->tx, &r, actor, e) < 0)
			return refuse(p, i, e);
		if (l->is_doomed && job_move(p->tx, &r, STATE_FAILED, REASON_NEEDS, actor,
					     "a job it needs has failed", e) < 0)
			return refuse(p, i, e);
	}
	/* After all rows: a line may need a later one. */
	for (size_t i = 0; i < p->len; i++)
		if (p->lines[i].is_new && add_needs(p->tx, &p->lines[i], e) < 0)
			return refuse(p, i, e);
	return 0;
}

int jobs_submit(struct tx *tx, const struct job_new *news, size_t n, const char *actor,
		struct job_birth *births, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	struct plan p = { .tx = tx, .a = &a, .len = n };
	if (n > JOB_BATCH_MAX)
		return err_set(e, ERR_TOO_LARGE, "more than %d jobs in one call", JOB_BATCH_MAX);
	p.lines = arena_array(&a, n + 1, sizeof *p.lines);
	p.by_number = arena_array(&a, n + 1, sizeof *p.by_number);
	if (!p.lines || !p.by_number)
		return err_set(e, ERR_NOMEM, "submit %zu jobs", n);
	for (size_t i = 0; i < n; i++)
		p.lines[i].new = &news[i];
	if (plan_numbers(&p, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (plan_needs(&p, i, e) < 0)
			return -1;
	if (plan_order(&p, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct plan_line *l = &p.lines[p.order[i]];
		if (l->is_new && plan_line(&p, l, e) < 0)
			return -1;
	}
	if (write_lines(&p, actor, e) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		births[i] = (struct job_birth){ .id = p.lines[i].id,
						.is_new = p.lines[i].is_new,
						.lane = p.lines[i].lane };
	return 0;
}

/* Lists: the job's table alone, newest first, by the index that fits the filter. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "store/job_priv.h"

enum {
	LIMIT_MAX = 1000,
	/* A state with at most so many jobs is sorted out of its index; above, walking back from the
	 * newest number finds a page sooner. */
	SORT_MAX = 20000,
};

#define BIT(s) (1u << (s))
#define ALL_STATES ((2u << STATE_LAST) - (1u << STATE_FIRST))

/* The filter as values; in the order of LIST_REST. */
struct list_args {
	struct db_value v[10];
	char *name_end; /* the first name that does not begin so */
};

/* 0 = there can be no such job. */
static int list_args(struct tx *tx, const struct job_filter *f, struct arena *a, struct list_args *out,
		     struct err *e)
{
	int64_t owner = 0, worker = 0, target = 0;
	if (string_find(tx, f->owner, &owner, e) < 0 || string_find(tx, f->target, &target, e) < 0 ||
	    worker_find(tx, f->worker, &worker, e) < 0)
		return -1;
	if ((f->owner && *f->owner && !owner) || (f->target && *f->target && !target) ||
	    (f->worker && *f->worker && !worker))
		return 0;
	size_t len = f->name ? strlen(f->name) : 0;
	bool is_prefix = len && f->name[len - 1] == '*';
	const char *name = is_prefix ? arena_strndup(a, f->name, len - 1) : len ? f->name : NULL;
	char *end = is_prefix ? arena_printf(a, "%s\xf4\x8f\xbf\xbf", name) : NULL;
	if (is_prefix && (!name || !end))
		return err_set(e, ERR_NOMEM, "list of jobs");
	int limit = f->limit < 1 ? 1 : f->limit > LIMIT_MAX ? LIMIT_MAX : f->limit;
	unsigned states = f->states & ALL_STATES;
	*out = (struct list_args){ .v = { db_int(limit), db_int(f->before > 0 ? f->before : INT64_MAX),
					  states ? db_int(states) : db_null(), db_ref((int)f->kind),
					  db_ref(owner), db_ref(worker), db_str(name), db_str(end),
					  db_ref(target), db_null() } };
	return f->states && !states ? 0 : 1;
}

static enum stmt stmt_of_state(enum job_state s)
{
	switch (s) {
	case STATE_WAITING:
		return STMT_LIST_WAITING;
	case STATE_SCHEDULED:
		return STMT_LIST_SCHEDULED;
	case STATE_RUNNING:
	case STATE_COLLECTING:
		return STMT_LIST_LEASED;
	case STATE_BLOCKED:
	case STATE_DEPWAIT:
	case STATE_SUSPENDED:
	case STATE_FAILED:
	case STATE_CANCELLED:
		return STMT_LIST_RARE;
	case STATE_SUCCEEDED:
		break;
	}
	return STMT_LIST_ALL;
}

static int count_state(struct tx *tx, unsigned states, int64_t *sorted, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	*sorted = 0;
	if (tx_query(tx, STMT_TALLY_LIST, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	int rc;
	while ((rc = db_next(&rows, e)) > 0) {
		enum job_state s = (enum job_state)db_col_int(&rows, 1);
		enum stmt stmt = stmt_of_state(s);
		/* The index of rare states is in order by itself. */
		if ((states & BIT(s)) && stmt != STMT_LIST_RARE)
			*sorted += stmt == STMT_LIST_ALL ? SORT_MAX + 1 : db_col_int(&rows, 2);
	}
	return rc;
}

static int run_list(struct tx *tx, enum stmt stmt, const struct list_args *args, struct arena *a,
		    struct job **out, size_t *n, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	bool has_own = stmt == STMT_LIST_CHAIN || stmt == STMT_LIST_RARE;
	if (tx_query(tx, stmt, args->v, has_own ? 10 : 9, &rows, e) < 0)
		return -1;
	return job_rows_collect(tx, &rows, (size_t)args->v[0].i, a, out, n, e);
}

static int compare_newest(const void *a, const void *b)
{
	const struct job *x = a, *y = b;
	return x->id < y->id ? 1 : x->id > y->id ? -1 : 0;
}

/* One list for each state, merged. */
static int list_states(struct tx *tx, unsigned states, struct list_args *args, struct arena *a,
		       struct job **out, size_t *n, struct err *e)
{
	size_t limit = (size_t)args->v[0].i;
	struct job *all = arena_array(a, limit * STATE_LAST, sizeof *all);
	size_t len = 0;
	if (!all)
		return err_set(e, ERR_NOMEM, "list of jobs");
	for (int s = STATE_FIRST; s <= STATE_LAST; s++) {
		struct job *part;
		size_t part_len;
		if (!(states & BIT(s)))
			continue;
		args->v[2] = db_int(BIT(s));
		args->v[9] = db_int(s);
		if (run_list(tx, stmt_of_state((enum job_state)s), args, a, &part, &part_len, e) < 0)
			return -1;
		if (part_len)
			memcpy(all + len, part, part_len * sizeof *part);
		len += part_len;
	}
	qsort(all, len, sizeof *all, compare_newest);
	*out = all;
	*n = len < limit ? len : limit;
	return 0;
}

int jobs_list(struct tx *tx, const struct job_filter *f, struct arena *a, struct job **out, size_t *n,
	      struct err *e)
{
	struct list_args args;
	int64_t sorted = 0;
	*out = NULL;
	*n = 0;
	int rc = list_args(tx, f, a, &args, e);
	if (rc <= 0)
		return rc;
	if (f->chain) {
		args.v[9] = db_int(f->chain);
		return run_list(tx, STMT_LIST_CHAIN, &args, a, out, n, e);
	}
	unsigned states = f->states & ALL_STATES;
	/* Who holds a lease is found by the worker's index; what a worker had before is found by walking
	 * back. */
	if (states) {
		if (count_state(tx, states, &sorted, e) < 0)
			return -1;
		if (sorted <= SORT_MAX)
			return list_states(tx, states, &args, a, out, n, e);
	}
	bool by_kind = f->kind && f->kind != KIND_COMMAND;
	return run_list(tx, by_kind ? STMT_LIST_KIND : STMT_LIST_ALL, &args, a, out, n, e);
}

static int list_edges(struct tx *tx, enum stmt stmt, int64_t id, int limit, struct arena *a, struct job **out,
		      size_t *n, struct err *e)
{
	limit = limit < 1 ? 1 : limit > LIMIT_MAX ? LIMIT_MAX : limit;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, stmt, DB_ARGS(db_int(id), db_int(limit)), &rows, e) < 0)
		return -1;
	return job_rows_collect(tx, &rows, (size_t)limit, a, out, n, e);
}

int jobs_needs(struct tx *tx, int64_t id, int limit, struct arena *a, struct job **out, size_t *n,
	       struct err *e)
{
	return list_edges(tx, STMT_LIST_NEEDS, id, limit, a, out, n, e);
}

int jobs_dependants(struct tx *tx, int64_t id, int limit, struct arena *a, struct job **out, size_t *n,
		    struct err *e)
{
	return list_edges(tx, STMT_LIST_DEPENDANTS, id, limit, a, out, n, e);
}

int jobs_tallies(struct tx *tx, struct arena *a, struct tally **out, size_t *n, struct err *e)
{
	enum { MAX = KIND_LAST * STATE_LAST };
	CLEAN_ROWS struct db_rows rows;
	*n = 0;
	if (tx_query(tx, STMT_TALLY_LIST, DB_NO_ARGS, &rows, e) < 0)
		return -1;
	*out = arena_array(a, MAX, sizeof **out);
	if (!*out)
		return err_set(e, ERR_NOMEM, "tallies");
	int rc = 0;
	while (*n < MAX && (rc = db_next(&rows, e)) > 0) {
		struct tally t = { (enum job_kind)db_col_int(&rows, 0), (enum job_state)db_col_int(&rows, 1),
				   db_col_int(&rows, 2) };
		t.n += tx->tally[t.kind][t.state];
		if (t.n > 0)
			(*out)[(*n)++] = t;
	}
	return rc < 0 ? -1 : 0;
}

int jobs_position(struct tx *tx, const struct job *j, int cap, int *position, struct err *e)
{
	int64_t ahead = 0, owner;
	if (string_find(tx, j->owner, &owner, e) < 0 ||
	    tx_get_int(tx, STMT_POSITION,
		       DB_ARGS(db_int(j->lane), db_int(j->priority), db_int(j->id), db_int(cap),
			       db_int(owner)),
		       &ahead, e) < 0)
		return -1;
	*position = (int)ahead;
	return 0;
}

int jobs_build_get(struct tx *tx, int64_t id, struct arena *a, struct build_row *out, struct err *e)
{
	*out = (struct build_row){ .is_found = false };
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_BUILD_GET, DB_ARGS(db_int(id)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc <= 0)
		return rc;
	*out = (struct build_row){ true, db_col_str(&rows, 0, a), db_col_str(&rows, 1, a),
				   db_col_str(&rows, 2, a) };
	return out->type && out->source && out->version ? 0 : err_set(e, ERR_NOMEM, "build");
}

int jobs_build_set_version(struct tx *tx, int64_t id, const char *version, struct err *e)
{
	int64_t changed = 0;
	if (tx_exec(tx, STMT_BUILD_SET_VERSION, DB_ARGS(db_int(id), db_str(version ? version : "")), &changed,
		    e) < 0)
		return -1;
	return changed ? 0 : err_set(e, ERR_NOT_FOUND, "job %lld is no build", (long long)id);
}

int jobs_recipe_get(struct tx *tx, int64_t id, struct arena *a, const char **text, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_RECIPE_GET, DB_ARGS(db_int(id)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc == 0)
		return err_set(e, ERR_NOT_FOUND, "job %lld is no recipe", (long long)id);
	*text = rc > 0 ? db_col_str(&rows, 0, a) : NULL;
	return rc < 0 ? -1 : *text ? 0 : err_set(e, ERR_NOMEM, "recipe");
}

int jobs_result_get(struct tx *tx, int64_t id, struct arena *a, const char **text, struct err *e)
{
	CLEAN_ROWS struct db_rows rows;
	*text = NULL;
	if (tx_query(tx, STMT_JOB_RESULT, DB_ARGS(db_int(id)), &rows, e) < 0)
		return -1;
	int rc = db_next(&rows, e);
	if (rc <= 0 || db_col_is_null(&rows, 0))
		return rc < 0 ? -1 : 0;
	*text = db_col_str(&rows, 0, a);
	return *text ? 0 : err_set(e, ERR_NOMEM, "result of job %lld", (long long)id);
}

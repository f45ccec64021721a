#include "store/durations_priv.h"
#include "store/owners_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/clean.h"

/* Caches are emptied between transactions when they grow beyond this: names come from outside. */
enum { NAMES_MAX = 65536 };

struct name_entry {
	int64_t id;
	char text[];
};

struct lane_entry {
	struct lane lane;
	char *key;
	char *arch, *tags;
};

/* Which statements serve a table of names. */
struct names_sql {
	enum stmt find, text;
	const char *what;
};
static const struct names_sql string_sql = { STMT_STRING_FIND, STMT_STRING_TEXT, "string" };
static const struct names_sql worker_sql = { STMT_WORKER_FIND, STMT_WORKER_NAME, "worker" };

int64_t tx_now_ms(const struct tx *tx)
{
	return tx->now_ms;
}

bool tx_is_undone(const struct tx *tx)
{
	return db_must_repeat(tx->db) || db_is_undone(tx->db);
}

struct store *tx_store(const struct tx *tx)
{
	return tx->store;
}

/* Room for one more pointer, or -1. */
static int grow(void *array, size_t *cap, size_t len, size_t size, struct err *e)
{
	if (len < *cap)
		return 0;
	void **at = array;
	size_t more = *cap ? *cap * 2 : 64;
	void *p = reallocarray(*at, more, size);
	if (!p)
		return err_set(e, ERR_NOMEM, "transaction");
	*at = p;
	*cap = more;
	return 0;
}

static int names_learn(struct names *ns, int64_t id, const char *text, struct err *e)
{
	size_t n = strlen(text) + 1;
	struct name_entry *entry = malloc(sizeof *entry + n);
	if (!entry)
		return err_set(e, ERR_NOMEM, "name");
	entry->id = id;
	memcpy(entry->text, text, n);
	if (grow(&ns->added, &ns->added_cap, ns->added_len, sizeof *ns->added, e) < 0 ||
	    map_set(&ns->by_text, text, entry, e) < 0) {
		free(entry);
		return -1;
	}
	if (idmap_set(&ns->by_id, id, entry, e) < 0) {
		map_remove(&ns->by_text, text);
		free(entry);
		return -1;
	}
	ns->added[ns->added_len++] = entry;
	return 0;
}

static void names_undo(struct names *ns, size_t mark)
{
	while (ns->added_len > mark) {
		struct name_entry *entry = ns->added[--ns->added_len];
		map_remove(&ns->by_text, entry->text);
		idmap_remove(&ns->by_id, entry->id);
		free(entry);
	}
}

static void names_clear(struct names *ns)
{
	size_t at = 0;
	int64_t id;
	void *entry;
	while (idmap_next(&ns->by_id, &at, &id, &entry))
		free(entry);
	map_release(&ns->by_text);
	idmap_release(&ns->by_id);
	ns->added_len = 0;
}

static int names_find(struct tx *tx, struct names *ns, const struct names_sql *sql, const char *text,
		      int64_t *id, struct err *e)
{
	*id = 0;
	if (!text || !*text)
		return 0;
	const struct name_entry *known = map_find(&ns->by_text, text);
	if (known) {
		*id = known->id;
		return 0;
	}
	if (tx_get_int(tx, sql->find, DB_ARGS(db_str(text)), id, e) < 0)
		return -1;
	return *id ? names_learn(ns, *id, text, e) : 0;
}

static const char *names_text(struct tx *tx, struct names *ns, const struct names_sql *sql, int64_t id,
			      struct err *e)
{
	if (!id)
		return "";
	const struct name_entry *known = idmap_find(&ns->by_id, id);
	if (known)
		return known->text;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, sql->text, DB_ARGS(db_int(id)), &rows, e) < 0)
		return NULL;
	int rc = db_next(&rows, e);
	if (rc == 0)
		err_set(e, ERR_CORRUPT, "there is no %s %lld", sql->what, (long long)id);
	if (rc <= 0 || names_learn(ns, id, db_col_text(&rows, 0), e) < 0)
		return NULL;
	known = idmap_find(&ns->by_id, id);
	return known->text;
}

int string_find(struct tx *tx, const char *text, int64_t *id, struct err *e)
{
	return names_find(tx, &tx->strings, &string_sql, text, id, e);
}

int string_id(struct tx *tx, const char *text, int64_t *id, struct err *e)
{
	if (string_find(tx, text, id, e) < 0)
		return -1;
	if (*id || !text || !*text)
		return 0;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_STRING_ADD, DB_ARGS(db_str(text)), &rows, e) < 0 || db_next(&rows, e) <= 0)
		return -1;
	*id = db_col_int(&rows, 0);
	return names_learn(&tx->strings, *id, text, e);
}

const char *string_text(struct tx *tx, int64_t id, struct err *e)
{
	return names_text(tx, &tx->strings, &string_sql, id, e);
}

int worker_find(struct tx *tx, const char *name, int64_t *id, struct err *e)
{
	return names_find(tx, &tx->workers, &worker_sql, name, id, e);
}

const char *worker_name(struct tx *tx, int64_t id, struct err *e)
{
	return names_text(tx, &tx->workers, &worker_sql, id, e);
}

int worker_learn(struct tx *tx, int64_t id, const char *name, struct err *e)
{
	return names_learn(&tx->workers, id, name, e);
}

static void lane_free(struct lane_entry *entry)
{
	if (!entry)
		return;
	free(entry->key);
	free(entry->arch);
	free(entry->tags);
	free(entry);
}

/* Unit separators: no architecture or tag has one. */
static char *lane_key(enum job_kind kind, enum isolation isolation, const char *arch, const char *tags)
{
	char *key;
	return asprintf(&key, "%d\x1f%d\x1f%s\x1f%s", (int)kind, (int)isolation, arch, tags) < 0 ? NULL : key;
}

static struct lane_entry *lane_learn(struct lanes *ls, int64_t id, enum job_kind kind,
				     enum isolation isolation, const char *arch, const char *tags,
				     struct err *e)
{
	struct lane_entry *entry = calloc(1, sizeof *entry);
	if (entry) {
		entry->key = lane_key(kind, isolation, arch, tags);
		entry->arch = strdup(arch);
		entry->tags = strdup(tags);
	}
	if (!entry || !entry->key || !entry->arch || !entry->tags) {
		err_set(e, ERR_NOMEM, "lane");
		goto fail;
	}
	/* The zone is the last of its tags; no tag of a job has a colon. */
	char *zone = strstr(entry->tags, LANE_ZONE_TAG);
	entry->lane = (struct lane){ id,	  kind,	       isolation,
				     entry->arch, entry->tags, zone ? zone + strlen(LANE_ZONE_TAG) : "" };
	if (zone)
		zone[zone > entry->tags ? -1 : 0] = '\0';
	if (grow(&ls->added, &ls->added_cap, ls->added_len, sizeof *ls->added, e) < 0 ||
	    map_set(&ls->by_key, entry->key, entry, e) < 0)
		goto fail;
	if (idmap_set(&ls->by_id, id, entry, e) < 0) {
		map_remove(&ls->by_key, entry->key);
		goto fail;
	}
	ls->added[ls->added_len++] = entry;
	return entry;
fail:
	lane_free(entry);
	return NULL;
}

static void lanes_undo(struct lanes *ls, size_t mark)
{
	while (ls->added_len > mark) {
		struct lane_entry *entry = ls->added[--ls->added_len];
		map_remove(&ls->by_key, entry->key);
		idmap_remove(&ls->by_id, entry->lane.id);
		lane_free(entry);
	}
}

static void lanes_clear(struct lanes *ls)
{
	size_t at = 0;
	int64_t id;
	void *entry;
	while (idmap_next(&ls->by_id, &at, &id, &entry))
		lane_free(entry);
	map_release(&ls->by_key);
	idmap_release(&ls->by_id);
	ls->added_len = 0;
}

int lane_id(struct tx *tx, enum job_kind kind, enum isolation isolation, const char *arch, const char *tags,
	    int64_t *id, struct err *e)
{
	arch = arch ? arch : "";
	tags = tags ? tags : "";
	CLEAN_FREE char *key = lane_key(kind, isolation, arch, tags);
	if (!key)
		return err_set(e, ERR_NOMEM, "lane");
	const struct lane_entry *known = map_find(&tx->lanes.by_key, key);
	if (known) {
		*id = known->lane.id;
		return 0;
	}
	*id = 0;
	if (tx_get_int(tx, STMT_LANE_FIND,
		       DB_ARGS(db_int((int)kind), db_int((int)isolation), db_str(arch), db_str(tags)), id,
		       e) < 0)
		return -1;
	if (!*id) {
		CLEAN_ROWS struct db_rows rows;
		if (tx_query(tx, STMT_LANE_ADD,
			     DB_ARGS(db_int((int)kind), db_int((int)isolation), db_str(arch), db_str(tags)),
			     &rows, e) < 0 ||
		    db_next(&rows, e) <= 0)
			return -1;
		*id = db_col_int(&rows, 0);
	}
	return lane_learn(&tx->lanes, *id, kind, isolation, arch, tags, e) ? 0 : -1;
}

const struct lane *lane_get(struct tx *tx, int64_t id, struct err *e)
{
	const struct lane_entry *known = idmap_find(&tx->lanes.by_id, id);
	if (known)
		return &known->lane;
	CLEAN_ROWS struct db_rows rows;
	if (tx_query(tx, STMT_LANE_GET, DB_ARGS(db_int(id)), &rows, e) < 0)
		return NULL;
	int rc = db_next(&rows, e);
	if (rc == 0)
		err_set(e, ERR_CORRUPT, "there is no lane %lld", (long long)id);
	if (rc <= 0)
		return NULL;
	known = lane_learn(&tx->lanes, id, (enum job_kind)db_col_int(&rows, 1),
			   (enum isolation)db_col_int(&rows, 2), db_col_text(&rows, 3), db_col_text(&rows, 4),
			   e);
	return known ? &known->lane : NULL;
}

void tx_release(struct tx *tx)
{
	names_clear(&tx->strings);
	names_clear(&tx->workers);
	lanes_clear(&tx->lanes);
	owner_cache_release(&tx->owners);
	free(tx->strings.added);
	free(tx->workers.added);
	free(tx->lanes.added);
	free(tx->runs);
	free(tx->changes);
	*tx = (struct tx){ .store = NULL };
}

void tx_mark(const struct tx *tx, struct tx_mark *m)
{
	m->strings = tx->strings.added_len;
	m->workers = tx->workers.added_len;
	m->lanes = tx->lanes.added_len;
	m->changes = tx->changes_len;
	m->runs = tx->runs_len;
	memcpy(m->tally, tx->tally, sizeof m->tally);
}

void tx_undo(struct tx *tx, const struct tx_mark *m)
{
	names_undo(&tx->strings, m->strings);
	names_undo(&tx->workers, m->workers);
	lanes_undo(&tx->lanes, m->lanes);
	tx->changes_len = m->changes;
	tx->runs_len = m->runs;
	memcpy(tx->tally, m->tally, sizeof m->tally);
}

void tx_settle(struct tx *tx)
{
	forecasts_settle(tx);
	tx->runs_len = 0;
	tx->strings.added_len = tx->workers.added_len = tx->lanes.added_len = 0;
	tx->changes_len = 0;
	memset(tx->tally, 0, sizeof tx->tally);
	if (tx->strings.by_id.count > NAMES_MAX)
		names_clear(&tx->strings);
	if (tx->workers.by_id.count > NAMES_MAX)
		names_clear(&tx->workers);
	if (tx->lanes.by_id.count > NAMES_MAX)
		lanes_clear(&tx->lanes);
}

static int flush_tallies(struct tx *tx, struct err *e)
{
	for (int k = 1; k <= KIND_LAST; k++)
		for (int s = STATE_FIRST; s <= STATE_LAST; s++) {
			int64_t n = tx->tally[k][s], changed = 0;
			if (!n)
				continue;
			if (tx_exec(tx, STMT_TALLY_ADD, DB_ARGS(db_int(k), db_int(s), db_int(n)), &changed,
				    e) < 0)
				return -1;
			if (!changed && tx_exec(tx, STMT_TALLY_NEW, DB_ARGS(db_int(k), db_int(s), db_int(n)),
						NULL, e) < 0)
				return -1;
		}
	return 0;
}

int tx_flush(struct tx *tx, struct err *e)
{
	/* Last what many servers write to: it is held until the commit. */
	return flush_tallies(tx, e) < 0 || durations_flush(tx, e) < 0 || forecasts_flush(tx, e) < 0 ? -1 : 0;
}

int tx_add_change(struct tx *tx, const struct store_change *c, struct err *e)
{
	if (grow(&tx->changes, &tx->changes_cap, tx->changes_len, sizeof *tx->changes, e) < 0)
		return -1;
	tx->changes[tx->changes_len++] = *c;
	return 0;
}

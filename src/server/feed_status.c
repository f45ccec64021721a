#include "server/feed_status.h"

#include <string.h>

#include "base/clean.h"
#include "base/clock.h"
#include "store/servers.h"
#include "text/size.h"

enum { STORED_MS = 60000 };

/* The stored text is ours: these names, in this order, whole numbers. */
static const char *const names[] = { "load_percent", "cache", "cache_max", "disk_free", "disk_min" };
enum { LOAD, CACHE, CACHE_MAX, DISK_FREE, DISK_MIN, NUMBERS };

int feed_decode_status(const json_t *body, struct arena *a, const char **text, struct err *e)
{
	CLEAN_BUF struct buf out = BUF_INIT;
	const json_t *o;
	struct json_writer w;
	bool is_low;
	*text = "";
	if (json_get_object(body, "status", &o, e))
		return -1;
	if (!o)
		return 0;
	jw_init(&w, &out);
	jw_begin_object(&w);
	for (int i = 0; i < NUMBERS; i++) {
		int64_t n;
		if (json_get_int(o, names[i], 0, INT64_MAX, 0, &n, e))
			return err_wrap(e, "status");
		jw_kint(&w, names[i], n);
	}
	if (json_get_bool(o, "disk_low", false, &is_low, e))
		return err_wrap(e, "status");
	jw_kbool(&w, "disk_low", is_low);
	jw_end_object(&w);
	*text = out.is_failed ? NULL : arena_strdup(a, out.data);
	return *text ? 0 : err_set(e, ERR_NOMEM, "no memory for a status");
}

bool feed_note_status(struct session *n, const char *text)
{
	if (!*text)
		return false;
	bool is_due = clock_boot_ms() - n->status_stored_ms >= STORED_MS ||
		      worker_status_is_low(text) != worker_status_is_low(n->status ? n->status : "");
	char *copy = strdup(text);
	if (copy) {
		free(n->status);
		n->status = copy;
	}
	if (is_due)
		n->status_stored_ms = clock_boot_ms();
	return is_due;
}

static bool read_numbers(const char *text, int64_t n[NUMBERS])
{
	CLEAN_JSON json_t *o = *text ? json_parse("status", text, strlen(text), NULL) : NULL;
	for (int i = 0; i < NUMBERS; i++)
		n[i] = json_integer_value(json_object_get(o, names[i]));
	return o != NULL;
}

/* The newest that is known, by number. */
static bool find_numbers(struct server *s, const struct worker *w, struct arena *a, int64_t n[NUMBERS])
{
	const char *text = w->status;
	pthread_mutex_lock(&s->lock);
	const struct session *here = map_find(&s->sessions, w->name);
	if (here && here->status && w->server == store_server_id(s->store))
		text = arena_strdup(a, here->status);
	pthread_mutex_unlock(&s->lock);
	return text && read_numbers(text, n);
}

static void write_pair(struct json_writer *jw, const char *key, const char *first, int64_t a,
		       const char *second, int64_t b)
{
	jw_key(jw, key);
	jw_begin_object(jw);
	jw_kint(jw, first, a);
	jw_kint(jw, second, b);
	jw_end_object(jw);
}

void feed_render_status(struct server *s, const struct worker *w, struct arena *a, struct json_writer *jw)
{
	int64_t n[NUMBERS];
	if (!find_numbers(s, w, a, n)) {
		static const char *const keys[] = { "load", "cache", "disk" };
		for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
			jw_key(jw, keys[i]);
			jw_null(jw);
		}
		return;
	}
	/* Hundredths, as the machine counts them. */
	jw_key(jw, "load");
	jw_raw(jw, arena_printf(a, "%lld.%02lld", (long long)n[LOAD] / 100, (long long)n[LOAD] % 100));
	write_pair(jw, "cache", "used", n[CACHE], "max", n[CACHE_MAX]);
	write_pair(jw, "disk", "free", n[DISK_FREE], "min", n[DISK_MIN]);
}

const char *feed_disk_text(const struct worker *w, struct arena *a)
{
	char has[SIZE_TEXT_BYTES], wants[SIZE_TEXT_BYTES];
	int64_t n[NUMBERS];
	if (!read_numbers(w->status, n))
		return "";
	return arena_printf(a, "it has %s free and needs %s (--min-free)", size_format(n[DISK_FREE], has),
			    size_format(n[DISK_MIN], wants));
}

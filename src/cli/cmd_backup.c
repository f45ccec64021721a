/* admin backup, restore and move. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/clean.h"
#include "base/err.h"
#include "base/path.h"
#include "cli/api.h"
#include "cli/commands.h"
#include "cli/fields.h"
#include "cli/place.h"
#include "store/backup.h"
#include "store/store.h"
#include "text/json.h"

static int say(const char *what, const struct backup_report *r)
{
	printf("%s: %lld jobs, %lld rows, %lld blobs, %lld logs\n", what, (long long)r->jobs,
	       (long long)r->rows, (long long)r->blobs, (long long)r->logs);
	return 0;
}

/* The server has a folder of its own that it works in. */
static const char *whole_path(const char *path, struct arena *a, struct err *e)
{
	char here[4096];
	const char *whole = getcwd(here, sizeof here) ? path_join_in(a, here, path) : NULL;
	if (!whole)
		err_sys(e, "%s", path);
	return whole;
}

static int backup_folder(struct cli *c, const char *to, struct err *e)
{
	CLEAN_BUF struct buf dir = BUF_INIT;
	struct backup_report r;
	struct store *s;
	if (place_data_dir(args_text(&c->args, "data", NULL), &dir, e) < 0)
		return -1;
	struct store_options o = { .data_dir = dir.data,
				   .files_dir = args_text(&c->args, "files", NULL),
				   .db_url = args_text(&c->args, "db", NULL) };
	if (store_open(&s, &o, e) < 0)
		return err_wrap(e, "open the store in %s", dir.data);
	int rc = store_backup(s, to, &r, e);
	store_close(s);
	return rc < 0 ? -1 : say("backup", &r);
}

int admin_backup(struct cli *c, struct err *e)
{
	CLEAN_ARENA struct arena a = ARENA_INIT;
	CLEAN_BUF struct buf body = BUF_INIT;
	struct json_writer w;
	if (c->args.words_len != 2)
		return err_set(e, ERR_USAGE, "admin backup: name the folder to be made");
	const char *to = whole_path(c->args.words[1], &a, e);
	if (!to)
		return -1;
	if (args_has(&c->args, "data") || args_has(&c->args, "db"))
		return backup_folder(c, to, e);
	jw_init(&w, &body);
	jw_begin_object(&w);
	jw_kstr(&w, "to", to);
	jw_end_object(&w);
	CLEAN_JSON json_t *answer = api_post(c->api, "/v1/admin/backup", &body, NULL, e);
	if (!answer)
		return -1;
	return say("backup",
		   &(struct backup_report){ field_int(answer, "jobs"), field_int(answer, "rows"),
					    field_int(answer, "blobs"), field_int(answer, "logs") });
}

int admin_restore(struct cli *c, struct err *e)
{
	CLEAN_BUF struct buf dir = BUF_INIT;
	struct backup_report r;
	const char *from = args_text(&c->args, "from", NULL);
	if (!from)
		return err_set(e, ERR_USAGE, "admin restore: --from says which backup");
	if (place_data_dir(args_text(&c->args, "data", NULL), &dir, e) < 0)
		return -1;
	const struct store_place to = { .data_dir = dir.data,
					.files_dir = args_text(&c->args, "files", NULL),
					.db_url = args_text(&c->args, "db", NULL) };
	if (store_restore(from, &to, &r, e) < 0)
		return -1;
	return say("restored", &r);
}

/* "sqlite:DIR" or "postgresql://…". */
static int read_place(struct cli *c, const char *option, struct store_place *out, struct err *e)
{
	const char *text = args_text(&c->args, option, "");
	*out = (struct store_place){ NULL, NULL, NULL };
	if (strncmp(text, "sqlite:", 7) == 0 && text[7])
		out->data_dir = text + 7;
	else if (strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0)
		out->db_url = text;
	else
		return err_set(e, ERR_USAGE, "admin move: --%s must be sqlite:DIR or postgresql://…", option);
	return 0;
}

int admin_move(struct cli *c, struct err *e)
{
	CLEAN_BUF struct buf dir = BUF_INIT;
	struct store_place from, to;
	struct backup_report r;
	if (read_place(c, "from", &from, e) < 0 || read_place(c, "to", &to, e) < 0)
		return -1;
	/* The files of the one on PostgreSQL are with the other's, unless it is said where. */
	const char *other = from.data_dir ? from.data_dir : to.data_dir;
	if (place_data_dir(args_text(&c->args, "data", other), &dir, e) < 0)
		return -1;
	from.data_dir = from.data_dir ? from.data_dir : dir.data;
	to.data_dir = to.data_dir ? to.data_dir : dir.data;
	if (from.db_url)
		from.files_dir = args_text(&c->args, "files", NULL);
	if (to.db_url)
		to.files_dir = args_text(&c->args, "files", NULL);
	if (store_move(&from, &to, &r, e) < 0)
		return -1;
	fprintf(stderr, "slipway: all is in %s now; the other is as it was, do not start a server on it\n",
		to.db_url ? "PostgreSQL" : to.data_dir);
	return say("moved", &r);
}

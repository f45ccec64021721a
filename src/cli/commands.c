#include "cli/commands.h"

#include <string.h>

#include "base/clean.h"

/* ---- options that several commands share */

const struct option_row option_server[] = {
	{ "server", 's', OPTION_TEXT, "URL",
	  "the server: unix:PATH, or https://HOST:PORT with a token in $SLIPWAY_TOKEN (default: $SLIPWAY_SERVER, else the socket in the data folder); of several, joined by commas, the first that answers" },
	{ 0 },
};
const struct option_row option_json[] = {
	{ "json", 'j', OPTION_FLAG, NULL, "print JSON instead of text" },
	{ 0 },
};
const struct option_row option_help[] = {
	{ "help", 'h', OPTION_FLAG, NULL, "say how the command is used" },
	{ 0 },
};

/* What submit, run and build say of a job; cli/submission.c makes its body of them. */
const struct option_row option_job[] = {
	{ "name", 'n', OPTION_TEXT, "TEXT", "a name for people; need not be unique" },
	{ "priority", 'p', OPTION_INT, "N", "-1000 to 1000, higher starts first (default 0)" },
	{ "need", 0, OPTION_LIST, "ID", "start only when this job has succeeded; repeat, or join by commas" },
	{ "after", 0, OPTION_TEXT, "TIME", "not before: 10m, 14:30 or 2026-01-31T14:30:00Z" },
	{ "timeout", 't', OPTION_DURATION, "TIME", "stop an attempt that runs longer: 90, 90s, 15m, 2h" },
	{ "silence", 0, OPTION_DURATION, "TIME", "stop an attempt that writes nothing for so long" },
	{ "max-attempts", 0, OPTION_INT, "N", "try again until it has failed N times (default 1)" },
	{ "retry-delay", 0, OPTION_DURATION, "TIME",
	  "wait so long before trying again, each time twice as long" },
	{ "limit", 0, OPTION_LIST, "WHAT=N",
	  "memory, log, log_rate, disk, artifact_bytes (512M), cpu (10m), pids, inodes, files, artifacts, artifact_depth; repeat, or join by commas" },
	{ "strict-limits", 0, OPTION_FLAG, NULL,
	  "only on a worker whose machine keeps the limits of memory, pids and cpu that are given" },
	{ "env", 'e', OPTION_LIST, "K=V", "set a variable; K alone copies it from here" },
	{ "input", 'i', OPTION_LIST, "FILE[:NAME]", "give the job a file, in its folder as NAME" },
	{ "collect", 'c', OPTION_LIST, "GLOB",
	  "keep files of its $SLIPWAY_OUT folder as artifacts; ** is any depth" },
	{ "isolation", 0, OPTION_TEXT, "HOW", "none (native) or chroot (default with --target)" },
	{ "target", 'T', OPTION_TEXT, "NAME", "the root image to run in, see slipway target" },
	{ "arch", 0, OPTION_TEXT, "ARCH", "run on a worker of this architecture" },
	{ "tag", 0, OPTION_LIST, "TAG", "run on a worker with this tag; repeat, or join by commas" },
	{ "limit-key", 0, OPTION_TEXT, "NAME[=N]",
	  "of your jobs with this key at most N run at a time, on all workers together (default 1: one after the other)" },
	{ "dedupe", 0, OPTION_TEXT, "KEY",
	  "while a job with this key is alive, give its number instead of a new job" },
	{ "owner", 0, OPTION_TEXT, "NAME", "whose job it is (administrators only)" },
	{ "suspended", 0, OPTION_FLAG, NULL, "hold it until it is resumed" },
	{ 0 },
};
static const struct option_row follow_options[] = {
	{ "follow", 'f', OPTION_FLAG, NULL,
	  "show the log on standard error as it grows, and exit like the job" },
	{ "raw", 0, OPTION_FLAG, NULL, "give the log's bytes to a terminal as they are" },
	{ 0 },
};
static const struct option_row attempt_options[] = {
	{ "attempt", 'a', OPTION_INT, "N", "of this attempt instead of the newest" },
	{ 0 },
};

/* ---- options of one command */

static const struct option_row serve_options[] = {
	{ "data", 'd', OPTION_TEXT, "DIR",
	  "where everything is kept (default /var/lib/slipway for root, else $XDG_STATE_HOME/slipway)" },
	{ "files", 0, OPTION_TEXT, "DIR",
	  "where blobs and logs are kept (default: the data folder); all servers on one database share one" },
	{ "slots", 0, OPTION_INT, "N",
	  "jobs its own worker runs at once (default: one a processor; 0: no worker)" },
	{ "zone", 0, OPTION_LIST, "ZONE",
	  "the trust zones of its own worker, as worker --zone says them; repeat, or join by commas" },
	{ "db", 0, OPTION_TEXT, "URL", "the database: postgresql://… (default: SQLite in the data folder)" },
	{ "listen", 0, OPTION_LIST, "ADDR",
	  "where to answer: https://ADDRESS:PORT for other machines (* is every address), beside the socket; unix:/PATH moves the socket (default: slipway.sock in the data folder); repeat, or join by commas" },
	{ "public", 0, OPTION_TEXT, "URL",
	  "where others reach this server, for the lines that token create prints (default: the first https:// address)" },
	{ "tls-cert", 0, OPTION_TEXT, "FILE",
	  "show this certificate, with its chain, instead of one of an own CA; it is read again when it changes. Others verify it by their machine's store, or the file that SLIPWAY_TLS_CA names, and by the host's name" },
	{ "tls-key", 0, OPTION_TEXT, "FILE", "its key" },
	{ "types", 0, OPTION_TEXT, "DIR",
	  "build types beside those built in (default: $SLIPWAY_TYPES, else types in the data folder)" },
	{ "socket-mode", 0, OPTION_TEXT, "MODE", "permissions of the socket, octal (default 0660)" },
	{ "lease", 0, OPTION_DURATION, "TIME",
	  "a worker not heard of for so long has lost its jobs (default 20s)" },
	{ "config", 0, OPTION_TEXT, "FILE",
	  "read these options from a file of KEY = VALUE lines; the command line wins" },
	{ 0 },
};
static const struct option_row worker_options[] = {
	{ "server", 's', OPTION_LIST, "URL",
	  "the server: unix:PATH, or https://HOST:PORT that it has joined (default: the one it has joined, else $SLIPWAY_SERVER, else the socket in the data folder); repeat, or join by commas, for several on one database: while one is gone the worker goes on at the next" },
	{ "work", 'w', OPTION_TEXT, "DIR", "where attempts have their folders and targets are unpacked" },
	{ "slots", 0, OPTION_INT, "N", "jobs to run at once (default: one a processor)" },
	{ "name", 'n', OPTION_TEXT, "NAME", "its name (default: the machine's)" },
	{ "isolation", 0, OPTION_LIST, "LIST", "which isolations to offer (default: all that work here)" },
	{ "tag", 0, OPTION_LIST, "TAG", "what jobs may ask for; repeat, or join by commas" },
	{ "demand", 0, OPTION_LIST, "TAG",
	  "take only jobs that ask for this tag (which --tag must offer); repeat, or join by commas" },
	{ "zone", 0, OPTION_LIST, "ZONE",
	  "take only work of these trust zones; \"default\" is the one of owners without a zone. On other machines the token says it" },
	{ "cache", 0, OPTION_TEXT, "SIZE",
	  "how much to keep of inputs and targets for later jobs (default: a quarter of the disk)" },
	{ "min-free", 0, OPTION_TEXT, "SIZE",
	  "with less room on its disk it takes no job (default: 2 % of the disk, at most 512M); 0: it does not look" },
	{ "join", 0, OPTION_TEXT, "TOKEN",
	  "become a worker of the server, by a token of slipway token create: once; from then on --work DIR alone is enough" },
	{ "rotate", 0, OPTION_DURATION, "TIME",
	  "replace the secret of its credential when it is so old (default 24h); HUP: now" },
	{ "control-fd", 0, OPTION_INT, "FD", NULL },
	{ 0 },
};
static const struct option_row doctor_options[] = {
	{ "server", 's', OPTION_TEXT, "URL",
	  "look whether this server can be reached (default: $SLIPWAY_SERVER)" },
	{ "work", 'w', OPTION_TEXT, "DIR", "where the worker would have its folder" },
	{ "min-free", 0, OPTION_TEXT, "SIZE", "as given to the worker" },
	{ "isolation", 0, OPTION_LIST, "NAME", "what must work here: none, chroot, vm; repeat for several" },
	{ 0 },
};
static const struct option_row run_options[] = {
	{ "raw", 0, OPTION_FLAG, NULL, "give the log's bytes to a terminal as they are" },
	{ 0 },
};
static const struct option_row submit_options[] = {
	{ "batch", 'b', OPTION_TEXT, "FILE",
	  "submit many: a job as JSON a line, - for standard input; all or none" },
	{ 0 },
};
static const struct option_row build_options[] = {
	{ "type", 0, OPTION_TEXT, "TYPE", "the build type (default deb), see slipway types" },
	{ 0 },
};
static const struct option_row recipe_options[] = {
	{ "target", 'T', OPTION_LIST, "NAME", "build for this target; repeat, or join by commas" },
	{ "type", 0, OPTION_TEXT, "TYPE", "the build type (default deb)" },
	{ "name", 'n', OPTION_TEXT, "TEXT", "a name for people (default: the recipe file's)" },
	{ "priority", 'p', OPTION_INT, "N", "-1000 to 1000, higher starts first (default 0)" },
	{ "timeout", 't', OPTION_DURATION, "TIME", "stop an attempt that runs longer" },
	{ 0 },
};
static const struct option_row target_options[] = {
	{ "suite", 0, OPTION_TEXT, "SUITE", "create: the suite, such as bookworm" },
	{ "arch", 0, OPTION_TEXT, "ARCH", "create: the architecture (default: this machine's)" },
	{ "component", 0, OPTION_LIST, "NAME", "create: main, contrib, …; repeat, or join by commas" },
	{ "include", 0, OPTION_LIST, "PACKAGE", "create: packages to install; repeat, or join by commas" },
	{ 0 },
};
static const struct option_row list_options[] = {
	{ "kind", 'k', OPTION_TEXT, "KIND", "command, build, recipe, target" },
	{ "state", 'S', OPTION_LIST, "STATE", "waiting, running, failed, …; repeat, or join by commas" },
	{ "owner", 'o', OPTION_TEXT, "NAME", "of this owner" },
	{ "worker", 'w', OPTION_TEXT, "NAME", "last run by this worker" },
	{ "name", 'n', OPTION_TEXT, "TEXT", "of this name" },
	{ "target", 'T', OPTION_TEXT, "NAME", "for this target" },
	{ "chain", 0, OPTION_INT, "ID", "of this chain" },
	{ "before", 0, OPTION_INT, "ID", "older than this job" },
	{ "limit", 'l', OPTION_INT, "N", "at most so many (default 50)" },
	{ 0 },
};
static const struct option_row log_options[] = {
	{ "follow", 'f', OPTION_FLAG, NULL, "go on until the job has ended, through all its attempts" },
	{ "raw", 0, OPTION_FLAG, NULL, "give the log's bytes to a terminal as they are" },
	{ 0 },
};
static const struct option_row wait_options[] = {
	{ "timeout", 't', OPTION_DURATION, "TIME", "give up after so long (exit status 4)" },
	{ 0 },
};
static const struct option_row fetch_options[] = {
	{ "output", 'o', OPTION_TEXT, "DIR",
	  "where to put the files (default: here); - writes one file to standard output" },
	{ "force", 'F', OPTION_FLAG, NULL, "replace files that exist" },
	{ 0 },
};
static const struct option_row token_options[] = {
	{ "role", 'r', OPTION_TEXT, "ROLE",
	  "create: worker (joins machines), admin, submitter (reads, submits, changes its own jobs) or reader" },
	{ "name", 'n', OPTION_TEXT, "NAME",
	  "create: whose it is, as owners are named; for a worker: the only name it may take, in place of one that has it" },
	{ "zone", 'z', OPTION_LIST, "ZONE",
	  "create, for a worker: a trust zone that it is in; repeat, or join by commas" },
	{ "expires", 'x', OPTION_DURATION, "TIME",
	  "create: good for so long (default: 1h to join with, others have no end)" },
	{ 0 },
};
static const struct option_row priority_options[] = {
	{ "priority", 'p', OPTION_INT, "N", "the new priority, -1000 to 1000" },
	{ 0 },
};
static const struct option_row admin_options[] = {
	{ "data", 'd', OPTION_TEXT, "DIR",
	  "migrate, check, backup: the data folder of a server that does not run; restore: a new one" },
	{ "db", 0, OPTION_TEXT, "URL", "the same: the database, if it is not SQLite in that folder" },
	{ "files", 0, OPTION_TEXT, "DIR", "the same: where blobs and logs are, if it is not that folder" },
	{ "from", 0, OPTION_TEXT, "PLACE",
	  "restore: the backup's folder; move: sqlite:DIR or postgresql://…" },
	{ "to", 0, OPTION_TEXT, "PLACE", "move: sqlite:DIR or postgresql://…" },
	{ "limit", 'n', OPTION_INT, "N", "events: how many (default: 50)" },
	{ "weight", 0, OPTION_INT, "N",
	  "owner: the part of the slots' time, beside others with waiting work" },
	{ "running", 0, OPTION_INT, "N",
	  "owner: at most so many of the owner's jobs run at a time; 0: no bound" },
	{ "zone", 0, OPTION_TEXT, "ZONE",
	  "owner: the trust zone of what the owner submits from now on; \"default\" for none of its own" },
	{ 0 },
};

/* ---- the commands, in the order in which help shows them */

enum { SERVER = COMMAND_NEEDS_SERVER, JSON = COMMAND_JSON, RUNS = COMMAND_RUNS, HIDDEN = COMMAND_HIDDEN };

const struct command commands[] = {
	{ .name = "run",
	  .arguments = "[--] CMD…",
	  .summary = "run a command as a job and exit like it",
	  .about =
		  "Submits the command, shows its log as it grows, and exits with the job's own status: its exit code, "
		  "128 plus the number of the signal that ended it, 125 if Slipway ended it or could not run it, 1 if it was "
		  "cancelled. One interrupt (Ctrl-C) cancels the job and shows how it ends; a second one leaves at once.",
	  .flags = SERVER | RUNS,
	  .words_min = 1,
	  .words_max = -1,
	  .options = { option_job, run_options },
	  .run = cmd_run },
	{ .name = "submit",
	  .arguments = "[--] CMD…",
	  .summary = "submit a command as a job and print its number",
	  .about =
		  "With --batch, many jobs in one call: each line of the file is a job as JSON, and the numbers are printed one a "
		  "line in the same order. Either all are accepted or none. \"needs\":[\"#3\"] is the job of the third line.",
	  .flags = SERVER | RUNS,
	  .words_min = 0,
	  .words_max = -1,
	  .options = { submit_options, option_job },
	  .run = cmd_submit },
	{ .name = "build",
	  .arguments = "SOURCE…",
	  .summary = "build packages in a clean target",
	  .about =
		  "A SOURCE is a .dsc file, whose files lie beside it, or a folder with an unpacked source package. "
		  "Each becomes a job; the numbers are printed in order.",
	  .flags = SERVER,
	  .words_min = 1,
	  .words_max = -1,
	  .options = { build_options, option_job, follow_options },
	  .run = cmd_build },
	{ .name = "recipe",
	  .arguments = "FILE",
	  .summary = "assemble a source package by a recipe and build it for targets",
	  .about =
		  "Runs git-build-recipe on the recipe as one job; only if it succeeds, a build a target follows in the same chain. "
		  "With --follow the exit status is 0 only if all of them succeed.",
	  .flags = SERVER,
	  .words_min = 1,
	  .words_max = 1,
	  .options = { recipe_options, follow_options },
	  .run = cmd_recipe },
	{ .name = "target",
	  .arguments = "create|list|show|update|remove [NAME…]",
	  .summary = "make and look after root images",
	  .about =
		  "create NAME --suite SUITE makes a target; update NAME… makes new images by upgrading the old ones. Both are jobs, "
		  "and their numbers are printed. Builds that run keep the image they began with.",
	  .flags = SERVER | JSON,
	  .words_min = 0,
	  .words_max = -1,
	  .options = { target_options, follow_options },
	  .run = cmd_target },
	{ .name = "list",
	  .arguments = "",
	  .summary = "list jobs, newest first",
	  .flags = SERVER | JSON,
	  .options = { list_options },
	  .run = cmd_list },
	{ .name = "show",
	  .arguments = "ID…",
	  .summary = "show all about a job: attempts, chain, history",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .run = cmd_show },
	{ .name = "status",
	  .arguments = "",
	  .summary = "show how many jobs and workers there are",
	  .flags = SERVER | JSON,
	  .run = cmd_status },
	{ .name = "top",
	  .arguments = "",
	  .summary = "watch jobs and workers live",
	  .about = "Arrow keys, Page Up and Page Down move; q leaves.",
	  .flags = SERVER,
	  .run = cmd_top },
	{ .name = "log",
	  .arguments = "ID",
	  .summary = "print a job's log",
	  .about =
		  "On a terminal what could harm it is shown in a harmless form; into a file or a pipe the bytes go as they are.",
	  .flags = SERVER,
	  .words_min = 1,
	  .words_max = 1,
	  .options = { log_options, attempt_options },
	  .run = cmd_log },
	{ .name = "why",
	  .arguments = "ID…",
	  .summary = "say why a job is in its state and what would move it on",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .run = cmd_why },
	{ .name = "wait",
	  .arguments = "ID…",
	  .summary = "wait until jobs have ended",
	  .about = "Exits like the job (see run); of several, with the largest status.",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .options = { wait_options },
	  .run = cmd_wait },
	{ .name = "artifacts",
	  .arguments = "ID",
	  .summary = "list the files a job produced",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = 1,
	  .options = { attempt_options },
	  .run = cmd_artifacts },
	{ .name = "fetch",
	  .arguments = "ID [NAME…]",
	  .summary = "copy a job's files here",
	  .about =
		  "A NAME may be a pattern. Each file is checked by its SHA-256 and appears under its name only when it is whole.",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .options = { fetch_options, attempt_options },
	  .run = cmd_fetch },
	{ .name = "cancel",
	  .arguments = "ID…",
	  .summary = "cancel jobs: waiting ones at once, running ones are stopped",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .run = cmd_change },
	{ .name = "retry",
	  .arguments = "ID…",
	  .summary = "let failed or cancelled jobs run again, as a new attempt",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .run = cmd_change },
	{ .name = "rerun",
	  .arguments = "ID…",
	  .summary = "submit the same again as new jobs and print their numbers",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .run = cmd_change },
	{ .name = "suspend",
	  .arguments = "ID…",
	  .summary = "hold jobs until they are resumed",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .run = cmd_change },
	{ .name = "resume",
	  .arguments = "ID…",
	  .summary = "let suspended jobs go on",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .run = cmd_change },
	{ .name = "priority",
	  .arguments = "ID… [N]",
	  .summary = "change the priority of jobs",
	  .about = "The new priority is --priority N, or the last word.",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .options = { priority_options },
	  .run = cmd_priority },
	{ .name = "doctor",
	  .arguments = "",
	  .summary = "say what this machine can isolate and enforce",
	  .about =
		  "Looks at the machine as the user who calls it would find it as a worker: a line a check, ok, limited or missing, "
		  "and for what is not there the command that adds it. Exit status 0 if work can be done here, 1 if not; "
		  "--isolation chroot asks for more than native jobs.",
	  .flags = JSON,
	  .words_max = 0,
	  .options = { doctor_options },
	  .run = cmd_doctor },
	{ .name = "workers",
	  .arguments = "",
	  .summary = "list workers",
	  .flags = SERVER | JSON,
	  .run = cmd_workers },
	{ .name = "worker-state",
	  .arguments = "NAME active|draining|disabled",
	  .summary = "let a worker take jobs, finish what it has, or stop",
	  .flags = SERVER,
	  .words_min = 2,
	  .words_max = 2,
	  .run = cmd_worker_state },
	{ .name = "token",
	  .arguments = "create|list|revoke [ID…]",
	  .summary = "let machines and people of other machines in, and out",
	  .about =
		  "create --role worker prints the line to type on a machine that is to run jobs: it is good once. Other roles print a token "
		  "to put into SLIPWAY_TOKEN. A token is shown this once; list shows all but the secrets. revoke takes effect at "
		  "once; a worker whose credential is revoked ends what it runs.",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .options = { token_options },
	  .run = cmd_token },
	{ .name = "types",
	  .arguments = "",
	  .summary = "list build types",
	  .flags = SERVER | JSON,
	  .run = cmd_types },
	{ .name = "serve",
	  .arguments = "",
	  .summary = "run the server, with a worker of its own",
	  .about =
		  "Listens on DIR/slipway.sock and prints a line that begins with \"ready\" once it answers. TERM or INT stop it: what runs "
		  "is given back and does not count as a failed attempt.",
	  .options = { serve_options },
	  .run = cmd_serve },
	{ .name = "worker",
	  .arguments = "",
	  .summary = "run jobs for a server",
	  .about =
		  "On another machine: slipway token create --role worker, typed on the server's, prints the line to type. The worker keeps "
		  "who it is in its work folder and comes back by itself while servers are away. It ends in words when it may not go "
		  "on: its credential was revoked, another process has come with a copy of its folder, or its version is too old.",
	  .options = { worker_options },
	  .run = cmd_worker },
	{ .name = "admin",
	  .arguments = "migrate|check|gc|events|backup DIR|restore|move|owner NAME|owners",
	  .summary = "look after the store",
	  .about =
		  "check verifies every invariant of the store and says what breaks one; gc removes stored files that nothing names; events tells what "
		  "happened, newest first: losses, failures, who was blamed, and what people did to jobs, workers and tokens. With "
		  "--data they work on the folder of a server that does not run; migrate always does. With --db postgresql://… it "
		  "makes no difference whether servers run. backup makes a folder with everything in it as of one moment, while the server goes "
		  "on; restore makes an installation of it where there is none; move takes over a whole one that no server uses, from "
		  "one database to the other. What is taken over is compared row by row and file by file. Workers that hold jobs from "
		  "before must drop them. owner sets an owner's weight, bound and zone, of which what is not given stays; owners lists "
		  "those for whom something was set.",
	  .flags = SERVER | JSON,
	  .words_min = 1,
	  .words_max = -1,
	  .options = { admin_options },
	  .run = cmd_admin },
	{ .name = "help",
	  .arguments = "[COMMAND]",
	  .summary = "say how a command is used",
	  .words_max = 1,
	  .run = cmd_help },
	{ .name = "completion",
	  .arguments = "",
	  .summary = "print a completion script for bash",
	  .run = cmd_completion },
	{ .name = "man-page",
	  .arguments = "",
	  .summary = "print the commands as a part of the man page, for scdoc",
	  .flags = HIDDEN,
	  .run = cmd_man_page },
	{ .name = "api-doc",
	  .arguments = "",
	  .summary = "print docs/API.md",
	  .flags = HIDDEN,
	  .run = cmd_api_doc },
	{ 0 },
};

const struct command *command_find(const char *name)
{
	for (const struct command *c = commands; c->name; c++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

const struct option_row *command_table(const struct command *c, size_t i)
{
	const struct option_row *common[] = {
		c->flags & COMMAND_JSON ? option_json : NULL,
		c->flags & COMMAND_NEEDS_SERVER ? option_server : NULL,
		option_help,
	};
	for (size_t k = 0; k < COMMAND_TABLES_MAX && c->options[k]; k++)
		if (i-- == 0)
			return c->options[k];
	for (size_t k = 0; k < ARRAY_LEN(common); k++)
		if (common[k] && i-- == 0)
			return common[k];
	return NULL;
}

const struct option_row *command_option(const struct command *c, const char *name, size_t len)
{
	const struct option_row *table;
	for (size_t i = 0; (table = command_table(c, i)); i++)
		for (const struct option_row *r = table; r->name; r++)
			if (strlen(r->name) == len && memcmp(r->name, name, len) == 0)
				return r;
	return NULL;
}

const struct option_row *command_letter(const struct command *c, char letter)
{
	const struct option_row *table;
	for (size_t i = 0; (table = command_table(c, i)); i++)
		for (const struct option_row *r = table; r->name; r++)
			if (r->letter == letter)
				return r;
	return NULL;
}

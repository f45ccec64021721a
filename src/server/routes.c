/* The table. Its texts are docs/API.md: `slipway api-doc` writes it, a test compares. */
#include "server/feed.h"
#include "server/log_follow.h"
#include "server/routes_priv.h"

enum {
	BODY_SMALL = 64 * 1024,
	BODY_LEASE = 64 * 1024 * 1024,
	BODY_LOG = 1024 * 1024,
};
#define BODY_BATCH ((int64_t)256 << 20)
#define BODY_BLOB ((int64_t)64 << 30)

#define JOB_EXAMPLE                                                                                              \
	"{\"id\":7,\"kind\":\"command\",\"name\":\"true\",\"state\":\"waiting\",\"reason\":\"\",\"priority\":0," \
	"\"owner\":\"ada\",…}"
#define ACT_BODY "{\"ids\":[7,8]}"
#define ACT_ANSWER \
	"{\"results\":[{\"id\":7,\"ok\":true},{\"id\":8,\"ok\":false,\"error\":{\"code\":\"conflict\",\"message\":\"…\"}}]}"

static const struct route_param list_params[] = {
	{ "kind", PARAM_TEXT, "only this kind" },
	{ "state", PARAM_TEXT, "only these states, joined by commas" },
	{ "owner", PARAM_TEXT, "only this owner's" },
	{ "worker", PARAM_TEXT, "only those whose newest attempt was this worker's" },
	{ "name", PARAM_TEXT, "only this name; a * at its end stands for anything" },
	{ "target", PARAM_TEXT, "only for this target" },
	{ "chain", PARAM_INT, "only of the chain with this number" },
	{ "before", PARAM_INT, "only numbers below this: the `next` of the page before" },
	{ "limit", PARAM_INT, "how many, 1 to 1000; 50 if not given" },
	{ NULL, 0, NULL },
};
static const struct route_param events_params[] = {
	{ "after", PARAM_TEXT, "go on behind a page: its `next`, which is null where there is no more" },
	{ "limit", PARAM_INT, "how many, 1 to 1000; 50 if not given" },
	{ NULL, 0, NULL },
};
static const struct route_param attempt_params[] = {
	{ "attempt", PARAM_INT, "of this attempt; the newest if not given" },
	{ NULL, 0, NULL },
};
static const struct route_param log_params[] = {
	{ "attempt", PARAM_INT, "of this attempt; the newest if not given" },
	{ "offset", PARAM_INT, "from this byte on" },
	{ "follow", PARAM_BOOL, "1: go on until the attempt has ended; waits for the first attempt" },
	{ NULL, 0, NULL },
};
static const struct route_param wait_params[] = {
	{ "ids", PARAM_TEXT, "numbers of jobs, joined by commas" },
	{ "timeout", PARAM_SECONDS, "answer after this time at the latest; 60 s at most" },
	{ NULL, 0, NULL },
};
static const struct route_param feed_log_params[] = {
	{ "job", PARAM_INT, "the job's number" },
	{ "attempt", PARAM_INT, "the attempt's" },
	{ "offset", PARAM_INT, "where the bytes of the body begin in the log" },
	{ "size", PARAM_INT,
	  "instead of a body, by a worker that writes the file itself: how long it is now" },
	{ NULL, 0, NULL },
};
static const struct route_param feed_artifact_params[] = {
	{ "job", PARAM_INT, "the job's number" },
	{ "attempt", PARAM_INT, "the attempt's" },
	{ "sha256", PARAM_TEXT, "of the whole file" },
	{ "offset", PARAM_INT, "where the bytes of the body begin in it" },
	{ NULL, 0, NULL },
};
static const struct route_param feed_artifact_state_params[] = {
	{ "job", PARAM_INT, "the job's number" },
	{ "attempt", PARAM_INT, "the attempt's" },
	{ "sha256", PARAM_TEXT, "of the whole file" },
	{ NULL, 0, NULL },
};

const struct route routes[] = {
	/* The feed first: it is asked most. */
	{ "POST", "/feed/lease", ACCESS_WORKER, feed_lease, BODY_LEASE, NULL, NULL,
	  "Report results and take work, in one transaction. With results, work or cancels it answers at once; else it "
	  "is parked for up to wait_ms. `holding` is given after a call whose answer may have been lost: attempts of "
	  "this session that are not listed are released; `dropped` are those that the worker killed by itself because it "
	  "could not renew them. `unclean` says that something of an ended attempt is still there, and of which (`attempts`) "
	  "processes do not die: quarantine, and those jobs end as lost. A newer call of the session ends a parked one.",
	  "{\"free\":2,\"wait_ms\":30000,\"results\":[{\"job\":7,\"attempt\":1,\"outcome\":\"succeeded\",…}],"
	  "\"holding\":[[8,1]],\"dropped\":[],\"unclean\":{\"reason\":\"…\",\"attempts\":[[8,1]]}}",
	  "{\"waited_ms\":0,\"specs\":[{\"job\":9,\"attempt\":1,…}],\"results\":[{\"job\":7,\"attempt\":1,\"ok\":true}],"
	  "\"cancels\":[{\"job\":8,\"attempt\":1}]}" },
	{ "POST", "/feed/log", ACCESS_WORKER, feed_log, BODY_LOG, NULL, feed_log_params,
	  "Append to the log of a held attempt. What is there already is no error, a gap is (409).",
	  "the bytes", "{\"size\":4096}" },
	{ "POST", "/feed/beat", ACCESS_WORKER, feed_beat, BODY_LEASE, NULL, NULL,
	  "Renew all leases of the session. Attempts under `stale` are no longer this worker's and must be killed; "
	  "those under `releases` are to be ended and given back: it is disabled. `queued` are those of `running` that have "
	  "not begun. Who leaves out without a result what a beat has named before is not believed any more: quarantine, and the job "
	  "ends as lost, since it may still run there.",
	  "{\"running\":[[7,1],[9,1]],\"collecting\":[[8,1]],\"queued\":[[9,1]]}",
	  "{\"lease_ms\":20000,\"cancels\":[{\"job\":7,\"attempt\":1}],\"releases\":[],\"stale\":[[8,1]]}" },
	{ "PUT", "/feed/artifact", ACCESS_WORKER, feed_artifact, BODY_BLOB, artifact_sink_begin,
	  feed_artifact_params,
	  "Bring a file that an outcome will name, or the rest of one that broke off. 201, or 200 if it is known; 409 if "
	  "so much of it is not here, or what is here is not a part of it.",
	  "the bytes", "{\"sha256\":\"…\",\"size\":4096}" },
	{ "GET", "/feed/artifact", ACCESS_WORKER, feed_artifact_state, 0, NULL, feed_artifact_state_params,
	  "How much of such a file is here: where to go on with it.", NULL,
	  "{\"size\":4096,\"whole\":false}" },
	{ "GET", "/feed/blob/{name}", ACCESS_WORKER, blob_get_route, 0, NULL, NULL,
	  "An input or image, by its sha256. A range \"bytes=N-\" gives the rest of it.", NULL, "the bytes" },
	{ "POST", "/feed/join", ACCESS_JOIN, feed_join, BODY_SMALL, NULL, NULL,
	  "A join token becomes a worker's own credential: a secret that the worker has made and keeps; the server gets its "
	  "SHA-256. The same call again is no error, any other with the same token is (403). Then register with the secret.",
	  "{\"name\":\"builder1\",\"hash\":\"SHA256\"}", "{\"name\":\"builder1\",\"zones\":\"\"}" },
	{ "POST", "/feed/rotate", ACCESS_REGISTER, feed_rotate, BODY_SMALL, NULL, NULL,
	  "A new secret for the credential that this call is made with. Both are good until the new one is used.",
	  "{\"hash\":\"SHA256\"}", "{}" },
	{ "POST", "/feed/register", ACCESS_REGISTER, feed_register, BODY_SMALL, NULL, NULL,
	  "A worker comes, with a new session; what an older session of its name held is taken back, and must be dead by then. `after` is the session that "
	  "the same process had before: if another process has come since, and lives, 409. A `protocol` more than one apart from "
	  "the server's is refused (501). `local` tells a worker on this machine where blobs and logs are; with \"probe\":true "
	  "that is all that is done.",
	  "{\"name\":\"builder1\",\"machine\":\"…\",\"boot_id\":\"…\",\"session\":\"HEX\",\"version\":\"0.1.0\","
	  "\"protocol\":2,\"arch\":\"amd64\",\"isolations\":[\"none\",\"chroot\"],\"tags\":[],\"slots\":2,\"pid\":1}",
	  "{\"worker\":1,\"lease_ms\":20000,\"beat_ms\":4000,\"protocol\":2,\"local\":{\"blobs\":\"…\",\"logs\":\"…\"}}" },
	{ "POST", "/feed/leave", ACCESS_WORKER, feed_leave, BODY_SMALL, NULL, NULL,
	  "The worker has killed its attempts and goes: they are released at once.", "{}",
	  "{\"released\":0}" },

	{ "POST", "/v1/jobs", ACCESS_SUBMIT, submit_route, BODY_BATCH, NULL, NULL,
	  "Submit a job: 201, or 200 and \"new\":false if a live job has its dedupe key. With Content-Type "
	  "application/x-ndjson: a job on each line, all or none; \"#3\" in needs is the third line.",
	  "{\"argv\":[\"make\",\"check\"],\"name\":\"check\",\"timeout\":600}", "{\"id\":7,\"new\":true}" },
	{ "GET", "/v1/jobs", ACCESS_READ, jobs_list_route, 0, NULL, list_params, "Jobs, newest first.", NULL,
	  "{\"jobs\":[" JOB_EXAMPLE "],\"next\":6}" },
	{ "GET", "/v1/jobs/{id}", ACCESS_READ, jobs_show_route, 0, NULL, NULL,
	  "One job with what it runs, its attempts, its events and its chain. `estimate` says when it starts and ends, if it "
	  "waits or runs and runs like it have succeeded before (else it is null); eight of ten come between low and high.",
	  NULL,
	  "{\"id\":7,\"state\":\"waiting\",…,\"estimate\":{\"start\":{\"low\":\"…\",\"likely\":\"…\",\"high\":\"…\"},"
	  "\"end\":{\"low\":\"…\",\"likely\":\"…\",\"high\":\"…\"},\"basis\":\"12 runs of make\"}}" },
	{ "GET", "/v1/jobs/{id}/why", ACCESS_READ, why_route, 0, NULL, NULL,
	  "Why it is in its state, as a chain of causes, and the smallest change that would move it on.",
	  NULL,
	  "{\"id\":7,\"state\":\"blocked\",\"summary\":\"waits for job 6\",\"causes\":[{\"text\":\"job 6 is running\","
	  "\"job\":6}],\"next\":null}" },
	{ "GET", "/v1/jobs/{id}/log", ACCESS_READ, log_route, 0, NULL, log_params,
	  "The log, as it was written. The header Slipway-Attempt says of which attempt.", NULL,
	  "the bytes" },
	{ "GET", "/v1/jobs/{id}/artifacts", ACCESS_READ, artifacts_list_route, 0, NULL, attempt_params,
	  "The files an attempt produced.", NULL,
	  "{\"artifacts\":[{\"name\":\"hello.deb\",\"sha256\":\"…\",\"size\":4096,\"attempt\":1}]}" },
	{ "GET", "/v1/jobs/{id}/artifacts/{path}", ACCESS_READ, artifact_route, 0, NULL, attempt_params,
	  "One of them.", NULL, "the bytes" },
	{ "POST", "/v1/jobs/cancel", ACCESS_SUBMIT, act_route, BODY_SMALL * 4, NULL, NULL,
	  "Cancel jobs. One that runs is told to stop.", ACT_BODY, ACT_ANSWER },
	{ "POST", "/v1/jobs/retry", ACCESS_SUBMIT, act_route, BODY_SMALL * 4, NULL, NULL,
	  "Failed and cancelled jobs wait again, for a new attempt.", ACT_BODY, ACT_ANSWER },
	{ "POST", "/v1/jobs/rerun", ACCESS_SUBMIT, act_route, BODY_SMALL * 4, NULL, NULL,
	  "A new job with the same body.", ACT_BODY, "{\"results\":[{\"id\":7,\"ok\":true,\"new\":12}]}" },
	{ "POST", "/v1/jobs/suspend", ACCESS_SUBMIT, act_route, BODY_SMALL * 4, NULL, NULL, "Hold jobs back.",
	  ACT_BODY, ACT_ANSWER },
	{ "POST", "/v1/jobs/resume", ACCESS_SUBMIT, act_route, BODY_SMALL * 4, NULL, NULL,
	  "Suspended jobs go on to what they would be otherwise.", ACT_BODY, ACT_ANSWER },
	{ "POST", "/v1/jobs/priority", ACCESS_SUBMIT, act_route, BODY_SMALL * 4, NULL, NULL,
	  "Change the priority; higher is sooner.", "{\"ids\":[7],\"priority\":10}", ACT_ANSWER },
	{ "GET", "/v1/wait", ACCESS_READ, wait_route, 0, NULL, wait_params,
	  "Answers when all of these jobs are final, or when the time is up.", NULL,
	  "{\"jobs\":[{\"id\":7,\"state\":\"failed\",\"reason\":\"exit\",\"exit_code\":1,\"signal\":null,\"attempt\":1}],"
	  "\"done\":true}" },
	{ "GET", "/v1/blobs/{name}", ACCESS_READ, blob_get_route, 0, NULL, NULL,
	  "A file by its sha256, or the rest of it (a range \"bytes=N-\").", NULL, "the bytes" },
	{ "HEAD", "/v1/blobs/{name}", ACCESS_READ, blob_get_route, 0, NULL, NULL, "Is it there?", NULL,
	  NULL },
	{ "PUT", "/v1/blobs/{name}", ACCESS_SUBMIT, blob_put_route, BODY_BLOB, blob_sink_begin, NULL,
	  "Bring a file that jobs will name as an input. 201, or 200 if it is there.", "the bytes",
	  "{\"sha256\":\"…\",\"size\":4096}" },
	{ "GET", "/v1/status", ACCESS_READ, status_route, 0, NULL, NULL,
	  "What goes on, in numbers. `estimates`: how good those of starts and runs were of late; null where none was compared.",
	  NULL,
	  "{\"version\":\"0.1.0\",\"name\":\"…\",\"database\":\"postgresql\",\"data\":\"…\",\"time\":\"…\",\"jobs\":{\"waiting\":3,…},"
	  "\"kinds\":{\"command\":{\"waiting\":3,…},…},\"workers\":{\"online\":1,\"slots\":2,\"running\":2,\"quarantined\":0},"
	  "\"servers\":[{\"name\":\"…\",\"version\":\"0.1.0\",\"alive\":true,\"started\":\"…\",\"beat_age\":2}],"
	  "\"vacuum_held_by\":{\"pid\":4711,\"user\":\"…\",\"application\":\"psql\",\"state\":\"idle in transaction\",\"age\":900},"
	  "\"estimates\":{\"starts\":{\"compared\":40,\"within_percent\":80,\"off_percent\":20},\"runs\":null},"
	  "\"uptime\":60,\"started\":\"…\"}" },
	{ "GET", "/v1/workers", ACCESS_READ, workers_list_route, 0, NULL, NULL, "All workers.", NULL,
	  "{\"workers\":[{\"id\":1,\"name\":\"builder1\",\"state\":\"active\",\"online\":true,\"slots\":2,\"running\":1,"
	  "\"jobs\":[{\"id\":7,\"attempt\":1,\"state\":\"running\",\"started\":\"…\"}],\"load\":0.52,"
	  "\"cache\":{\"used\":4096,\"max\":8192},\"disk\":{\"free\":4096,\"min\":1024},\"disk_low\":false,"
	  "\"failures\":5,\"quarantine\":{\"reason\":\"…\",\"since\":\"…\"},\"server\":\"…\",…}]}" },
	{ "POST", "/v1/workers/{name}", ACCESS_ADMIN, worker_state_route, BODY_SMALL, NULL, NULL,
	  "active: gets work; ends a quarantine and begins a new count of failures. draining: finishes what it has. "
	  "disabled: gets none and gives back what it has.",
	  "{\"state\":\"draining\"}", "{\"name\":\"builder1\",\"state\":\"draining\"}" },
	{ "GET", "/v1/targets", ACCESS_READ, targets_list_route, 0, NULL, NULL, "All targets.", NULL,
	  "{\"targets\":[{\"name\":\"bookworm-amd64\",\"suite\":\"bookworm\",\"arch\":\"amd64\",\"state\":\"ready\",…}]}" },
	{ "GET", "/v1/targets/{name}", ACCESS_READ, target_show_route, 0, NULL, NULL, "One target.", NULL,
	  "{\"name\":\"bookworm-amd64\",…}" },
	{ "DELETE", "/v1/targets/{name}", ACCESS_ADMIN, target_remove_route, 0, NULL, NULL,
	  "Remove a target that no live job uses. (To make one, submit a job of kind target.)", NULL,
	  "{\"removed\":\"bookworm-amd64\"}" },
	{ "GET", "/v1/types", ACCESS_READ, types_route, 0, NULL, NULL, "The build types.", NULL,
	  "{\"types\":[{\"name\":\"deb\",\"summary\":\"…\",\"steps\":[\"unpack\",…]}]}" },
	{ "GET", "/v1/ca", ACCESS_OPEN, ca_route, 0, NULL, NULL,
	  "The certificate of the installation's own CA: to be asked for before anything is trusted, and to be compared with "
	  "the fingerprint that a token carries.",
	  NULL, "the certificate as PEM" },
	{ "GET", "/v1/tokens", ACCESS_ADMIN, tokens_list_route, 0, NULL, NULL,
	  "All tokens and workers' credentials, newest first, without their secrets. `used` is right to an hour.",
	  NULL,
	  "{\"tokens\":[{\"id\":7,\"role\":\"submitter\",\"name\":\"ada\",\"state\":\"good\",\"zones\":\"\",\"maker\":\"root\",…}]}" },
	{ "POST", "/v1/tokens", ACCESS_ADMIN, token_create_route, BODY_SMALL, NULL, NULL,
	  "Make a token: this answer is the only place where its secret is ever to be seen. Role worker: it can be exchanged "
	  "once, within an hour or `expires`, for a worker's credential (POST /feed/join), for `name` only if that is given. "
	  "Others end only if `expires` is given.",
	  "{\"role\":\"worker\",\"name\":\"\",\"zones\":[],\"expires\":3600}",
	  "{\"id\":7,\"role\":\"worker\",\"name\":\"\",\"token\":\"slw_…\",\"expires\":\"…\",\"server\":\"https://…\"}" },
	{ "DELETE", "/v1/tokens/{id}", ACCESS_ADMIN, token_revoke_route, 0, NULL, NULL,
	  "Revoke a token or a worker's credential: nothing is accepted with it any more.", NULL,
	  "{\"revoked\":7}" },
	{ "GET", "/v1/events", ACCESS_ADMIN, events_route, 0, NULL, events_params,
	  "What happened, newest first: of jobs each event with a reason or a detail (not that one was born, began and succeeded: "
	  "a job tells all of its own), and everything else that was privileged, with who did it and to whom.",
	  NULL,
	  "{\"events\":[{\"at\":\"…\",\"actor\":\"server\",\"subject\":\"worker:builder1\",\"detail\":\"quarantine: …\"},"
	  "{\"at\":\"…\",\"actor\":\"server\",\"subject\":\"job:7\",\"from\":\"running\",\"to\":\"waiting\",\"reason\":\"lost\","
	  "\"detail\":\"its worker was not heard of\"}],\"next\":\"…\"}" },
	{ "GET", "/v1/owners", ACCESS_ADMIN, owners_route, 0, NULL, NULL,
	  "Owners for whom something was set: the weight of their turns, the bound of running jobs (0: none), their zone.",
	  NULL,
	  "{\"owners\":[{\"name\":\"ada\",\"weight\":2,\"running_max\":8,\"running\":3,\"zone\":\"\"}]}" },
	{ "POST", "/v1/owners/{name}", ACCESS_ADMIN, owner_set_route, BODY_SMALL, NULL, NULL,
	  "Set them. What is not given stays as it is.", "{\"weight\":2,\"running_max\":8,\"zone\":\"\"}",
	  "{\"name\":\"ada\",\"weight\":2,\"running_max\":8,\"running\":3,\"zone\":\"\"}" },
	{ "POST", "/v1/admin/check", ACCESS_ADMIN, check_route, BODY_SMALL, NULL, NULL,
	  "Check every invariant of the store.", NULL, "{\"violations\":0,\"found\":[]}" },
	{ "POST", "/v1/admin/gc", ACCESS_ADMIN, gc_route, BODY_SMALL, NULL, NULL,
	  "Remove files that no job names any more.", NULL, "{\"removed\":2,\"bytes\":8192}" },
	{ "POST", "/v1/admin/backup", ACCESS_ADMIN, backup_route, BODY_SMALL, NULL, NULL,
	  "Make a backup, in a new folder on the server's machine, of one moment while everything goes on.",
	  "{\"to\":\"/srv/backup/monday\"}", "{\"jobs\":7,\"rows\":120,\"blobs\":3,\"logs\":1}" },
	{ NULL, NULL, 0, NULL, 0, NULL, NULL, NULL, NULL, NULL },
};

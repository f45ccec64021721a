/* Numbers of states stand in the text, because only then a partial index serves the query: 1 blocked, 2
 * scheduled, 3 waiting, 4 running, 5 collecting, 6 depwait, 7 suspended, 8 succeeded, 9 failed, 10
 * cancelled. */
#include "store/statements.h"

#include "model/state.h"

_Static_assert(STATE_BLOCKED == 1 && STATE_SCHEDULED == 2 && STATE_WAITING == 3 && STATE_RUNNING == 4 &&
		       STATE_COLLECTING == 5 && STATE_DEPWAIT == 6 && STATE_SUSPENDED == 7 &&
		       STATE_SUCCEEDED == 8 && STATE_FAILED == 9 && STATE_CANCELLED == 10,
	       "the statements have these numbers in them");

/* A statement that is written anew for PostgreSQL only where the dialects truly differ: the two texts of one
 * that says OR FAIL on SQLite (see sql/sqlite/001-jobs.sql). */
#define OR_FAIL(verb, rest) verb " OR FAIL " rest, verb " " rest
/* The first by the second, in this order: SQLite takes CROSS JOIN for it. */
#define SQLITE_JOIN " CROSS JOIN "
#define PG_JOIN " JOIN "

/* In the order job_row_read() reads. */
#define HEAD_COLUMNS                                                                                            \
	"j.id,j.kind,j.state,j.reason,j.lane,j.worker,j.attempt,j.max_attempts,j.failures,j.losses,"            \
	"j.retry_delay,j.run_at,j.started,j.finished,j.lease_until,j.is_cancel_asked,j.needs_left,j.is_needed," \
	"j.events,j.exit_code,j.signal,j.artifacts,j.limit_key,j.priority,j.owner"
#define JOB_COLUMNS                                                                     \
	HEAD_COLUMNS ",j.target,j.chain,j.created,j.timeout,j.silence,j.name,j.dedupe," \
		     "j.progress"

/* $1 limit, $2 before, $3 states, $4 kind, $5 owner, $6 worker, $7 name, $8 name's end for a prefix, $9
 * target; NULL = any. */
#define LIST_REST                                                                                                                                                    \
	" j.id < $2 AND (CAST($3 AS BIGINT) IS NULL OR ((CAST(1 AS BIGINT) << CAST(j.state AS INTEGER)) & $3) <> 0) AND (CAST($4 AS BIGINT) IS NULL OR j.kind = $4)" \
	" AND (CAST($5 AS BIGINT) IS NULL OR j.owner = $5) AND (CAST($6 AS BIGINT) IS NULL OR j.worker = $6)"                                                        \
	" AND (CAST($7 AS TEXT) IS NULL OR (CASE WHEN CAST($8 AS TEXT) IS NULL THEN j.name = $7 ELSE j.name >= $7 AND j.name < $8 END))"                             \
	" AND (CAST($9 AS BIGINT) IS NULL OR j.target = $9) ORDER BY j.id DESC LIMIT $1"

#define ATTEMPT_COLUMNS                                                                                  \
	"job,n,worker,started,finished,outcome,reason,step,detail,exit_code,signal,wall_ms,cpu_user_us," \
	"cpu_sys_us,memory_peak,log_bytes,is_log_truncated"
#define WORKER_COLUMNS                                                                                                \
	"id,name,machine,boot_id,session,version,arch,isolations,tags,slots,state,failures,beat_at,is_online,server," \
	"quarantine,quarantined,"                                                                                     \
	"(SELECT count(*) FROM job WHERE job.worker = worker.id AND job.state IN (4, 5))"
/* Milliseconds of the database's clock. */
#define PG_NOW "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
#define PG_IS_ALIVE "beat_at > " PG_NOW " - 15000"
#define WORKERS(rest)                                                                                 \
	"SELECT " WORKER_COLUMNS ",1,'',status,demands,zones FROM worker " rest,                      \
		"SELECT " WORKER_COLUMNS ",(SELECT count(*) FROM server s WHERE s.id = worker.server" \
		" AND s." PG_IS_ALIVE                                                                 \
		"),(SELECT name FROM server s WHERE s.id = worker.server),status,demands,zones FROM worker " rest
#define IS_OF_SESSION                                                                         \
	" AND (SELECT a.session_n FROM attempt a WHERE a.job = job.id AND a.n = job.attempt)" \
	" = (SELECT w.session_n FROM worker w WHERE w.id = job.worker)"
#define EVENT_NOTED(hint)                                                                \
	"SELECT n, job, at, actor, from_state, to_state, reason, detail FROM event" hint \
	" WHERE (reason <> 0 OR detail IS NOT NULL) AND (at, job, n) < ($1, $2, $3)"     \
	" ORDER BY at DESC, job DESC, n DESC LIMIT $4"
#define WORKER_BLAME                                                                             \
	"SELECT name, session_n, failures, troubles, died, died_session, quarantine FROM worker" \
	" WHERE id = $1"
#define CHECK_ROW(name, before, after, sql) [STMT_CHECK_##name] = { "check_" #name, sql },
/* A list by an index: SQLite is told which, PostgreSQL sees it by the condition. */
#define LIST(index, where)                                                               \
	"SELECT " JOB_COLUMNS " FROM job j INDEXED BY " index " WHERE " where LIST_REST, \
		"SELECT " JOB_COLUMNS " FROM job j WHERE " where LIST_REST
#define RARE(j) "(" j "state = 1 OR " j "state = 6 OR " j "state = 7 OR " j "state = 9 OR " j "state = 10)"
#define CHAIN(hint)                                                                \
	"SELECT " JOB_COLUMNS " FROM job j WHERE j.id IN (SELECT id FROM job" hint \
	" WHERE chain = $10 AND chain <> id UNION ALL SELECT CAST($10 AS BIGINT)) AND" LIST_REST
#define EDGES(join, from, to)                                                                      \
	"SELECT " JOB_COLUMNS " FROM need n" join "job j ON j.id = n." to " WHERE n." from " = $1" \
	" ORDER BY n." to " LIMIT $2"
#define IS_USED(hint)                                                                   \
	"SELECT coalesce((SELECT id FROM job WHERE state = 3 AND target = $1 LIMIT 1)," \
	" (SELECT id FROM job WHERE state = 2 AND target = $1 LIMIT 1),"                \
	" (SELECT id FROM job WHERE state IN (4, 5) AND target = $1 LIMIT 1),"          \
	" (SELECT id FROM job" hint " WHERE " RARE("") " AND state < 8 AND target = $1 LIMIT 1), 0)"
#define LEASED_OF(join)                                                                    \
	"SELECT j.id FROM job j" join "attempt a ON a.job = j.id AND a.n = j.attempt" join \
	"worker w ON w.id = j.worker WHERE j.worker = $1 AND j.state IN (4, 5)"            \
	" AND (CAST($2 AS TEXT) IS NULL OR w.session <> $2 OR a.session_n <> w.session_n) ORDER BY j.id"
#define ATTEMPT_SESSION(join)                                                                      \
	"SELECT 1 FROM attempt a" join "worker w ON w.id = a.worker WHERE a.job = $1 AND a.n = $2" \
	" AND a.worker = $3 AND a.outcome = 0 AND a.session_n = w.session_n"
/* Only another server can be the first with a name that was not there a moment ago. */
#define WORKER_AGAIN                                                                                   \
	" ON CONFLICT (name) DO UPDATE SET machine = $2, boot_id = $3, session_n = worker.session_n +" \
	" CASE WHEN worker.session <> $4 THEN 1 ELSE 0 END, session = $4, version = $5, arch = $6,"    \
	" isolations = $7, tags = $8, slots = $9, beat_at = $10, is_online = 1, server = $11"
#define TOKENS_VERSION "CAST(count(*) + coalesce(sum(changes), 0) AS BIGINT)"
#define TOKEN_COLUMNS "id,role,name,hash,next_hash,zones,maker,created,expires,used,revoked,born"
#define POSITION_AHEAD(name)                                                                                    \
	"SELECT count(*) FROM (SELECT 1 FROM (SELECT 1 FROM job WHERE state = 3 AND lane = $1 AND is_gated = 0" \
	" AND owner = $5 AND priority > $2 LIMIT $4)" name " UNION ALL SELECT 1 FROM (SELECT 1 FROM job"        \
	" WHERE state = 3 AND lane = $1 AND is_gated = 0 AND owner = $5 AND priority = $2 AND id < $3"          \
	" LIMIT $4)" name " LIMIT $4)" name
#define OWNER_COUNT(hint, as)                                                                            \
	"SELECT count(*) FROM (SELECT 1 FROM job" hint " WHERE state = 3 AND lane = $1 AND is_gated = 0" \
	" AND owner = $2 LIMIT $3)" as
#define DURATION_GET                                                                                \
	"SELECT n, log_mean, log_var, mean, deviation FROM duration WHERE lane = $1 AND owner = $2" \
	" AND target = $3 AND name = $4"
#define DURATION_AHEAD(as, hint)                                                                       \
	"SELECT * FROM (SELECT kind, lane, owner, target, name FROM job " hint                         \
	" WHERE state = 3 AND lane = $1 AND is_gated = 0 AND owner = $5 AND priority > $2"             \
	" ORDER BY priority DESC, id LIMIT $4)" as                                                     \
	" UNION ALL SELECT * FROM (SELECT kind, lane, owner, target, name FROM job " hint              \
	" WHERE state = 3 AND lane = $1 AND is_gated = 0 AND owner = $5 AND priority = $2 AND id < $3" \
	" ORDER BY id LIMIT $4)" as " LIMIT $4"
#define FORECAST_GET "SELECT n, within, log_off FROM forecast WHERE what = $1"
/* What may be given out in a lane ($1): by owner, and within one by priority and age. */
#define TAKE(from, where, owner)                           \
	"SELECT id, priority, owner, limit_key FROM " from \
	" WHERE state = 3 AND lane = $1 AND is_gated = 0" where " ORDER BY " owner ", priority DESC, id"
#define KEYED(where) "job WHERE limit_key = $1 AND state = 3" where
#define TARGET_COLUMNS "id,name,suite,arch,image,image_bytes,state,updated,job"

/* The hot tables have no foreign keys on PostgreSQL, where each check is a query and a lock on the row named.
 * The two of two columns are left out: they are not hot, and have theirs. */
#define REFERENCE(table, column, parent)                                                             \
	"SELECT '" table " names a " parent " that is not there: ' || t." column " FROM " table " t" \
	" LEFT JOIN " parent " p ON p.id = t." column " WHERE t." column " IS NOT NULL AND p.id IS NULL"
#define CHECK_REFERENCES                                                                                                                                                                                                                          \
	REFERENCE("job", "lane", "lane")                                                                                                                                                                                                          \
	" UNION ALL " REFERENCE("job", "worker", "worker") " UNION ALL " REFERENCE("job", "owner", "string") " UNION ALL " REFERENCE("job", "target", "string") " UNION ALL " REFERENCE("job", "limit_key", "limit_key") " UNION ALL " REFERENCE( \
		"attempt", "job",                                                                                                                                                                                                                 \
		"job") " UNION ALL " REFERENCE("attempt", "worker",                                                                                                                                                                               \
					       "worker") " UNION ALL " REFERENCE("payload", "job",                                                                                                                                                \
										 "job") " UNION ALL " REFERENCE("input",                                                                                                                          \
														"job",                                                                                                                            \
														"job") " UNION ALL " REFERENCE("need",                                                                                            \
																	       "job",                                                                                             \
																	       "job") " UNION ALL " REFERENCE("need",                                                             \
																					      "needs",                                                            \
																					      "job")

const struct db_stmt store_statements[STMT_COUNT] = {
	[STMT_STRING_FIND] = { "string_find", "SELECT id FROM string WHERE text = $1" },
	[STMT_STRING_ADD] = { "string_add", "INSERT INTO string (text) VALUES ($1) RETURNING id",
			      /* Another server may be the first: its row is as good. */
			      "INSERT INTO string (text) VALUES ($1) ON CONFLICT (text) DO UPDATE SET text ="
			      " EXCLUDED.text RETURNING id" },
	[STMT_STRING_TEXT] = { "string_text", "SELECT text FROM string WHERE id = $1" },
	[STMT_LANE_FIND] = { "lane_find",
			     "SELECT id FROM lane WHERE kind = $1 AND isolation = $2 AND arch = $3"
			     " AND tags = $4" },
	[STMT_LANE_ADD] = { "lane_add",
			    "INSERT INTO lane (kind, isolation, arch, tags) VALUES ($1, $2, $3, $4)"
			    " RETURNING id",
			    "INSERT INTO lane (kind, isolation, arch, tags) VALUES ($1, $2, $3, $4)"
			    " ON CONFLICT (kind, isolation, arch, tags) DO UPDATE SET kind = EXCLUDED.kind"
			    " RETURNING id" },
	[STMT_LANE_GET] = { "lane_get", "SELECT id, kind, isolation, arch, tags FROM lane WHERE id = $1" },
	[STMT_LANE_LIST] = { "lane_list", "SELECT id FROM lane ORDER BY id" },
	[STMT_TALLY_ADD] = { "tally_add", "UPDATE tally SET n = n + $3 WHERE kind = $1 AND state = $2",
			     /* Several servers add at once: each to a part of its own, as a rule. */
			     "INSERT INTO tally (kind, state, part, n) VALUES ($1, $2, pg_backend_pid() % 16, $3)"
			     " ON CONFLICT (kind, state, part) DO UPDATE SET n = tally.n + EXCLUDED.n" },
	[STMT_TALLY_NEW] = { "tally_new", "INSERT INTO tally (kind, state, n) VALUES ($1, $2, $3)" },
	[STMT_TALLY_LIST] = { "tally_list", "SELECT kind, state, n FROM tally ORDER BY kind, state",
			      "SELECT kind, state, CAST(sum(n) AS BIGINT) FROM tally GROUP BY kind, state"
			      " ORDER BY kind, state" },

	/* The first of $1 numbers in a row. */
	[STMT_JOB_NUMBERS] = { "job_numbers",
			       "SELECT coalesce((SELECT max(id) FROM job), 0) + 1 WHERE $1 > 0",
			       "SELECT take_ids($1)" },
	/* Who reads it will change it. */
	[STMT_JOB_HEAD] = { "job_head", "SELECT " HEAD_COLUMNS ",j.target,j.name FROM job j WHERE j.id = $1",
			    "SELECT " HEAD_COLUMNS
			    ",j.target,j.name FROM job j WHERE j.id = $1 FOR NO KEY UPDATE" },
	[STMT_JOB_GET] = { "job_get", "SELECT " JOB_COLUMNS " FROM job j WHERE j.id = $1" },
	[STMT_JOB_GET_PAYLOAD] = { "job_get_payload",
				   "SELECT " JOB_COLUMNS ",j.payload FROM job j WHERE j.id = $1" },
	[STMT_PAYLOAD_GET] = { "payload_get", "SELECT body FROM payload WHERE job = $1" },
	[STMT_JOB_ADD] = { "job_add",
			   OR_FAIL("INSERT",
				   "INTO job (id, kind, state, reason, lane, worker, attempt, max_attempts, failures,"
				   " losses, retry_delay, run_at, started, finished, lease_until, is_cancel_asked,"
				   " needs_left, is_needed, events, exit_code, signal, artifacts, priority, owner, target,"
				   " chain, created, timeout, silence, name, dedupe, progress, payload, result, limit_key,"
				   " is_gated) VALUES ($1, $2, $3, 0, $4, NULL, 0, $5, 0, 0, $6, $7, 0, 0, 0, 0, $8, $9, 1, -1, 0, 0,"
				   " $10, $11, $12, $13, $14, $15, $16, $17, $18, NULL, $19, NULL,"
				   " $20, $21)") },
	[STMT_PAYLOAD_ADD] = { "payload_add", "INSERT INTO payload (job, body) VALUES ($1, $2)" },
	[STMT_BUILD_ADD] = { "build_add",
			     "INSERT INTO build (job, type, source, version) VALUES ($1, $2, $3, $4)" },
	[STMT_BUILD_GET] = { "build_get", "SELECT type, source, version FROM build WHERE job = $1" },
	[STMT_BUILD_SET_VERSION] = { "build_set_version", "UPDATE build SET version = $2 WHERE job = $1" },
	[STMT_RECIPE_ADD] = { "recipe_add", "INSERT INTO recipe (job, text) VALUES ($1, $2)" },
	[STMT_RECIPE_GET] = { "recipe_get", "SELECT text FROM recipe WHERE job = $1" },
	[STMT_NEED_ADD] = { "need_add", OR_FAIL("INSERT", "INTO need (job, needs) VALUES ($1, $2)") },
	[STMT_INPUT_ADD] = { "input_add", "INSERT OR IGNORE INTO input (job, sha256) VALUES ($1, $2)",
			     "INSERT INTO input (job, sha256) VALUES ($1, $2) ON CONFLICT DO NOTHING" },
	[STMT_JOB_LIVE_DEDUPE] = { "job_live_dedupe",
				   "SELECT id FROM job WHERE dedupe IS NOT NULL AND state < 8 AND dedupe = $1" },
	[STMT_JOB_DEDUPE_TAKEN] = { "job_dedupe_taken",
				    "SELECT o.id FROM job j CROSS JOIN job o ON o.dedupe = j.dedupe WHERE j.id = $1"
				    " AND o.dedupe IS NOT NULL AND o.state < 8 LIMIT 1",
				    "SELECT o.id FROM job j JOIN job o ON o.dedupe = j.dedupe WHERE j.id = $1"
				    " AND o.dedupe IS NOT NULL AND o.state < 8 LIMIT 1" },
	/* It must not end between this look and the need that is written for it. */
	[STMT_JOB_CHAIN] = { "job_chain", "SELECT state, chain FROM job WHERE id = $1",
			     "SELECT state, chain FROM job WHERE id = $1 FOR NO KEY UPDATE" },
	[STMT_JOB_ATTEMPT] = { "job_attempt", "SELECT attempt FROM job WHERE id = $1" },
	[STMT_JOB_SET_NEEDED] = { "job_set_needed",
				  OR_FAIL("UPDATE",
					  "job SET is_needed = 1 WHERE id = $1 AND is_needed = 0") },
	[STMT_JOB_MOVE] = { "job_move",
			    OR_FAIL("UPDATE",
				    "job SET state = $2, reason = $3, worker = $4, attempt = $5, failures = $6,"
				    " losses = $7, run_at = $8, started = $9, finished = $10, lease_until = $11,"
				    " is_cancel_asked = $12, events = $13, exit_code = $14, signal = $15, artifacts = $16,"
				    " is_gated = CASE WHEN limit_key IS NOT NULL AND CAST($2 AS BIGINT) = 3 THEN 1 ELSE 0 END"
				    " WHERE id = $1 AND state = $17 AND attempt = $18 AND events = $19") },
	[STMT_JOB_NOTE] = { "job_note", "UPDATE job SET is_cancel_asked = $2, events = $3"
					" WHERE id = $1 AND state = $4 AND events = $5" },
	[STMT_JOB_NEED_DONE] = { "job_need_done",
				 OR_FAIL("UPDATE", "job SET needs_left = needs_left - 1 WHERE id = $1") },
	[STMT_JOB_SET_RESULT] = { "job_set_result", "UPDATE job SET result = $2 WHERE id = $1" },
	[STMT_JOB_RESULT] = { "job_result", "SELECT result FROM job WHERE id = $1" },
	[STMT_JOB_SET_PRIORITY] = { "job_set_priority", "UPDATE job SET priority = $2 WHERE id = $1" },
	[STMT_JOB_SET_PROGRESS] = { "job_set_progress",
				    "UPDATE job SET progress = $3"
				    " WHERE id = $1 AND attempt = $2 AND state IN (4, 5)" },
	[STMT_JOB_CLEAR_PROGRESS] = { "job_clear_progress", "UPDATE job SET progress = NULL WHERE id = $1" },
	[STMT_JOB_RERUN_SOURCE] = { "job_rerun_source",
				    "SELECT b.type, b.source, r.text FROM job j LEFT JOIN build b ON b.job = j.id"
				    " LEFT JOIN recipe r ON r.job = j.id WHERE j.id = $1" },
	[STMT_NEEDS_OF] = { "needs_of", "SELECT needs FROM need WHERE job = $1" },
	[STMT_NEEDED_BY] = { "needed_by", "SELECT job FROM need WHERE needs = $1 ORDER BY job" },
	[STMT_NEED_FAILED] = { "need_failed",
			       "SELECT n.needs FROM need n CROSS JOIN job j ON j.id = n.needs WHERE n.job = $1"
			       " AND j.state IN (9, 10) LIMIT 1",
			       "SELECT n.needs FROM need n JOIN job j ON j.id = n.needs WHERE n.job = $1"
			       " AND j.state IN (9, 10) LIMIT 1" },

	[STMT_TAKE_LANE] = { "take_lane", TAKE("job INDEXED BY job_waiting", "", "owner") " LIMIT $2",
			     TAKE("job", "", "owner NULLS FIRST") " LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED" },
	[STMT_TAKE_OWNERS] = { "take_owners",
			       TAKE("job INDEXED BY job_waiting", " AND owner >= $3", "owner") " LIMIT $2",
			       TAKE("job", " AND owner >= $3",
				    "owner NULLS FIRST") " LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED" },
	[STMT_RUNNING_OWNERS] = { "running_owners",
				  "SELECT owner, count(*) FROM job INDEXED BY job_leased WHERE state IN (4, 5)"
				  " AND owner IS NOT NULL GROUP BY owner",
				  "SELECT owner, count(*) FROM job WHERE state IN (4, 5) AND owner IS NOT NULL"
				  " GROUP BY owner" },
	[STMT_OWNER_LIST] = { "owner_list", "SELECT id, weight, running_max, zone FROM owner ORDER BY id" },
	[STMT_OWNER_SET] = { "owner_set",
			     "INSERT INTO owner (id, weight, running_max, zone) VALUES ($1, $2, $3, $4)"
			     " ON CONFLICT (id) DO UPDATE SET weight = $2, running_max = $3, zone = $4" },
	/* Whoever gives out work of an owner with a bound holds his row while he counts. */
	[STMT_OWNER_HOLD] = { "owner_hold", "SELECT running_max FROM owner WHERE id = $1",
			      "SELECT running_max FROM owner WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED" },
	[STMT_OWNER_RUNNING] = { "owner_running",
				 "SELECT count(*) FROM job INDEXED BY job_leased WHERE state IN (4, 5) AND owner = $1",
				 "SELECT count(*) FROM job WHERE state IN (4, 5) AND owner = $1" },
	[STMT_OWNER_NEXT] = { "owner_next",
			      "SELECT owner FROM job INDEXED BY job_waiting WHERE state = 3 AND lane = $1"
			      " AND is_gated = 0 AND owner > $2 ORDER BY owner LIMIT 1",
			      "SELECT owner FROM job WHERE state = 3 AND lane = $1 AND is_gated = 0 AND owner > $2"
			      " ORDER BY owner NULLS FIRST, priority DESC, id LIMIT 1" },
	[STMT_OWNER_COUNT] = { "owner_count", OWNER_COUNT(" INDEXED BY job_waiting", ""),
			       OWNER_COUNT("", " AS his") },
	[STMT_OWNER_WAITS] = { "owner_waits",
			       "SELECT 1 FROM job INDEXED BY job_waiting WHERE state = 3 AND lane = $1 AND is_gated = 0"
			       " AND owner = $2 LIMIT 1",
			       "SELECT 1 FROM job WHERE state = 3 AND lane = $1 AND is_gated = 0 AND owner = $2"
			       " ORDER BY priority DESC, id LIMIT 1" },

	[STMT_KEY_FIND] = { "key_find", "SELECT id, n FROM limit_key WHERE owner = $1 AND name = $2",
			    "SELECT id, n FROM limit_key WHERE owner = $1 AND name = $2 FOR NO KEY UPDATE" },
	[STMT_KEY_ADD] = { "key_add",
			   "INSERT INTO limit_key (owner, name, n, running) VALUES ($1, $2, $3, 0) RETURNING id",
			   "INSERT INTO limit_key (owner, name, n, running) VALUES ($1, $2, $3, 0)"
			   " ON CONFLICT (owner, name) DO UPDATE SET n = EXCLUDED.n RETURNING id" },
	[STMT_KEY_SET_N] = { "key_set_n", "UPDATE limit_key SET n = $2 WHERE id = $1" },
	[STMT_KEY_GET] = { "key_get", "SELECT name, n, running, owner FROM limit_key WHERE id = $1" },
	[STMT_KEY_HOLD] = { "key_hold", "SELECT n - running FROM limit_key WHERE id = $1",
			    "SELECT n - running FROM limit_key WHERE id = $1 FOR NO KEY UPDATE" },
	[STMT_KEY_TRY] = { "key_try", "SELECT n - running FROM limit_key WHERE id = $1",
			   "SELECT n - running FROM limit_key WHERE id = $1 FOR NO KEY UPDATE SKIP LOCKED" },
	[STMT_KEY_RUNNING] = { "key_running", "UPDATE limit_key SET running = running + $2 WHERE id = $1" },
	[STMT_KEY_LANE] = { "key_lane",
			    "SELECT lane FROM " KEYED(" AND lane > $2") " ORDER BY lane LIMIT 1" },
	[STMT_KEY_OPEN] = { "key_open", "SELECT count(*) FROM (SELECT 1 FROM " KEYED(
						" AND lane = $2 AND is_gated = 0") " LIMIT $3) AS o" },
	[STMT_KEY_BEST_GATED] = { "key_best_gated",
				  "SELECT id, priority FROM " KEYED(
					  " AND lane = $2 AND is_gated = 1") " ORDER BY priority DESC, id LIMIT 1" },
	[STMT_KEY_WORST_OPEN] = { "key_worst_open",
				  "SELECT id, priority FROM " KEYED(
					  " AND lane = $2 AND is_gated = 0") " ORDER BY priority, id DESC LIMIT 1" },
	[STMT_KEY_GATE] = { "key_gate",
			    OR_FAIL("UPDATE", "job SET is_gated = $2 WHERE id = $1 AND state = 3") },
	[STMT_JOB_GATE] = { "job_gate",
			    "SELECT j.limit_key, j.is_gated, k.running, j.owner FROM job j LEFT JOIN limit_key k"
			    " ON k.id = j.limit_key WHERE j.id = $1" },
	[STMT_KEY_HOLDERS] = { "key_holders",
			       "SELECT id FROM job INDEXED BY job_leased WHERE state IN (4, 5) AND limit_key = $1 LIMIT $2",
			       "SELECT id FROM job WHERE state IN (4, 5) AND limit_key = $1 LIMIT $2" },
	[STMT_LEASE_RENEW] = { "lease_renew",
			       "UPDATE job SET lease_until = $2 WHERE worker = $1 AND state IN (4, 5)"
			       " AND (SELECT a.session_n FROM attempt a WHERE a.job = job.id AND a.n = job.attempt)"
			       " = (SELECT w.session_n FROM worker w WHERE w.id = $1)" },
	[STMT_LEASED_OF] = { "leased_of", LEASED_OF(SQLITE_JOIN), LEASED_OF(PG_JOIN) },
	[STMT_LEASED_LIST] = { "leased_list", "SELECT " JOB_COLUMNS " FROM job j WHERE j.worker = $1"
					      " AND j.state IN (4, 5) ORDER BY j.id" },
	[STMT_LEASE_ENDED] = { "lease_ended",
			       "SELECT id FROM job INDEXED BY job_leased WHERE state IN (4, 5)"
			       " AND lease_until < $1 LIMIT $2",
			       "SELECT id FROM job WHERE state IN (4, 5) AND lease_until < $1 LIMIT $2"
			       " FOR NO KEY UPDATE SKIP LOCKED" },
	[STMT_LEASE_NEXT] = { "lease_next",
			      "SELECT min(lease_until) FROM job INDEXED BY job_leased WHERE state IN (4, 5)",
			      "SELECT min(lease_until) FROM job WHERE state IN (4, 5)" },
	[STMT_SCHEDULED_DUE] = { "scheduled_due",
				 "SELECT id FROM job WHERE state = 2 AND run_at <= $1 ORDER BY run_at LIMIT $2",
				 "SELECT id FROM job WHERE state = 2 AND run_at <= $1 ORDER BY run_at LIMIT $2"
				 " FOR NO KEY UPDATE SKIP LOCKED" },
	[STMT_SCHEDULED_NEXT] = { "scheduled_next",
				  "SELECT run_at FROM job WHERE state = 2 ORDER BY run_at LIMIT 1" },
	[STMT_DEPWAIT_OF] = { "depwait_of",
			      "SELECT id FROM job INDEXED BY job_rare WHERE state = 6 AND target = $1",
			      "SELECT id FROM job WHERE state = 6 AND target = $1" },
	[STMT_POSITION] = { "position", POSITION_AHEAD(""), POSITION_AHEAD(" AS ahead") },

	[STMT_DURATION_GET] = { "duration_get", DURATION_GET },
	/* A row that another server holds just now does without these runs: it is a mean of many. */
	[STMT_DURATION_TAKE] = { "duration_take", DURATION_GET,
				 DURATION_GET " FOR NO KEY UPDATE SKIP LOCKED" },
	[STMT_DURATION_SET] = { "duration_set",
				OR_FAIL("UPDATE",
					"duration SET n = $5, log_mean = $6, log_var = $7, mean = $8, deviation = $9,"
					" used = $10 WHERE lane = $1 AND owner = $2 AND target = $3 AND name = $4") },
	[STMT_DURATION_ADD] = { "duration_add",
				"INSERT INTO duration (lane, owner, target, name, n, log_mean, log_var, mean, deviation,"
				" used) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING" },
	[STMT_DURATION_DROP] = { "duration_drop",
				 "DELETE FROM duration WHERE used < (SELECT used FROM duration ORDER BY used DESC"
				 " LIMIT 1 OFFSET $1)" },
	[STMT_DURATION_RUNNING] = { "duration_running",
				    "SELECT kind, lane, owner, target, name, started FROM job WHERE worker = $1"
				    " AND state IN (4, 5) LIMIT $2" },
	[STMT_DURATION_AHEAD] = { "duration_ahead", DURATION_AHEAD("", "INDEXED BY job_waiting"),
				  DURATION_AHEAD(" AS ahead", "") },
	[STMT_FORECAST_GET] = { "forecast_get", FORECAST_GET },
	[STMT_FORECAST_TAKE] = { "forecast_take", FORECAST_GET,
				 FORECAST_GET " FOR NO KEY UPDATE SKIP LOCKED" },
	[STMT_FORECAST_SET] = { "forecast_set",
				OR_FAIL("UPDATE",
					"forecast SET n = $2, within = $3, log_off = $4 WHERE what = $1") },
	[STMT_FORECAST_ADD] = { "forecast_add",
				"INSERT INTO forecast (what, n, within, log_off) VALUES ($1, $2, $3, $4)"
				" ON CONFLICT DO NOTHING" },

	[STMT_LIST_ALL] = { "list_all", "SELECT " JOB_COLUMNS " FROM job j NOT INDEXED WHERE" LIST_REST,
			    "SELECT " JOB_COLUMNS " FROM job j WHERE" LIST_REST },
	[STMT_LIST_KIND] = { "list_kind", LIST("job_kind", "j.kind <> 1 AND j.kind = $4 AND") },
	[STMT_LIST_CHAIN] = { "list_chain", CHAIN(" INDEXED BY job_chain"), CHAIN("") },
	[STMT_LIST_RARE] = { "list_rare", LIST("job_rare", RARE("j.") " AND j.state = $10 AND") },
	[STMT_LIST_WAITING] = { "list_waiting", LIST("job_waiting", "j.state = 3 AND") },
	[STMT_LIST_SCHEDULED] = { "list_scheduled", LIST("job_scheduled", "j.state = 2 AND") },
	[STMT_LIST_LEASED] = { "list_leased", LIST("job_leased", "j.state IN (4, 5) AND") },
	[STMT_LIST_NEEDS] = { "list_needs", EDGES(SQLITE_JOIN, "job", "needs"),
			      EDGES(PG_JOIN, "job", "needs") },
	[STMT_LIST_DEPENDANTS] = { "list_dependants", EDGES(SQLITE_JOIN, "needs", "job"),
				   EDGES(PG_JOIN, "needs", "job") },

	[STMT_ATTEMPT_ADD] = { "attempt_add",
			       OR_FAIL("INSERT",
				       "INTO attempt (job, n, worker, session_n, started, finished, outcome, reason,"
				       " exit_code, signal, wall_ms, cpu_user_us, cpu_sys_us, memory_peak, log_bytes,"
				       " is_log_truncated, is_log_inline, step, detail)"
				       " VALUES ($1, $2, $3, $4, $5, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, NULL, NULL)") },
	[STMT_ATTEMPT_END] = { "attempt_end",
			       OR_FAIL("UPDATE",
				       "attempt SET finished = $3, outcome = $4, reason = $5, exit_code = $6,"
				       " signal = $7, wall_ms = $8, cpu_user_us = $9, cpu_sys_us = $10, memory_peak = $11,"
				       " log_bytes = $12, is_log_truncated = $13, is_log_inline = $14, step = $15,"
				       " detail = $16 WHERE job = $1 AND n = $2 AND outcome = 0") },
	[STMT_ATTEMPT_COUNT] = { "attempt_count", "SELECT count(*) FROM attempt WHERE job = $1" },
	[STMT_ATTEMPT_LIST] = { "attempt_list",
				"SELECT " ATTEMPT_COLUMNS " FROM attempt WHERE job = $1 ORDER BY n" },
	[STMT_ATTEMPT_GET] = { "attempt_get",
			       "SELECT " ATTEMPT_COLUMNS " FROM attempt WHERE job = $1"
			       " AND (CAST($2 AS BIGINT) = 0 OR n = $2) ORDER BY n DESC LIMIT 1" },
	[STMT_ATTEMPT_SESSION] = { "attempt_session", ATTEMPT_SESSION(SQLITE_JOIN),
				   ATTEMPT_SESSION(PG_JOIN) },
	[STMT_ATTEMPT_OUTCOME] = { "attempt_outcome",
				   "SELECT outcome FROM attempt WHERE job = $1 AND n = $2" },
	[STMT_ATTEMPT_LOG_ADD] = { "attempt_log_add",
				   "INSERT INTO attempt_log (job, n, bytes) VALUES ($1, $2, $3)" },
	[STMT_ATTEMPT_LOG_GET] = { "attempt_log_get",
				   "SELECT a.is_log_inline, l.bytes FROM attempt a LEFT JOIN attempt_log l"
				   " ON l.job = a.job AND l.n = a.n WHERE a.job = $1 AND a.n = $2" },
	[STMT_ARTIFACT_ADD] = { "artifact_add", "INSERT INTO artifact (job, attempt, name, sha256, size)"
						" VALUES ($1, $2, $3, $4, $5)" },
	[STMT_ARTIFACT_COUNT] = { "artifact_count",
				  "SELECT count(*) FROM artifact WHERE job = $1 AND attempt = $2" },
	[STMT_ARTIFACT_LIST] = { "artifact_list", "SELECT job, attempt, name, sha256, size FROM artifact"
						  " WHERE job = $1 AND attempt = $2 ORDER BY name" },
	[STMT_EVENT_ADD] = { "event_add",
			     OR_FAIL("INSERT",
				     "INTO event (job, n, at, actor, from_state, to_state, reason, detail)"
				     " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)") },
	[STMT_EVENT_LIST] = { "event_list", "SELECT n, job, at, actor, from_state, to_state, reason, detail"
					    " FROM event WHERE job = $1 ORDER BY n DESC LIMIT $2" },
	[STMT_EVENT_NOTED] = { "event_noted", EVENT_NOTED(" INDEXED BY event_noted"), EVENT_NOTED("") },
	[STMT_AUDIT_ADD] = { "audit_add",
			     "INSERT INTO audit (at, actor, subject, detail) VALUES ($1, $2, $3, $4)" },
	[STMT_AUDIT_LIST] = { "audit_list",
			      "SELECT id, at, actor, subject, detail FROM audit WHERE id < $2"
			      " AND (CAST($1 AS TEXT) IS NULL OR subject = $1) ORDER BY id DESC LIMIT $3" },
	[STMT_BLOB_IS_USED] = { "blob_is_used",
				"SELECT EXISTS (SELECT 1 FROM artifact WHERE sha256 = $1)"
				" OR EXISTS (SELECT 1 FROM input WHERE sha256 = $1)"
				" OR EXISTS (SELECT 1 FROM target WHERE image = $1 AND state <> 'removed')" },

	[STMT_WORKER_FIND] = { "worker_find", "SELECT id FROM worker WHERE name = $1" },
	[STMT_WORKER_NAME] = { "worker_name", "SELECT name FROM worker WHERE id = $1" },
	[STMT_WORKER_ADD] = { "worker_add",
			      "INSERT INTO worker (name, machine, boot_id, session, session_n, version, arch,"
			      " isolations, tags, slots, state, failures, beat_at, is_online, server)"
			      " VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, 1, 0, $10, 1, $11)" WORKER_AGAIN
			      " RETURNING id" },
	[STMT_WORKER_UPDATE] = { "worker_update",
				 "UPDATE worker SET machine = $2, boot_id = $3, session_n = session_n +"
				 " CASE WHEN session <> $4 THEN 1 ELSE 0 END, session = $4, version = $5, arch = $6, isolations = $7, tags = $8,"
				 " slots = $9, beat_at = $10, is_online = 1, server = $11 WHERE id = $1" },
	[STMT_WORKER_BY_NAME] = { "worker_by_name", WORKERS("WHERE worker.name = $1") },
	[STMT_WORKER_SESSION] = { "worker_session", "SELECT session_n FROM worker WHERE id = $1" },
	[STMT_WORKER_BEAT] = { "worker_beat",
			       "UPDATE worker SET beat_at = $2, is_online = 1, server = $3 WHERE id = $1" },
	[STMT_WORKER_SET_STATUS] = { "worker_set_status", "UPDATE worker SET status = $2 WHERE id = $1" },
	[STMT_WORKER_SET_ONLINE] = { "worker_set_online", "UPDATE worker SET is_online = $2 WHERE id = $1" },
	[STMT_WORKER_ALL_OFFLINE] = { "worker_all_offline",
				      "UPDATE worker SET is_online = 0 WHERE is_online = 1 AND server = $1",
				      /* Others are with other servers. */
				      "UPDATE worker SET is_online = 0 WHERE is_online = 1 AND (server = $1 OR NOT"
				      " EXISTS (SELECT 1 FROM server s WHERE s.id = worker.server AND s." PG_IS_ALIVE
				      "))" },
	[STMT_WORKER_SET_STATE] = { "worker_set_state", "UPDATE worker SET state = $2 WHERE id = $1" },
	[STMT_WORKER_BLAME] = { "worker_blame", WORKER_BLAME, WORKER_BLAME " FOR NO KEY UPDATE" },
	[STMT_WORKER_BLAMED] = { "worker_blamed",
				 "UPDATE worker SET failures = $2, troubles = $3, died = $4, died_session = $5 WHERE id = $1" },
	[STMT_WORKER_QUARANTINE] = { "worker_quarantine",
				     "UPDATE worker SET quarantine = $2, quarantined = $3, suspect_of = $4"
				     " WHERE id = $1 AND quarantine = ''" },
	[STMT_WORKER_CLEAR] = { "worker_clear",
				"UPDATE worker SET failures = 0, troubles = '', quarantine = '', quarantined = 0,"
				" suspect_of = 0 WHERE id = $1" },
	[STMT_WORKER_WORKED] = { "worker_worked",
				 "UPDATE worker SET failures = 0, troubles = '' WHERE id = $1 AND failures > 0" },
	/* Whom a job broke; and those it brought into quarantine. */
	[STMT_WORKERS_BROKEN] = { "workers_broken",
				  "SELECT w.id, w.name, w.suspect_of FROM worker w WHERE w.id IN (SELECT a.worker FROM attempt a"
				  " WHERE a.job = $1 AND a.outcome = 5) ORDER BY w.id" },
	[STMT_ATTEMPT_SESSION_N] = { "attempt_session_n",
				     "SELECT session_n FROM attempt WHERE job = $1 AND n = $2" },
	[STMT_ATTEMPTS_GIVEN_BACK] = { "attempts_given_back",
				       "SELECT count(*) FROM attempt WHERE job = $1 AND n >= $2 AND n < $3 AND outcome = 4" },
	[STMT_WORKER_SERVER_GONE] = { "worker_server_gone", "SELECT 0",
				      "SELECT count(*) FROM worker w WHERE w.id = $1 AND w.server <> $2 AND NOT EXISTS"
				      " (SELECT 1 FROM server s WHERE s.id = w.server AND s." PG_IS_ALIVE
				      ")" },
	/* Not those of an older session: nobody renews them. */
	[STMT_LEASES_RENEW_ALL] = { "leases_renew_all",
				    "UPDATE job INDEXED BY job_leased SET lease_until = $1 WHERE state IN (4, 5) AND lease_until < $1" IS_OF_SESSION,
				    "UPDATE job SET lease_until = $1 WHERE state IN (4, 5) AND lease_until < $1" IS_OF_SESSION },
	[STMT_JOB_NAME] = { "job_name", "SELECT name FROM job WHERE id = $1" },
	[STMT_WORKER_COUNT] = { "worker_count", "SELECT count(*) FROM worker" },
	[STMT_WORKER_LIST] = { "worker_list", WORKERS("ORDER BY worker.name") },

	[STMT_WORKER_SET_REACH] = { "worker_set_reach",
				    "UPDATE worker SET zones = $2, demands = $3 WHERE id = $1 AND (zones <> $2 OR demands <> $3)" },

	[STMT_TOKEN_ADD] = { "token_add",
			     "INSERT INTO token (role, name, hash, next_hash, zones, maker, created, expires, used, revoked,"
			     " born, changes) VALUES ($1, $2, $3, '', $4, $5, $6, $7, 0, 0, 0, 0) RETURNING id" },
	[STMT_TOKEN_COUNT] = { "token_count", "SELECT count(*) FROM token" },
	[STMT_TOKEN_LIST] = { "token_list",
			      "SELECT " TOKEN_COLUMNS " FROM token WHERE CAST($2 AS BIGINT) = 0"
			      " OR (revoked = 0 AND (expires = 0 OR expires > $1)) ORDER BY id DESC" },
	[STMT_TOKEN_GET] = { "token_get", "SELECT " TOKEN_COLUMNS " FROM token WHERE id = $1",
			     /* Who reads it will change it. */
			     "SELECT " TOKEN_COLUMNS " FROM token WHERE id = $1 FOR NO KEY UPDATE" },
	[STMT_TOKEN_REVOKE] = { "token_revoke", "UPDATE token SET revoked = $2, changes = changes + 1"
						" WHERE id = $1" },
	[STMT_TOKEN_VERSION] = { "token_version", "SELECT " TOKENS_VERSION " FROM token" },
	[STMT_TOKEN_USED] = { "token_used", "UPDATE token SET used = $2 WHERE id = $1" },
	[STMT_TOKEN_JOINED] = { "token_joined", "UPDATE token SET born = $2, used = $3, changes = changes + 1"
						" WHERE id = $1 AND born = 0" },
	[STMT_TOKEN_SET_NEXT] = { "token_set_next", "UPDATE token SET next_hash = $2, changes = changes + 1"
						    " WHERE id = $1" },
	[STMT_TOKEN_PROMOTE] = { "token_promote",
				 "UPDATE token SET hash = next_hash, next_hash = '', changes = changes + 1"
				 " WHERE id = $1 AND next_hash = $2" },

	[STMT_TARGET_ADD] = { "target_add",
			      "INSERT INTO target (name, suite, arch, image, image_bytes, state, updated, job)"
			      " VALUES ($1, $2, $3, '', 0, 'making', $4, $5) ON CONFLICT (name) DO UPDATE SET"
			      " suite = $2, arch = $3, image = '', image_bytes = 0, state = 'making', updated = $4,"
			      " job = $5 WHERE target.state = 'removed'" },
	[STMT_TARGET_GET] = { "target_get", "SELECT " TARGET_COLUMNS " FROM target WHERE name = $1"
					    " AND state <> 'removed'" },
	[STMT_TARGET_COUNT] = { "target_count", "SELECT count(*) FROM target" },
	[STMT_TARGET_LIST] = { "target_list", "SELECT " TARGET_COLUMNS
					      " FROM target WHERE state <> 'removed' ORDER BY name" },
	[STMT_TARGET_MAKING] = { "target_making",
				 "UPDATE target SET state = CASE image WHEN '' THEN 'making' ELSE state END, job = $2,"
				 " updated = $3 WHERE name = $1 AND state <> 'removed'" },
	[STMT_TARGET_MADE] = { "target_made",
			       "UPDATE target SET state = 'ready', image = $3, image_bytes = $4, updated = $5"
			       " WHERE name = $1 AND job = $2 AND state <> 'removed'" },
	[STMT_TARGET_FAILED] = { "target_failed",
				 "UPDATE target SET state = CASE image WHEN '' THEN 'failed' ELSE 'ready' END,"
				 " updated = $2 WHERE job = $1 AND state <> 'removed'" },
	[STMT_TARGET_REMOVE] = { "target_remove", "UPDATE target SET state = 'removed', updated = $2"
						  " WHERE name = $1 AND state <> 'removed'" },
	[STMT_TARGET_IS_USED] = { "target_is_used", IS_USED(" INDEXED BY job_rare"), IS_USED("") },

	CHECK_RULES(CHECK_ROW)
		[STMT_CHECK_REPLAY] = { "check_replay",
					"SELECT v.job, v.n, v.from_state, v.to_state, j.state, j.events, j.attempt FROM event v"
					" JOIN job j ON j.id = v.job ORDER BY v.job, v.n" },
	[STMT_CHECK_ARTIFACT_BLOBS] = { "check_artifact_blobs",
					"SELECT min(job), sha256, min(size), max(size) FROM artifact GROUP BY sha256" },
	[STMT_CHECK_IMAGES] = { "check_images", "SELECT job, image, image_bytes, image_bytes FROM target"
						" WHERE image <> '' AND state <> 'removed'" },
	[STMT_CHECK_INPUTS] = { "check_inputs", "SELECT i.job, i.sha256, -1, -1 FROM input i JOIN job j"
						" ON j.id = i.job WHERE j.state < 8" },
	[STMT_CHECK_LOGS] = { "check_logs", "SELECT job, n, log_bytes FROM attempt WHERE outcome <> 0"
					    " AND log_bytes > 0 AND is_log_inline = 0" },
	[STMT_CHECK_INTEGRITY] = { "check_integrity",
				   "SELECT integrity_check FROM pragma_integrity_check(100)",
				   /* The server's own business. */
				   "SELECT 'ok'" },
	[STMT_CHECK_FOREIGN_KEYS] = { "check_foreign_keys",
				      "SELECT \"table\" || ' row ' || coalesce(rowid, '?') || ' names a ' ||"
				      " parent || ' that is not there' FROM pragma_foreign_key_check",
				      CHECK_REFERENCES },

	[STMT_WRITER_ADD] = { "writer_add", "SELECT 0",
			      "INSERT INTO writer (n, at) VALUES (0, $1) RETURNING id" },
	[STMT_WRITER_MARK] = { "writer_mark", "SELECT 0", "UPDATE writer SET n = $2, at = $3 WHERE id = $1" },
	[STMT_WRITER_MARKED] = { "writer_marked", "SELECT 0",
				 "SELECT n FROM writer WHERE id = $1 FOR NO KEY UPDATE" },
	[STMT_WRITER_FORGET] = { "writer_forget", "SELECT 0", "DELETE FROM writer WHERE at < $1" },
	[STMT_SERVER_LOCK] = { "server_lock", "SELECT 0",
			       "SELECT CAST(pg_advisory_xact_lock(1397508432, 2) AS text)" },
	[STMT_SERVER_NAMED] = { "server_named", "SELECT 0",
				"SELECT count(*) FROM server WHERE name = $1 AND folder <> $2" },
	[STMT_SERVER_ADD] = { "server_add", "SELECT 0",
			      "INSERT INTO server (folder, name, version, started, beat_at) VALUES ($1, $2, $3, " PG_NOW
			      ", " PG_NOW
			      ") ON CONFLICT (folder) DO UPDATE SET version = $3, started = " PG_NOW
			      ", beat_at = " PG_NOW " RETURNING id, name" },
	[STMT_SERVER_END] = { "server_end", "SELECT 0", "UPDATE server SET beat_at = 0 WHERE id = $1" },
	[STMT_SERVER_FORGET] = { "server_forget", "SELECT 0",
				 "DELETE FROM server WHERE started < $1 AND beat_at < $1" },
	[STMT_SERVER_COUNT] = { "server_count", "SELECT 0", "SELECT count(*) FROM server" },
	[STMT_SERVER_LIST] = { "server_list", "SELECT 0",
			       "SELECT id, name, version, started, beat_at, " PG_IS_ALIVE
			       " FROM server ORDER BY name" },
	[STMT_SERVER_SILENT] = { "server_silent", "SELECT 0",
				 "UPDATE worker SET is_online = 0 WHERE name = $1 AND session = $2 AND server = $3" },
	[STMT_EAR_SAY] = { "ear_say", "SELECT 0", "SELECT CAST(pg_notify('slipway', $1) AS text)" },
	/* For each lane one step into its index, in the index's order: no other plan is as cheap for what may be large. */
	[STMT_EAR_LOOK] = { "ear_look", "SELECT 0",
			    "WITH beat AS (UPDATE slipway.server SET beat_at = " PG_NOW
			    " WHERE id = $1 AND beat_at < " PG_NOW " - 4500)"
			    " SELECT 1, l.id, CAST(0 AS BIGINT) FROM slipway.lane l CROSS JOIN LATERAL"
			    " (SELECT 1 FROM slipway.job j WHERE j.state = 3 AND j.lane = l.id AND j.is_gated = 0"
			    " ORDER BY j.owner NULLS FIRST, j.priority DESC, j.id LIMIT 1) AS first"
			    " UNION ALL SELECT 2, id, attempt FROM slipway.job"
			    " WHERE CAST($2 AS BIGINT) = 1 AND state IN (4, 5) AND is_cancel_asked = 1"
			    " UNION ALL SELECT 3, run_at, 0 FROM (SELECT run_at FROM slipway.job WHERE state = 2"
			    " ORDER BY run_at LIMIT 1) AS due"
			    " UNION ALL SELECT 4, count(*), 0 FROM slipway.server WHERE id <> $1 AND " PG_IS_ALIVE
			    " UNION ALL SELECT 5, " TOKENS_VERSION ", 0 FROM slipway.token" },
	[STMT_EAR_JOBS] = { "ear_jobs", "SELECT 0",
			    "SELECT id, state, events, attempt, lane, is_cancel_asked FROM slipway.job WHERE id ="
			    " ANY (CAST(string_to_array(CAST($1 AS TEXT), ',') AS BIGINT[]))" },
	[STMT_GC_LOCK] = { "gc_lock", "SELECT 0", "SELECT pg_try_advisory_xact_lock(1397508432, 3)" },
	/* Others' are shown to members of pg_read_all_stats only. */
	[STMT_VACUUM_HELD] = { "vacuum_held", "SELECT 0",
			       "SELECT pid, CAST(usename AS TEXT), application_name, state,"
			       " CAST(extract(epoch FROM clock_timestamp() - xact_start) * 1000 AS BIGINT)"
			       " FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
			       " AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"
			       " AND xact_start < clock_timestamp() - CAST($1 AS BIGINT) * INTERVAL '1 millisecond'"
			       " ORDER BY xact_start LIMIT 1" },
	[STMT_META_GET] = { "meta_get", "SELECT 0", "SELECT value FROM meta WHERE name = $1" },
	[STMT_META_ADD] = { "meta_add", "SELECT 0", "INSERT INTO meta (name, value) VALUES ($1, $2)" },
};

/* The rules of store_check() that are one query each. A row is RULE(NAME, before, after, sql): the query
 * gives the number of each row that breaks the rule, and "before" number "after" says so to a person. */
#ifndef SLIPWAY_STORE_CHECK_PRIV_H
#define SLIPWAY_STORE_CHECK_PRIV_H

#define CHECK_RULES(RULE)                                                                              \
	RULE(LEASE, "job ", " is leased but has no open attempt of that worker",                       \
	     "SELECT id FROM job j WHERE state IN (4, 5) AND NOT EXISTS (SELECT 1 FROM attempt a"      \
	     " WHERE a.job = j.id"                                                                     \
	     " AND a.n = j.attempt AND a.outcome = 0 AND a.worker = j.worker)")                        \
	RULE(OPEN_ATTEMPT, "job ", " has an open attempt that holds no lease",                         \
	     "SELECT a.job FROM attempt a JOIN job j ON j.id = a.job WHERE a.outcome = 0"              \
	     " AND (j.state NOT IN (4, 5) OR a.n <> j.attempt)")                                       \
	RULE(ATTEMPT_NUMBERS, "job ", "'s attempts are not numbered 1 to its newest",                  \
	     "SELECT id FROM job j WHERE attempt <> (SELECT count(*) FROM attempt a WHERE a.job ="     \
	     " j.id)"                                                                                  \
	     " OR attempt <> (SELECT coalesce(max(n), 0) FROM attempt a WHERE a.job = j.id)")          \
	RULE(SUCCESSES, "job ", " succeeded more than once",                                           \
	     "SELECT job FROM attempt WHERE outcome = 1 GROUP BY job HAVING count(*) > 1")             \
	RULE(SUCCESS, "job ", "'s success and that of its attempts do not agree",                      \
	     "SELECT id FROM job WHERE (state = 8) <> EXISTS (SELECT 1 FROM attempt a WHERE a.job"     \
	     " = job.id"                                                                               \
	     " AND a.outcome = 1)")                                                                    \
	RULE(NEEDS_LEFT, "job ", " miscounts the needs that have not succeeded",                       \
	     "SELECT id FROM job j WHERE needs_left <> (SELECT count(*) FROM need n JOIN"              \
	     " job k"                                                                                  \
	     " ON k.id = n.needs WHERE n.job = j.id AND k.state <> 8)")                                \
	RULE(BLOCKED, "job ", " is blocked by nothing",                                                \
	     "SELECT id FROM job WHERE state = 1 AND needs_left = 0")                                  \
	RULE(BLOCKED_FOR_EVER, "job ", " is blocked by a job that failed",                             \
	     "SELECT DISTINCT n.job FROM job j JOIN need n ON n.job = j.id JOIN job k"                 \
	     " ON k.id = n.needs"                                                                      \
	     " WHERE j.state = 1 AND k.state IN (9, 10)")                                              \
	RULE(TOO_EARLY, "job ", " may start or has started before its needs succeeded",                \
	     "SELECT id FROM job WHERE state IN (2, 3, 4, 5, 6, 8) AND needs_left > 0")                \
	RULE(IS_NEEDED, "job ", " is needed but not marked so",                                        \
	     "SELECT DISTINCT n.needs FROM need n JOIN job k ON k.id = n.needs WHERE"                  \
	     " k.is_needed = 0")                                                                       \
	RULE(EVENTS, "job ", " has no events",                                                         \
	     "SELECT id FROM job j WHERE NOT EXISTS (SELECT 1 FROM event v WHERE v.job = j.id)")       \
	RULE(EVENT_ORPHAN, "job ", " does not exist but has events, or an actor of them does not",     \
	     "SELECT DISTINCT v.job FROM event v LEFT JOIN job j ON j.id = v.job LEFT JOIN string"     \
	     " s ON s.id = v.actor"                                                                    \
	     " WHERE j.id IS NULL OR s.id IS NULL")                                                    \
	RULE(ARTIFACTS, "job ", " miscounts the artifacts of its newest attempt",                      \
	     "SELECT id FROM job j WHERE artifacts <> (SELECT count(*) FROM artifact f WHERE"          \
	     " f.job = j.id"                                                                           \
	     " AND f.attempt = j.attempt)")                                                            \
	RULE(ARTIFACT_EARLY, "job ", " has artifacts of an attempt that has not ended",                \
	     "SELECT DISTINCT f.job FROM artifact f JOIN attempt a ON a.job = f.job AND a.n"           \
	     " = f.attempt"                                                                            \
	     " WHERE a.outcome = 0")                                                                   \
	RULE(TALLY, "tally ", " (kind * 100 + state) does not agree with the jobs",                    \
	     "SELECT kind * 100 + state FROM (SELECT kind, state, n FROM tally UNION ALL"              \
	     " SELECT kind, state, -count(*) FROM job GROUP BY kind, state) AS t GROUP BY kind, state" \
	     " HAVING sum(n) <> 0")                                                                    \
	RULE(LOG_INLINE, "job ", "'s log in the database is not what its attempt says",                \
	     "SELECT a.job FROM attempt a LEFT JOIN attempt_log l ON l.job = a.job AND l.n = a.n"      \
	     " WHERE (a.is_log_inline = 1) <> (l.job IS NOT NULL) OR length(l.bytes) <> a.log_bytes")  \
	RULE(PAYLOAD, "job ", " does not have exactly one payload",                                    \
	     "SELECT id FROM job j WHERE (payload IS NULL) <> EXISTS (SELECT 1 FROM payload p"         \
	     " WHERE p.job = j.id)")                                                                   \
	RULE(BUILD, "job ", " is no build but has a build's detail",                                   \
	     "SELECT b.job FROM build b JOIN job j ON j.id = b.job WHERE j.kind <> 2")                 \
	RULE(RECIPE, "job ", " is no recipe but has a recipe's text",                                  \
	     "SELECT r.job FROM recipe r JOIN job j ON j.id = r.job WHERE j.kind <> 3")                \
	RULE(LANE, "job ", " is in a lane of another kind",                                            \
	     "SELECT j.id FROM job j JOIN lane l ON l.id = j.lane WHERE l.kind <> j.kind")             \
	RULE(QUARANTINE, "worker number ",                                                             \
	     " is in quarantine without a reason or a time, or under a suspicion without it",          \
	     "SELECT id FROM worker WHERE (quarantine = '') <> (quarantined = 0)"                      \
	     " OR (suspect_of <> 0 AND quarantine = '')")                                              \
	RULE(KEY_RUNNING, "limit key number ", " miscounts its running jobs",                          \
	     "SELECT k.id FROM limit_key k LEFT JOIN (SELECT limit_key, count(*) AS n FROM job"        \
	     " WHERE state IN (4, 5) AND limit_key IS NOT NULL GROUP BY limit_key) AS r"               \
	     " ON r.limit_key = k.id WHERE k.running <> coalesce(r.n, 0)")                             \
	RULE(GATED, "job ", " is gated but does not wait for a key",                                   \
	     "SELECT id FROM job WHERE is_gated = 1 AND (state <> 3 OR limit_key IS NULL)")            \
	RULE(GATES, "job ", " is gated though its key has room for it, or is not though it has none",  \
	     "SELECT id FROM (SELECT j.id, j.is_gated, k.n - k.running AS room, row_number() OVER"     \
	     " (PARTITION BY j.limit_key, j.lane ORDER BY j.priority DESC, j.id) AS place FROM job j"  \
	     " JOIN limit_key k ON k.id = j.limit_key WHERE j.limit_key IS NOT NULL AND j.state = 3)"  \
	     " AS w WHERE is_gated <> CASE WHEN place > room THEN 1 ELSE 0 END")                       \
	RULE(TARGET, "target number ", " is ready without an image",                                   \
	     "SELECT id FROM target WHERE state = 'ready' AND image = ''")                             \
	RULE(TOKEN_BORN, "token ", " became a worker's credential that is not there",                  \
	     "SELECT t.id FROM token t LEFT JOIN token b ON b.id = t.born AND b.role = 4 WHERE t.born <> 0 AND b.id IS NULL")

#endif

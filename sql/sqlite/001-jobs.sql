-- The first schema. Numbers of kinds, states, reasons and outcomes are those of src/model; a test compares them.
-- Times are wall milliseconds, 0 = not yet. Which state may follow which is a trigger made by the program from the
-- table in src/model/state.c each time it opens the file.

-- Speed: a statement that may have to be undone half-way (RAISE(ABORT), a foreign key checked at once, OR ABORT) makes
-- SQLite keep a journal of its own for it. So the statements that run for each job say OR FAIL, the triggers RAISE(FAIL),
-- and their tables' foreign keys are checked at the commit; what fails is undone with its task.

-- Strings that repeat: owners, actors, names of targets.
CREATE TABLE string (
	id INTEGER PRIMARY KEY,
	text TEXT NOT NULL UNIQUE CHECK (text <> '')
) STRICT;

CREATE TABLE lane (
	id INTEGER PRIMARY KEY,
	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
	isolation INTEGER NOT NULL CHECK (isolation BETWEEN 0 AND 2),
	arch TEXT NOT NULL,
	tags TEXT NOT NULL,
	UNIQUE (kind, isolation, arch, tags)
) STRICT;

CREATE TABLE worker (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE CHECK (name <> ''),
	machine TEXT NOT NULL,
	boot_id TEXT NOT NULL,
	session TEXT NOT NULL,
	session_n INTEGER NOT NULL, -- how many sessions there were: what attempts remember
	version TEXT NOT NULL,
	arch TEXT NOT NULL,
	isolations INTEGER NOT NULL,
	tags TEXT NOT NULL,
	slots INTEGER NOT NULL CHECK (slots >= 0),
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 3),
	failures INTEGER NOT NULL DEFAULT 0,
	beat_at INTEGER NOT NULL,
	is_online INTEGER NOT NULL CHECK (is_online IN (0, 1)),
	server INTEGER NOT NULL -- the one it came to last; 0: there is one only
) STRICT;

-- The whole life of a job. What changes comes first, what is long comes last. events counts its events and numbers
-- the next one; is_needed says that the table need names it, so that most jobs end without looking there.
CREATE TABLE job (
	id INTEGER PRIMARY KEY,
	kind INTEGER NOT NULL CHECK (kind BETWEEN 1 AND 5),
	state INTEGER NOT NULL CHECK (state BETWEEN 1 AND 10),
	reason INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 17),
	lane INTEGER NOT NULL REFERENCES lane DEFERRABLE INITIALLY DEFERRED,
	worker INTEGER REFERENCES worker DEFERRABLE INITIALLY DEFERRED,
	attempt INTEGER NOT NULL CHECK (attempt >= 0),
	max_attempts INTEGER NOT NULL CHECK (max_attempts BETWEEN 1 AND 1000),
	failures INTEGER NOT NULL,
	losses INTEGER NOT NULL,
	retry_delay INTEGER NOT NULL,
	run_at INTEGER NOT NULL,
	started INTEGER NOT NULL,
	finished INTEGER NOT NULL CHECK ((finished <> 0) = (state >= 8)),
	lease_until INTEGER NOT NULL CHECK ((lease_until <> 0) = (state IN (4, 5))),
	is_cancel_asked INTEGER NOT NULL CHECK (is_cancel_asked IN (0, 1)),
	needs_left INTEGER NOT NULL CHECK (needs_left >= 0),
	is_needed INTEGER NOT NULL CHECK (is_needed IN (0, 1)),
	events INTEGER NOT NULL,
	exit_code INTEGER NOT NULL,
	signal INTEGER NOT NULL,
	artifacts INTEGER NOT NULL,
	priority INTEGER NOT NULL CHECK (priority BETWEEN -1000 AND 1000),
	owner INTEGER REFERENCES string DEFERRABLE INITIALLY DEFERRED,
	target INTEGER REFERENCES string DEFERRABLE INITIALLY DEFERRED,
	chain INTEGER NOT NULL,
	created INTEGER NOT NULL,
	timeout INTEGER NOT NULL,
	silence INTEGER NOT NULL,
	name TEXT NOT NULL,
	dedupe TEXT CHECK (dedupe <> ''),
	progress TEXT,
	payload TEXT, -- NULL: in the table payload
	result TEXT
) STRICT;

-- Live work is found by these; rows of jobs that succeeded are in none of the first five. A condition of three or
-- more alternatives is written with OR: for an IN, SQLite makes a table of its own each time a row is written. Each index ends
-- in the row's number without being told; the state is in some so that they answer without a look at the row.
CREATE INDEX job_waiting ON job (lane, state, priority DESC) WHERE state = 3;
CREATE INDEX job_scheduled ON job (state, run_at) WHERE state = 2;
CREATE INDEX job_leased ON job (worker, lease_until, state) WHERE state IN (4, 5);
CREATE UNIQUE INDEX job_dedupe ON job (dedupe) WHERE dedupe IS NOT NULL AND state < 8;
CREATE INDEX job_rare ON job (state) WHERE state = 1 OR state = 6 OR state = 7 OR state = 9 OR state = 10;
CREATE INDEX job_chain ON job (chain) WHERE chain <> id;
CREATE INDEX job_kind ON job (kind) WHERE kind <> 1;

CREATE TABLE payload (
	job INTEGER PRIMARY KEY REFERENCES job DEFERRABLE INITIALLY DEFERRED,
	body TEXT NOT NULL
) STRICT;

CREATE TABLE build (
	job INTEGER PRIMARY KEY REFERENCES job,
	type TEXT NOT NULL,
	source TEXT NOT NULL,
	version TEXT NOT NULL
) STRICT;

CREATE TABLE recipe (
	job INTEGER PRIMARY KEY REFERENCES job,
	text TEXT NOT NULL
) STRICT;

CREATE TABLE need (
	job INTEGER NOT NULL REFERENCES job DEFERRABLE INITIALLY DEFERRED,
	needs INTEGER NOT NULL REFERENCES job DEFERRABLE INITIALLY DEFERRED CHECK (needs <> job),
	PRIMARY KEY (job, needs)
) STRICT, WITHOUT ROWID;
CREATE INDEX need_back ON need (needs, job);

-- Blobs that a job's payload names, so that they are not collected as garbage.
CREATE TABLE input (
	job INTEGER NOT NULL REFERENCES job DEFERRABLE INITIALLY DEFERRED,
	sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
	PRIMARY KEY (job, sha256)
) STRICT, WITHOUT ROWID;
CREATE INDEX input_blob ON input (sha256);

CREATE TABLE attempt (
	job INTEGER NOT NULL REFERENCES job DEFERRABLE INITIALLY DEFERRED,
	n INTEGER NOT NULL CHECK (n >= 1),
	worker INTEGER NOT NULL REFERENCES worker DEFERRABLE INITIALLY DEFERRED,
	session_n INTEGER NOT NULL,
	started INTEGER NOT NULL,
	finished INTEGER NOT NULL CHECK ((finished <> 0) = (outcome <> 0)),
	outcome INTEGER NOT NULL CHECK (outcome BETWEEN 0 AND 6),
	reason INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 17),
	exit_code INTEGER NOT NULL,
	signal INTEGER NOT NULL,
	wall_ms INTEGER NOT NULL,
	cpu_user_us INTEGER NOT NULL,
	cpu_sys_us INTEGER NOT NULL,
	memory_peak INTEGER NOT NULL,
	log_bytes INTEGER NOT NULL,
	is_log_truncated INTEGER NOT NULL,
	is_log_inline INTEGER NOT NULL, -- then attempt_log has it
	step TEXT,
	detail TEXT,
	PRIMARY KEY (job, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt_log (
	job INTEGER NOT NULL,
	n INTEGER NOT NULL,
	bytes BLOB NOT NULL,
	PRIMARY KEY (job, n),
	FOREIGN KEY (job, n) REFERENCES attempt
) STRICT, WITHOUT ROWID;

CREATE TABLE artifact (
	job INTEGER NOT NULL,
	attempt INTEGER NOT NULL,
	name TEXT NOT NULL CHECK (name <> ''),
	sha256 TEXT NOT NULL CHECK (length(sha256) = 64),
	size INTEGER NOT NULL CHECK (size >= 0),
	PRIMARY KEY (job, attempt, name),
	FOREIGN KEY (job, attempt) REFERENCES attempt
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_blob ON artifact (sha256);

-- Every change of state, and notes (from = to). n is 1, 2 … for each job. Written for each step of each job, hence
-- without foreign keys; `admin check` looks for what they would refuse.
CREATE TABLE event (
	job INTEGER NOT NULL,
	n INTEGER NOT NULL,
	at INTEGER NOT NULL,
	actor INTEGER NOT NULL,
	from_state INTEGER NOT NULL CHECK (from_state BETWEEN 0 AND 10),
	to_state INTEGER NOT NULL CHECK (to_state BETWEEN 1 AND 10),
	reason INTEGER NOT NULL CHECK (reason BETWEEN 0 AND 17),
	detail TEXT,
	PRIMARY KEY (job, n)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER event_no_update BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'events are only added'); END;
CREATE TRIGGER event_no_delete BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'events are only added'); END;

CREATE TABLE target (
	id INTEGER PRIMARY KEY,
	name TEXT NOT NULL UNIQUE CHECK (name <> ''),
	suite TEXT NOT NULL,
	arch TEXT NOT NULL,
	image TEXT NOT NULL CHECK (image = '' OR length(image) = 64),
	image_bytes INTEGER NOT NULL,
	state TEXT NOT NULL CHECK (state IN ('making', 'ready', 'failed', 'removed')),
	updated INTEGER NOT NULL,
	job INTEGER NOT NULL
) STRICT;

-- How many jobs there are of a kind in a state: kept by each transaction, so that nobody has to count.
CREATE TABLE tally (
	kind INTEGER NOT NULL,
	state INTEGER NOT NULL,
	n INTEGER NOT NULL CHECK (n >= 0),
	PRIMARY KEY (kind, state)
) STRICT, WITHOUT ROWID;
PRAGMA application_id = 1397508432;
PRAGMA user_version = 1;

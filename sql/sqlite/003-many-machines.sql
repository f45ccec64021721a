-- Workers on many machines: who may do what, who is to blame, who gets what.

-- Privileged changes that are not a job's: of workers, tokens, owners. subject is "worker:NAME", "token:7", …
CREATE TABLE audit (
	id INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	actor TEXT NOT NULL CHECK (actor <> ''),
	subject TEXT NOT NULL CHECK (subject <> ''),
	detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject, id);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are only added'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'audit rows are only added'); END;

-- Blame. `failures` of a worker counts what failed there and was not a job's own doing since a job last succeeded there, and
-- `troubles` names the newest of it; a death with several jobs is one failure: when, and of which session. quarantine: why it
-- gets no work, '' = it is not in quarantine; suspect_of: the job that brought it there on suspicion only, 0 = none.
ALTER TABLE worker ADD COLUMN quarantine TEXT NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;
ALTER TABLE worker ADD COLUMN suspect_of INTEGER NOT NULL DEFAULT 0;
ALTER TABLE worker ADD COLUMN troubles TEXT NOT NULL DEFAULT '';
ALTER TABLE worker ADD COLUMN died INTEGER NOT NULL DEFAULT 0;
ALTER TABLE worker ADD COLUMN died_session INTEGER NOT NULL DEFAULT 0;

-- The trust zones a worker is in, as its credential says, joined by commas; '' is the default one.
ALTER TABLE worker ADD COLUMN zones TEXT NOT NULL DEFAULT '';

-- Credentials. Of a secret only its SHA-256 is kept; next_hash is that of one that replaces it when it is first used, '' if
-- there is none. role is as in src/model/role.h; born is what a join token became. changes counts those of the row, so
-- that other servers see by a sum that there were any.
CREATE TABLE token (
	id INTEGER PRIMARY KEY,
	role INTEGER NOT NULL CHECK (role BETWEEN 1 AND 5),
	name TEXT NOT NULL CHECK (name <> '' OR role = 5),
	hash TEXT NOT NULL UNIQUE CHECK (length(hash) = 64),
	next_hash TEXT NOT NULL CHECK (next_hash = '' OR length(next_hash) = 64),
	zones TEXT NOT NULL,
	maker TEXT NOT NULL,
	created INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	used INTEGER NOT NULL,
	revoked INTEGER NOT NULL,
	born INTEGER NOT NULL CHECK (born = 0 OR role = 5),
	changes INTEGER NOT NULL
) STRICT;

-- What a worker says of its machine: load, cache, room on the disk. A text of the server's own, '' = it has said nothing.
ALTER TABLE worker ADD COLUMN status TEXT NOT NULL DEFAULT '';

-- Tags it demands: it takes no job that does not ask for all of them.
ALTER TABLE worker ADD COLUMN demands TEXT NOT NULL DEFAULT '';

-- Who gets what. An owner's row is there once an administrator has set something for him: id is that of his name.
CREATE TABLE owner (
	id INTEGER PRIMARY KEY REFERENCES string,
	weight INTEGER NOT NULL CHECK (weight BETWEEN 1 AND 1000),
	running_max INTEGER NOT NULL CHECK (running_max >= 0), -- 0: no bound
	zone TEXT NOT NULL
) STRICT;

-- Of the jobs of a key at most n run at a time. running counts them, so that nobody has to look for them.
CREATE TABLE limit_key (
	id INTEGER PRIMARY KEY,
	owner INTEGER NOT NULL, -- 0: none
	name TEXT NOT NULL CHECK (name <> ''),
	n INTEGER NOT NULL CHECK (n >= 1),
	running INTEGER NOT NULL CHECK (running >= 0),
	UNIQUE (owner, name)
) STRICT;

-- is_gated: it waits, and its key has no room for it. In each lane the best n - running of a key are not gated and all others
-- are, so that dispatch never meets those that may not run, however many they are.
ALTER TABLE job ADD COLUMN limit_key INTEGER REFERENCES limit_key DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE job ADD COLUMN is_gated INTEGER NOT NULL DEFAULT 0 CHECK (is_gated IN (0, 1));

-- Within a lane by owner, so that dispatch steps from owner to owner over what each of them has waiting.
DROP INDEX job_waiting;
CREATE INDEX job_waiting ON job (lane, state, is_gated, owner, priority DESC) WHERE state = 3;
DROP INDEX job_leased;
CREATE INDEX job_leased ON job (worker, lease_until, state, owner) WHERE state IN (4, 5);
CREATE INDEX job_key ON job (limit_key, state, lane, is_gated, priority DESC) WHERE limit_key IS NOT NULL AND state = 3;

-- What is worth telling later of all jobs together: not that one was born, began and succeeded. So most rows are not in it.
CREATE INDEX event_noted ON event (at, job, n) WHERE reason <> 0 OR detail IS NOT NULL;

PRAGMA user_version = 3;

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

PRAGMA user_version = 3;

-- Estimates, as sql/sqlite/004-estimates.sql has them, where they are explained. The rows are few and written often.

CREATE TABLE duration (
	lane BIGINT NOT NULL,
	owner BIGINT NOT NULL,
	target BIGINT NOT NULL,
	name TEXT COLLATE "C" NOT NULL,
	n BIGINT NOT NULL CHECK (n >= 1),
	log_mean BIGINT NOT NULL,
	log_var BIGINT NOT NULL CHECK (log_var >= 0),
	mean BIGINT NOT NULL CHECK (mean >= 0),
	deviation BIGINT NOT NULL CHECK (deviation >= 0),
	used BIGINT NOT NULL,
	PRIMARY KEY (lane, owner, target, name)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
	autovacuum_vacuum_cost_delay = 0);

CREATE TABLE forecast (
	what BIGINT PRIMARY KEY CHECK (what BETWEEN 1 AND 2),
	n BIGINT NOT NULL CHECK (n >= 1),
	within BIGINT NOT NULL CHECK (within BETWEEN 0 AND 1000000),
	log_off BIGINT NOT NULL CHECK (log_off >= 0)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500,
	autovacuum_vacuum_cost_delay = 0);

UPDATE meta SET value = '4' WHERE name = 'version';

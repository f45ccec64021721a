-- Estimates: how long runs take, by what is alike; and how good what was said came out.

-- Runs that succeeded, of a lane, an owner, a target (0: none) and a name (src/model/duration.h); and of the whole lane: 0, 0, ''.
-- Of the logarithm of milliseconds mean and variance are in millionths; mean and deviation are milliseconds. used: when it last
-- got a run; of too many rows those that were not used for longest go.
CREATE TABLE duration (
	lane INTEGER NOT NULL,
	owner INTEGER NOT NULL,
	target INTEGER NOT NULL,
	name TEXT NOT NULL,
	n INTEGER NOT NULL CHECK (n >= 1),
	log_mean INTEGER NOT NULL,
	log_var INTEGER NOT NULL CHECK (log_var >= 0),
	mean INTEGER NOT NULL CHECK (mean >= 0),
	deviation INTEGER NOT NULL CHECK (deviation >= 0),
	used INTEGER NOT NULL,
	PRIMARY KEY (lane, owner, target, name)
) STRICT, WITHOUT ROWID;

-- what: 1 starts, 2 runs. How many were compared, which part came within its range, and the mean of |ln(came / likely)|, in millionths.
CREATE TABLE forecast (
	what INTEGER PRIMARY KEY CHECK (what BETWEEN 1 AND 2),
	n INTEGER NOT NULL CHECK (n >= 1),
	within INTEGER NOT NULL CHECK (within BETWEEN 0 AND 1000000),
	log_off INTEGER NOT NULL CHECK (log_off >= 0)
) STRICT;

PRAGMA user_version = 4;

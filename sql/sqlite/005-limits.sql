-- More limits lie in the payload: no table changes.
PRAGMA user_version = 5;

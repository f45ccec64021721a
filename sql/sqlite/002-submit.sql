-- Submitting in SQL is PostgreSQL's: here one process opens the file. The numbers of the two databases' files stay equal.
PRAGMA user_version = 2;

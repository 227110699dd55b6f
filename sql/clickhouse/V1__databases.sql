-- landing: every event as received, one table per kind.  marts: what is computed from landing.
-- ref: reference data (instruments).  ops: the platform's own books (intents, gaps, audits, quarantine).
CREATE DATABASE IF NOT EXISTS landing;
CREATE DATABASE IF NOT EXISTS marts;
CREATE DATABASE IF NOT EXISTS ref;
CREATE DATABASE IF NOT EXISTS ops;

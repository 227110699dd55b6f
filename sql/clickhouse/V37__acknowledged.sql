-- When the warehouse had confirmed an insert: from then on its rows answer queries. `written_at` of a `done` row is later,
-- because such rows wait for one another.
ALTER TABLE ops.intents ADD COLUMN IF NOT EXISTS
    acknowledged_at Nullable(DateTime64(9, 'UTC')) COMMENT 'done rows: when the insert was confirmed, by the loader''s clock';

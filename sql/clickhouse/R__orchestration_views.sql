-- What is known now about instruments, over all of their history: for as-of joins by event time
-- (ASOF JOIN … ON venue, instrument AND event_ts >= valid_from; then event_ts < valid_to).
CREATE OR REPLACE VIEW ref.instrument_validity AS
SELECT * EXCEPT (version, known_to)
FROM ref.instrument_history FINAL
WHERE known_to > now64(9, 'UTC');

-- Instruments at one moment of the venue's time as we knew them at another:
-- SELECT … FROM ref.instrument_as_of(valid_at = '2021-07-01 00:00:00', known_at = '2021-08-01 00:00:00').
CREATE OR REPLACE VIEW ref.instrument_as_of AS
SELECT * EXCEPT (version)
FROM ref.instrument_history FINAL
WHERE valid_from <= {valid_at:DateTime64(9, 'UTC')} AND {valid_at:DateTime64(9, 'UTC')} < valid_to
  AND known_from <= {known_at:DateTime64(9, 'UTC')} AND {known_at:DateTime64(9, 'UTC')} < known_to;

-- How each job, asset and check ended last.
CREATE OR REPLACE VIEW ops.pipeline_latest AS
SELECT part, name, partition, outcome, cause, run_id, started_at, ended_at, trigger
FROM ops.pipeline_runs FINAL
ORDER BY ended_at DESC
LIMIT 1 BY part, name;

-- What happened to the platform's services: written by the supervisor, shown by
-- `kt status --history`.
CREATE TABLE platform_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at timestamptz NOT NULL,
    -- One run of the supervisor, from `kt up` to its end.
    run         text        NOT NULL,
    service     text        NOT NULL,
    kind        text        NOT NULL
        CHECK (kind IN ('started', 'healthy', 'unhealthy', 'exited', 'stopped', 'finished')),
    cause       text        NOT NULL,
    pid         integer,
    restarts    integer     NOT NULL CHECK (restarts >= 0)
);

CREATE INDEX platform_event_happened_at ON platform_event (happened_at);

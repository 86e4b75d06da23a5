-- Replays: what was asked for, and how far each one came. Written through shared.replay alone.

CREATE TABLE bus.replay (
    -- the number that its advisory lock (28771, number) has while it runs
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL UNIQUE,
    -- what is asked for: source, selection, stretch, target, rate
    plan jsonb NOT NULL,
    by text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    state text NOT NULL CHECK (state IN ('running', 'paused', 'failed', 'done')),
    -- the log's offset, or the file's line, to go on with
    next bigint NOT NULL,
    read bigint NOT NULL DEFAULT 0,
    sent bigint NOT NULL DEFAULT 0,
    -- a file that is written surely ends here, in bytes
    size bigint NOT NULL DEFAULT 0,
    problem text
);

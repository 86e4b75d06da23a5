-- What operators asked for: who, when, from where, and what came of it. Written through shared.audit, in the transaction
-- of the command that it tells of.

CREATE SCHEMA audit;

CREATE TABLE audit.command (
    id text PRIMARY KEY, -- of the command's envelope: delivered twice, it is one command
    type text NOT NULL,
    subject text NOT NULL,
    at timestamptz NOT NULL, -- when it was given
    by text NOT NULL,
    program text,
    os_user text,
    host text,
    service text NOT NULL, -- that answered
    outcome text NOT NULL CHECK (outcome IN ('accepted', 'refused', 'tried')),
    code text, -- of the refusal
    message text,
    asked jsonb NOT NULL, -- the command's data
    result jsonb,
    changes jsonb NOT NULL DEFAULT '[]', -- events that tell what changed: id, type, subject
    objects text[] NOT NULL DEFAULT '{}' -- what it concerns, in the words people search by
);
CREATE INDEX command_by_time ON audit.command (at);
CREATE INDEX command_by_object ON audit.command USING gin (objects);

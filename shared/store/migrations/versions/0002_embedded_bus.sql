-- The embedded bus: queues and log kept in this database. Written through shared.bus.embedded alone.

-- The one row that every publisher locks: it puts publishers in a line, so that offsets become visible in their
-- order and a reader of the log never has to look back for one that came late.
CREATE TABLE bus.position (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    next bigint NOT NULL,
    time timestamptz NOT NULL,
    -- grows with each change of queues and bindings; publishers keep both in memory and look here
    topology bigint NOT NULL,
    logged_bytes bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO bus.position (next, time, topology, logged_bytes) VALUES (1, now(), 1, 0);

-- A process on the bus. It lives as long as its session holds the advisory lock (28770, id).
CREATE TABLE bus.member (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    since timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE bus.queue (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    kind text NOT NULL CHECK (kind IN ('quorum', 'stream')),
    ordered boolean NOT NULL DEFAULT false,
    delivery_limit integer,
    dead_letter text,
    max_age_hours integer,
    max_bytes bigint,
    -- a temporary queue goes with the process that made it
    owner integer REFERENCES bus.member (id)
);

CREATE TABLE bus.binding (
    queue_id integer NOT NULL REFERENCES bus.queue (id) ON DELETE CASCADE,
    exchange text NOT NULL,
    pattern text NOT NULL,
    PRIMARY KEY (queue_id, exchange, pattern)
);

CREATE TABLE bus.consumer (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id integer NOT NULL REFERENCES bus.member (id) ON DELETE CASCADE,
    queue_id integer NOT NULL REFERENCES bus.queue (id) ON DELETE CASCADE
);

-- Each message once, however many queues it is in; the log is those that are `logged`, by id.
CREATE TABLE bus.message (
    id bigint PRIMARY KEY,
    time timestamptz NOT NULL,
    logged boolean NOT NULL,
    body bytea NOT NULL,
    routing_key text NOT NULL,
    message_id text NOT NULL,
    type text NOT NULL,
    subject text NOT NULL,
    content_type text NOT NULL,
    correlation_id text,
    reply_to text,
    headers jsonb NOT NULL
);
CREATE INDEX message_by_time ON bus.message (time) WHERE logged;
CREATE INDEX message_unlogged ON bus.message (id) WHERE NOT logged;

-- A message in a queue. No foreign keys: they would cost more than the insert itself, and queue and message
-- are only ever removed after their deliveries.
CREATE TABLE bus.delivery (
    queue_id integer NOT NULL,
    seq bigint NOT NULL,
    -- id of the message
    entry bigint NOT NULL,
    returned integer NOT NULL DEFAULT 0,
    -- the consumer that has it; null while it waits
    holder integer,
    dead_reason text,
    dead_detail text,
    dead_queue text,
    dead_since timestamptz,
    PRIMARY KEY (queue_id, seq)
);

-- Rows live for milliseconds: the free room lets a row be taken without touching the index, and dead rows go soon.
ALTER TABLE bus.delivery SET (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_analyze_scale_factor = 0.2,
    autovacuum_analyze_threshold = 20000
);

-- The outbox: events of a transaction, written in it, published after it by the relay.

CREATE SCHEMA bus;

CREATE TABLE bus.outbox (
    id bigserial PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- true: routing_key is a queue's name (a reply), not a topic
    to_queue boolean NOT NULL DEFAULT false,
    body bytea NOT NULL,
    routing_key text NOT NULL,
    message_id text NOT NULL,
    type text NOT NULL DEFAULT '',
    subject text NOT NULL DEFAULT '',
    content_type text NOT NULL DEFAULT 'application/octet-stream',
    correlation_id text,
    reply_to text,
    headers jsonb NOT NULL DEFAULT '{}'
);

-- Rows live for milliseconds: without this a busy outbox is mostly dead rows that every read must step over.
ALTER TABLE bus.outbox SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 10000,
    autovacuum_vacuum_insert_threshold = -1
);

"""PostgreSQL: the one store.

Comes in: a database URL, SQL from the rooms that own a schema, outgoing messages of a transaction.
Goes out: an asyncpg pool that speaks our error tree, a migrated schema, outbox rows published on the bus.
Owns: the schema's history (`migrations/`), the outbox table, the embedded PostgreSQL's life.
"""

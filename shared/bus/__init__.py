"""The message bus: a port, and its adapters RabbitMQ and embedded (in PostgreSQL).

In: messages (bytes with routing). Out: confirmed publishes, ordered batches, replies, the replay log.
Owns: delivery semantics. It knows nothing of what the bytes mean; that is `shared.events`.
"""

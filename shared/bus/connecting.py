"""Which bus? RabbitMQ where an address is given, else the embedded one in the database."""

from __future__ import annotations

from shared.bus.port import Bus


async def connect_bus(*, amqp_url: str | None, database_url: str, name: str) -> Bus:
    """Connect. `name` tells brokers and databases who we are. Raises `BusLost`, `PermanentError`."""
    if amqp_url is not None:
        from shared.bus import rabbitmq  # noqa: PLC0415  who runs embedded need not load a broker's client

        return await rabbitmq.connect(amqp_url, name=name)
    from shared.bus import embedded  # noqa: PLC0415

    return await embedded.connect(database_url, name=name)

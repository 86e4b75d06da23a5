"""Logging: one entry per handled event, to standard error; for people on a terminal, else as JSON lines."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from io import TextIOBase
from typing import Any, TextIO, cast

import structlog
from stamina.instrumentation import RetryDetails, set_on_retry_hooks
from structlog.typing import Processor

from shared.runtime.redaction import redact
from shared.runtime.settings import LogSettings

CHATTY = ("aio_pika", "aiormq", "aiohttp.access", "asyncio", "alembic", "stamina")
"""Libraries whose news below a warning are for their own developers."""

log = structlog.get_logger(__name__)


def configure_logging(settings: LogSettings, *, service: str, stream: TextIO | None = None) -> None:
    """Send our log and that of all libraries to `stream` (standard error), every entry with `service`.

    Secrets are hidden by name and in URLs, tracebacks carry no local variables (G9).
    """
    stream = stream if stream is not None else cast(TextIO, _StandardError())
    readable = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(
            colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        if readable
        else structlog.processors.JSONRenderer(default=str)
    )
    chain: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service_name(service),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_entry,
    ]
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
        # A module's logger must hear of a later configuration; an entry per handled batch costs nothing.
        cache_logger_on_first_use=False,
    )
    _route_libraries(chain, renderer, level, stream)
    set_on_retry_hooks([_log_retry])


class _StandardError(TextIOBase):
    """Standard error as it is at each write: whoever redirects it after us gets the log, too."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def _log_retry(details: RetryDetails) -> None:
    # A server that starts along with us is no news; one that stays away is.
    write = log.info if details.waited_so_far < 5 else log.warning
    write("waiting", reason=str(details.caused_by), seconds=round(details.wait_for, 1))


def _route_libraries(chain: list[Processor], renderer: Processor, level: int, stream: TextIO) -> None:
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *chain],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)


def _service_name(service: str) -> Processor:
    def add(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        entry.setdefault("service", service)
        return entry

    return add


def _redact_entry(_logger: Any, _method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in entry.items():
        if not name.startswith("_"):
            entry[name] = redact(name, value)
    return entry

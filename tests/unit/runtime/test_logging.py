"""G9 in the log: what is written never holds a secret, whoever writes it."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog
from pydantic import SecretStr

from shared.runtime.logging import configure_logging
from shared.runtime.settings import LogSettings


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()


def entries(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_entry_is_one_line_of_json_with_the_service(stream: io.StringIO) -> None:
    configure_logging(LogSettings(), service="allocator", stream=stream)
    structlog.get_logger().info("nic_created", port="p1", addresses=["192.0.2.1"])
    (entry,) = entries(stream)
    assert entry["event"] == "nic_created"
    assert entry["service"] == "allocator"
    assert entry["level"] == "info"
    assert entry["addresses"] == ["192.0.2.1"]
    assert str(entry["timestamp"]).endswith("Z")


@pytest.mark.parametrize("form", ["json", "console"])
def test_g9_no_secret_is_written(stream: io.StringIO, form: str) -> None:
    configure_logging(LogSettings.model_validate({"format": form}), service="x", stream=stream)
    log = structlog.get_logger()

    secret = "ge" + "heim"  # a traceback quotes the source

    def login(password: str) -> None:
        raise RuntimeError(f"login at amqp://u:{password}@h/ failed")

    try:
        login(secret)
    except RuntimeError:
        log.exception("failed", url=f"postgresql://u:{secret}@h/d", db_password=secret, key=SecretStr(secret))
    logging.getLogger("driver").error("can't reach %s", f"amqp://u:{secret}@h/")
    assert secret not in stream.getvalue()
    assert "login at amqp://" in stream.getvalue()
    assert "can't reach amqp://" in stream.getvalue()


def test_libraries_are_heard_from_a_warning_on(stream: io.StringIO) -> None:
    configure_logging(LogSettings(), service="x", stream=stream)
    logging.getLogger("aio_pika").info("chatter")
    logging.getLogger("aio_pika").warning("news")
    assert [entry["event"] for entry in entries(stream)] == ["news"]
    assert entries(stream)[0]["logger"] == "aio_pika"


def test_the_level_holds(stream: io.StringIO) -> None:
    configure_logging(LogSettings(level="warning"), service="x", stream=stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [entry["event"] for entry in entries(stream)] == ["loud"]


def test_who_redirects_standard_error_later_gets_the_log(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = io.StringIO(), stream
    monkeypatch.setattr(sys, "stderr", first)
    configure_logging(LogSettings(format="json"), service="allocator")
    log = structlog.get_logger("redirected")
    log.info("one")
    first.close()
    monkeypatch.setattr(sys, "stderr", second)
    log.info("two")
    assert [entry["event"] for entry in entries(second)] == ["two"]

"""Which brokers are taken."""

from __future__ import annotations

import pytest

from shared.bus.rabbitmq_versions import check_version
from shared.runtime.errors import PermanentError


@pytest.mark.parametrize("version", ["3.10.0", b"3.10.8", "3.13.7", "4.0.1-rc.1", "10.1.0", "", None])
def test_these_are_taken(version: object) -> None:
    check_version(version)


@pytest.mark.parametrize("version", ["3.9.29", b"3.8.0", "2.99.1"])
def test_these_are_refused_by_name(version: object) -> None:
    with pytest.raises(PermanentError, match=r"RabbitMQ [23]") as caught:
        check_version(version)
    assert caught.value.code == "broker_version"

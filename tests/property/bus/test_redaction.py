"""G9: no secret of an address gets into a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.bus.redaction import without_secrets

SECRET = st.text(st.characters(categories=("L", "N", "P"), exclude_characters="\\"), min_size=8)


@given(SECRET, st.sampled_from(["amqp", "amqps", "postgresql", "postgresql+asyncpg"]))
def test_g9_userinfo_is_gone(secret: str, scheme: str) -> None:
    shown = without_secrets(f"can't reach {scheme}://someone:{secret}@broker.example:5672/vhost now")
    assert shown == f"can't reach {scheme}://broker.example:5672/vhost now"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "postgresql:///db?host=/tmp/x&password=hidden&port=1",
            "postgresql:///db?host=/tmp/x&password=…&port=1",
        ),
        ("amqp://broker/vhost", "amqp://broker/vhost"),
        ("no address at all", "no address at all"),
        ("", ""),
    ],
)
def test_g9_what_is_no_secret_stays(text: str, shown: str) -> None:
    assert without_secrets(text) == shown

"""Names that were mistyped, and secrets wherever they hide."""

from __future__ import annotations

import json

from hypothesis import assume, given
from hypothesis import strategies as st

from shared.runtime.redaction import HIDDEN, redact
from shared.runtime.setting_sources import merged, nearest, variables
from shared.runtime.settings import CoreSettings

KNOWN = sorted(variables(CoreSettings))
secret = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=20)
names = st.sampled_from(
    ["password", "db_password", "token", "access_token", "client_secret", "api_key", "Cookie"]
)
keys = st.sampled_from(["a", "b", "c"])
trees = st.recursive(st.integers(), lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8)
mappings = st.dictionaries(keys, trees, max_size=3)


@given(st.sampled_from(KNOWN), st.data())
def test_a_name_with_one_letter_gone_is_recognised(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(min_value=len("PATCHBAY_"), max_value=len(name) - 1))
    assert nearest(name[:at] + name[at + 1 :], KNOWN) == name


@given(st.text(alphabet="QXZJ", min_size=20, max_size=40))
def test_a_name_that_is_like_nothing_is_not_guessed(name: str) -> None:
    assert nearest(name, KNOWN) is None


@given(secret, names, st.integers(min_value=0, max_value=5), st.booleans())
def test_g9_a_secret_is_hidden_by_its_name_however_deep(
    value: str, name: str, depth: int, in_list: bool
) -> None:
    entry: object = {name: value}
    for _ in range(depth):
        entry = {"inner": [entry] if in_list else entry}
    shown = json.dumps(redact("entry", entry), ensure_ascii=False, default=str)
    assert value not in shown
    if depth < 2:
        assert HIDDEN in shown


@given(secret, st.sampled_from(["postgresql", "amqp", "amqps", "https"]), st.text(max_size=20))
def test_g9_a_password_in_a_url_is_hidden_in_any_text(value: str, scheme: str, before: str) -> None:
    assume(value not in before)
    text = f"{before} {scheme}://user:{value}@host:5432/path refused"
    for shown in (redact("event", text), redact("error", RuntimeError(text)), redact("all", [text])):
        assert value not in str(shown)
        assert "host:5432/path" in str(shown)


@given(mappings, mappings)
def test_the_upper_of_two_trees_wins_and_nothing_else_is_lost(
    below: dict[str, object], above: dict[str, object]
) -> None:
    result = merged(below, above)
    assert set(result) == set(below) | set(above)
    assert merged(result, above) == result
    assert merged(below, {}) == below
    assert merged({}, above) == above

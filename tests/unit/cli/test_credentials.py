"""G9: the command line keeps references to secrets, and typed secrets where only their owner reads them."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from services.cli.credentials import (
    environment_reference,
    file_reference,
    forget_password,
    keep_password,
)
from services.cli.outcome import Misused


def test_g9_a_typed_password_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    reference = keep_password(tmp_path / "secrets", "lab/../x", "s3cret")
    path = Path(reference.removeprefix("file:"))
    assert path.parent == tmp_path / "secrets"
    assert path.read_text() == "s3cret\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_second_password_replaces_the_first(tmp_path: Path) -> None:
    first = keep_password(tmp_path, "lab", "one")
    assert keep_password(tmp_path, "lab", "two") == first
    assert Path(first.removeprefix("file:")).read_text() == "two\n"


def test_only_our_own_files_are_forgotten(tmp_path: Path) -> None:
    mine = keep_password(tmp_path / "secrets", "lab", "one")
    theirs = tmp_path / "theirs"
    theirs.write_text("x")
    assert forget_password(tmp_path / "secrets", mine)
    assert not Path(mine.removeprefix("file:")).exists()
    assert not forget_password(tmp_path / "secrets", f"file:{theirs}")
    assert theirs.exists()
    assert not forget_password(tmp_path / "secrets", "env:LAB")


def test_g9_a_password_given_as_a_variable_name_is_not_repeated() -> None:
    with pytest.raises(Misused) as caught:
        environment_reference("hunter2!")
    assert "hunter2" not in str(caught.value)
    assert environment_reference("LAB_PASSWORD") == "env:LAB_PASSWORD"


def test_a_password_file_must_say_something(tmp_path: Path) -> None:
    with pytest.raises(Misused, match="cannot read"):
        file_reference(tmp_path / "absent")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Misused, match="empty"):
        file_reference(tmp_path / "empty")
    (tmp_path / "good").write_text("x\n")
    assert file_reference(tmp_path / "good") == f"file:{tmp_path / 'good'}"

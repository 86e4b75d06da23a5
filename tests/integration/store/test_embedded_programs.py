"""PostgreSQL's programs for root: run under an account that may be unable to enter the environment."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from shared.runtime.errors import PermanentError
from shared.store import embedded_programs
from shared.store.embedded_programs import account_for, programs_for, run
from tests.servers.processes import private_folder

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else; run as root"),
]


UNUSED = shutil.ignore_patterns("pginstall", "include", "*.a")


@pytest.fixture
def closed_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The wheel as installed in a folder that only root may enter."""
    spec = importlib.util.find_spec(embedded_programs.WHEEL)
    assert spec is not None
    assert spec.origin is not None
    installed = Path(spec.origin).parent
    folder = private_folder("closed", programs=True)
    for tree in (installed, installed.with_name(f"{installed.name}.libs")):
        shutil.copytree(
            tree, folder / tree.name, ignore=shutil.ignore_patterns("pginstall", "include", "*.a")
        )
    moved = ModuleSpec(embedded_programs.WHEEL, None, origin=str(folder / installed.name / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: moved)
    yield folder
    shutil.rmtree(folder)


def test_they_are_copied_once_to_where_the_account_can_run_them(
    closed_environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_folder = private_folder("open", programs=True)
    open_folder.chmod(0o755)
    monkeypatch.setattr(embedded_programs, "COPIES", open_folder / "programs")
    account = account_for(open_folder / "none-yet")
    assert account.switches
    programs = programs_for(account)
    assert programs.is_relative_to(open_folder)
    for program in ("postgres", "initdb"):
        version = run([programs / program, "--version"], account=account, cwd=Path("/"))
        assert "18" in version.stdout, version.stderr
    copied_at = programs.stat().st_mtime_ns
    assert programs_for(account) == programs
    assert programs.stat().st_mtime_ns == copied_at
    assert not closed_environment.stat().st_mode & 0o077, "nobody was let into a closed folder"


@pytest.mark.usefixtures("closed_environment")
def test_where_nothing_can_be_run_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_programs, "COPIES", private_folder("shut", programs=True) / "programs")
    with pytest.raises(PermanentError, match="can't be run") as caught:
        programs_for(account_for(Path("/none-yet")))
    assert caught.value.hint is not None
    assert "PATCHBAY_DATABASE_URL" in caught.value.hint

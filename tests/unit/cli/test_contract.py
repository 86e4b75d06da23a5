"""`patchbay contract`: documents are written, checked, and never over a promise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.cli.main import app
from shared.events.registry import REGISTRY, TYPES


def _run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["contract", *map(str, words)], catch_exceptions=False)


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all documents, to be copied."""
    folder = tmp_path_factory.mktemp("documents")
    assert _run("export", folder).exit_code == 0
    return folder


@pytest.fixture
def folder(documents: Path, tmp_path: Path) -> Path:
    """A folder with all documents."""
    return Path(shutil.copytree(documents, tmp_path, dirs_exist_ok=True))


def test_all_documents_are_written(folder: Path) -> None:
    assert {path.stem for path in folder.glob("events/*.md")} == TYPES
    assert {path.stem for path in folder.glob("schemas/*.v*.json")} == {f"{n}.v{v}" for n, v in REGISTRY}
    assert (folder / "asyncapi.yaml").exists()
    assert (folder / "events.md").exists()


def test_a_second_export_writes_nothing(folder: Path) -> None:
    assert json.loads(_run("export", folder, "--json").stdout) == {"written": [], "removed": []}
    assert _run("check", folder).exit_code == 0


def test_a_page_behind_the_code_is_named(folder: Path) -> None:
    (folder / "events/nic.created.md").write_text("old")
    found = _run("check", folder)
    assert found.exit_code == 1
    assert "events/nic.created.md" in found.stderr
    assert "contract export" in found.stderr


def test_a_break_of_a_published_version_is_refused_until_accepted(folder: Path) -> None:
    path = folder / "schemas/nic.created.v1.json"
    schema = json.loads(path.read_text())
    schema["properties"]["colour"] = {"type": "string"}
    path.write_text(json.dumps(schema))
    (folder / "schemas/nic.painted.v1.json").write_text(path.read_text())
    before = path.read_text()
    for verb in ("export", "check"):
        found = _run(verb, folder)
        assert found.exit_code == 1
        assert "nic.created.v1: colour is gone; readers show it" in found.stderr
        assert "nic.painted.v1: data can't be read any more" in found.stderr
        assert "upcasts.py" in found.stderr
        assert path.read_text() == before
    told = json.loads(_run("check", folder, "--json").stdout)
    assert told["breaks"]["nic.created.v1"] == [{"field": "colour", "what": "is gone; readers show it"}]
    accepted = json.loads(_run("accept", folder, "--json").stdout)
    assert accepted["written"] == ["schemas/nic.created.v1.json"]
    assert accepted["removed"] == ["schemas/nic.painted.v1.json"]
    assert _run("check", folder).exit_code == 0


def test_without_examples_the_documents_are_whole_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    told = _run("export", tmp_path, "--examples", tmp_path / "none")
    assert told.exit_code == 0
    assert "no examples" in told.stderr
    assert "## Example" not in (tmp_path / "events/nic.created.md").read_text()


def test_a_schema_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "schemas/nic.created.v1.json").write_text("{")
    found = _run("check", folder)
    assert found.exit_code == 2
    assert "nic.created.v1.json" in found.stderr

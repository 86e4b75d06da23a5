"""The import rules hold, and a forbidden import is found (else the rules would prove nothing)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FORBIDDEN = [
    ("services/allocator/domain/planted.py", "import asyncpg", "domains are pure"),
    ("services/placement/domain/planted.py", "import services.placement.handlers", "inside the placement"),
    ("services/allocator/planted.py", "import services.collector.domain", "a service never imports another"),
    ("shared/ipam/planted.py", "import services.allocator", "shared never imports services"),
    ("services/collector/planted.py", "import aio_pika", "aio_pika only in the RabbitMQ adapter"),
    ("services/allocator/planted.py", "import pyVmomi", "pyVmomi only in"),
    ("shared/runtime/planted.py", "import asyncpg", "asyncpg only in"),
]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        [str(command), "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    for name in ("services", "shared"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_import_rules_hold() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("path", "statement", "contract"), FORBIDDEN, ids=[f[2] for f in FORBIDDEN])
def test_a_planted_import_breaks_its_rule(copied: Path, path: str, statement: str, contract: str) -> None:
    planted = copied / path
    planted.write_text(f'"""Planted."""\n\n{statement}\n')
    try:
        result = lint(copied)
    finally:
        planted.unlink()
    assert result.returncode != 0
    broken = [line for line in result.stdout.splitlines() if "BROKEN" in line]
    assert any(contract in line for line in broken), result.stdout

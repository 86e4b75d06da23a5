"""compose.yaml and Dockerfile: what they name exists, and Compose itself accepts the file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PASSWORDS = {"PATCHBAY_DB_PASSWORD": "one", "PATCHBAY_AMQP_PASSWORD": "two"}
HINT = "docker compose is not installed; as root on Debian: apt-get install docker-compose"


def compose_command() -> list[str]:
    """`docker compose`, or the older `docker-compose`; neither needs an engine to check a file."""
    docker = shutil.which("docker")
    if (
        docker
        and subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0
    ):
        return [docker, "compose"]
    if old := shutil.which("docker-compose"):
        return [old]
    return (pytest.fail if os.environ.get("CI") else pytest.skip)(HINT)


def config(**passwords: str) -> subprocess.CompletedProcess[str]:
    command = [*compose_command(), "--profile", "demo", "--profile", "tools", "config"]
    environment = {"PATH": os.environ["PATH"], "HOME": str(ROOT), **passwords}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_compose_accepts_the_file() -> None:
    result = config(**PASSWORDS)
    assert result.returncode == 0, result.stderr
    services: dict[str, Any] = yaml.safe_load(result.stdout)["services"]
    assert {"postgres", "rabbitmq", "migrate", "collector", "allocator", "placement", "simulator"} <= set(
        services
    )


@pytest.mark.parametrize("missing", PASSWORDS)
def test_a_missing_password_is_named(missing: str) -> None:
    result = config(**{name: value for name, value in PASSWORDS.items() if name != missing})
    assert result.returncode != 0
    assert missing in result.stderr


def test_services_wait_for_the_migration_and_restart() -> None:
    for name in ("collector", "allocator", "placement"):
        service = COMPOSE["services"][name]
        assert service["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert service["restart"] == "unless-stopped"
        assert "/readyz" in service["healthcheck"]["test"][-1]


def test_base_images_are_plain_upstream_tags() -> None:
    images = [service["image"] for service in COMPOSE["services"].values()] + re.findall(
        r"^FROM (\S+)", DOCKERFILE, re.MULTILINE
    )
    assert {image.split(":")[0] for image in images} == {"patchbay", "postgres", "rabbitmq", "python"}


def test_the_image_is_built_from_the_lock_file_and_the_source_tree() -> None:
    sources = {
        word
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert sources == {"requirements.lock", "pyproject.toml", "README.md", "shared", "services"}
    assert all((ROOT / source).exists() for source in sources)
    installs = re.findall(r"pip install ([^&\n]+)", DOCKERFILE)
    assert all(
        "--require-hashes" in install or "--no-deps --no-build-isolation" in install for install in installs
    )

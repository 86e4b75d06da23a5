"""Where settings come from, and what is wrong with the names that people wrote there.

Highest first: the environment, files named by `PATCHBAY_…_FILE`, files in a secrets folder, the file named
by `PATCHBAY_CONFIG_FILE`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from dotenv import dotenv_values
from pydantic import BaseModel
from pydantic_settings import BaseSettings, EnvSettingsSource

from shared.runtime.errors import PermanentError

PREFIX = "PATCHBAY_"
DELIMITER = "__"
CONFIG_FILE = "PATCHBAY_CONFIG_FILE"
SECRETS_DIR = "PATCHBAY_SECRETS_DIR"
DOCKER_SECRETS = Path("/run/secrets")
SECTIONS = ("collector", "allocator", "placement", "simulator", "console")
"""Sections that some service has; the others step over them."""

FREE_PREFIXES = ("PATCHBAY_TEST_", "PATCHBAY_SECRET_")
"""For the tests, and for secrets that are referred to by the name of a variable."""


class SettingsError(PermanentError):
    """Something is wrong with the settings; one line per problem, with its remedy."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(self.problems), code="settings", hint="see all settings with 'patchbay config'"
        )


@dataclass
class Gathered:
    """Values by variable name, where each comes from (`files`: those with a file of their own), and the tree
    that a config file holds."""

    values: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    tree: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, value: str, origin: str) -> None:
        """Take a value; a later call of the same name wins. Empty is as good as unset."""
        if value:
            self.values[name] = value
            self.origins[name] = origin
            self.files.pop(name, None)


class GivenValues(EnvSettingsSource):
    """pydantic-settings' reading of variables, from a mapping that is not the process's environment."""

    def __init__(self, settings: type[BaseSettings], values: Mapping[str, str]) -> None:
        super().__init__(settings)
        self.env_vars = {name.lower(): value for name, value in values.items()}


def gather(settings: type[BaseModel], environment: Mapping[str, str]) -> Gathered:
    """Everything that was set for `settings`, with problems of names, files and contradictions."""
    found = Gathered()
    known = set(variables(settings))
    _config_file(found, settings, known, environment.get(CONFIG_FILE))
    _secrets_folder(found, known, environment.get(SECRETS_DIR))
    ours = {name: value for name, value in environment.items() if name.startswith(PREFIX)}
    for name, value in sorted(ours.items()):
        if name in (CONFIG_FILE, SECRETS_DIR) or name.startswith(FREE_PREFIXES):
            continue
        target = name.removesuffix("_FILE")
        if _fits(name, settings, known):
            continue
        if target != name and _fits(target, settings, known):
            if ours.get(target):
                found.problems.append(f"{target} and {name} are both set; keep one of them")
            elif value:
                _from_file(found, target, Path(value), f"file {value} ({name})")
            continue
        found.problems.append(_unknown(name, known))
    for name, value in ours.items():
        if _fits(name, settings, known):
            found.add(name, value, "environment")
    return found


def variables(settings: type[BaseModel], prefix: str = PREFIX) -> Iterator[str]:
    """Names of all variables of a settings class."""
    for name, info in settings.model_fields.items():
        variable = prefix + name.upper()
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from variables(info.annotation, variable + DELIMITER)
        else:
            yield variable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    found = get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return found[0] if found else None


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both trees, `above` winning where they disagree."""
    result = dict(below)
    for key, value in above.items():
        lower = result.get(key)
        both = isinstance(lower, Mapping) and isinstance(value, Mapping)
        result[key] = merged(lower, value) if both else value  # type: ignore[arg-type]
    return result


def _fits(name: str, settings: type[BaseModel], known: set[str]) -> bool:
    """A variable of ours, an entry of one that is a mapping, or another service's."""
    if name in known or any(name.startswith(variable + DELIMITER) for variable in known):
        return True
    section = name.removeprefix(PREFIX).partition(DELIMITER)[0].lower()
    return section in SECTIONS and section not in settings.model_fields


def _unknown(name: str, known: Iterable[str]) -> str:
    meant = nearest(name, known)
    remedy = f"did you mean {meant}?" if meant else "unset it, or see all names with 'patchbay config'"
    return f"{name} is not a setting; {remedy}"


def _from_file(found: Gathered, name: str, path: Path, origin: str) -> None:
    try:
        found.add(name, path.read_text(encoding="utf-8").strip(), origin)
        if name in found.values:
            found.files[name] = path.absolute()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        found.problems.append(f"{name}: can't read {path}: {reason}; name a file that this user may read")


def _secrets_folder(found: Gathered, known: set[str], given: str | None) -> None:
    folder = Path(given) if given else DOCKER_SECRETS
    if not folder.is_dir():
        if given:
            found.problems.append(f"{SECRETS_DIR}: there is no folder {folder}")
        return
    try:
        files = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        found.problems.append(f"{SECRETS_DIR}: can't read {folder}: {error.strerror}")
        return
    for path in files:
        if path.name.upper() in known:  # what else lies there is somebody else's
            _from_file(found, path.name.upper(), path, f"file {path}")


def _config_file(found: Gathered, settings: type[BaseModel], known: set[str], given: str | None) -> None:
    if not given:
        return
    path = Path(given).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".env" or path.name.startswith(".env"):
            _dotenv(found, settings, known, path)
            return
        tree = tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text file"
        found.problems.append(f"{CONFIG_FILE}: can't read {path}: {reason}")
        return
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        where = getattr(error, "problem_mark", None)
        at = f" in line {where.line + 1}" if where else ""
        found.problems.append(f"{CONFIG_FILE}: {path} is not well formed{at}; write TOML, YAML or NAME=value")
        return
    if not isinstance(tree, dict):
        found.problems.append(
            f"{CONFIG_FILE}: {path} holds no settings; write for example 'log: {{level: debug}}'"
        )
        return
    found.tree = {key: value for key, value in tree.items() if _wanted(key, settings)}
    for names in _leaves(found.tree):
        variable = PREFIX + DELIMITER.join(names).upper()
        if _fits(variable, settings, known):
            found.origins[variable] = f"file {path}"
        else:
            found.problems.append(f"{path}: {_unknown_key(names, known)}")


def _dotenv(found: Gathered, settings: type[BaseModel], known: set[str], path: Path) -> None:
    for name, value in dotenv_values(path).items():
        if _fits(name, settings, known):
            found.add(name, value or "", f"file {path}")
        elif name.startswith(PREFIX) and not name.startswith(FREE_PREFIXES):
            found.problems.append(f"{path}: {_unknown(name, known)}")


def _wanted(key: object, settings: type[BaseModel]) -> bool:
    return key not in SECTIONS or key in settings.model_fields


def _leaves(tree: Mapping[Any, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in tree.items():
        names = (*above, str(key))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, names)
        else:
            yield names


def _unknown_key(names: tuple[str, ...], known: Iterable[str]) -> str:
    dotted = {variable.removeprefix(PREFIX).replace(DELIMITER, ".").lower() for variable in known}
    meant = nearest(".".join(names), dotted)
    return f"{'.'.join(names)} is not a setting" + (f"; did you mean {meant}?" if meant else "")

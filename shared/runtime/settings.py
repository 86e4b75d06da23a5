"""Settings that every process has; each service adds a section of its own.

PATCHBAY_DATABASE_URL=postgresql://…  PATCHBAY_LOG__LEVEL=debug  PATCHBAY_AMQP_URL_FILE=/run/secrets/amqp
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from pydantic_settings.exceptions import SettingsError as UnreadableValue

from shared.runtime.addresses import GROUP_SIZE, with_query
from shared.runtime.redaction import redact
from shared.runtime.secret_files import PASSWORD_FILE
from shared.runtime.setting_sources import (
    DELIMITER,
    PREFIX,
    GivenValues,
    SettingsError,
    gather,
    merged,
    variables,
)

__all__ = [
    "CoreSettings",
    "HttpSettings",
    "LogSettings",
    "Setting",
    "SettingsError",
    "describe",
    "load_settings",
]


def default_data_dir() -> Path:
    """Where a process keeps its data: the machine's place for root, else the user's."""
    if os.geteuid() == 0:
        return Path("/var/lib/patchbay")
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "patchbay"


class LogSettings(BaseModel):
    """What is logged and how it looks. `auto` is `console` on a terminal, else `json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"

    @field_validator("level", "format", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value


class HttpSettings(BaseModel):
    """Where health and metrics are served; without a port nowhere. Port 0 takes a free one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] | None = None


class ServerSettings(BaseModel):
    """How to reach a server whose URL is set: files that are read at every connect."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password_file: Path | None = None
    """Holds the password, or a URL with it. It is read at every connect: change it without a restart."""
    ca_file: Path | None = None
    """PEM with the CAs to trust; without it those of the system."""
    certificate_file: Path | None = None
    """PEM with our own certificate, where the server wants one."""
    key_file: Path | None = None
    """PEM with the key of our certificate, where that file does not hold it."""


class AmqpSettings(ServerSettings):
    """How to reach RabbitMQ, and what to make there."""

    verify: bool = True
    """`false` encrypts without knowing with whom."""
    group_size: Annotated[int, Field(ge=1, le=99)] | None = None
    """Nodes that hold each new queue and the log; without it RabbitMQ decides (3, or all there are)."""


class CoreSettings(BaseSettings):
    """What every process has. Making one directly takes what it is given; `load_settings` looks around."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=DELIMITER,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    database_url: SecretStr | None = None
    """PostgreSQL 15 or newer; without it an embedded one in `data_dir`."""
    amqp_url: SecretStr | None = None
    """RabbitMQ; without it the bus is kept in the database, for one machine."""
    database: ServerSettings = ServerSettings()
    amqp: AmqpSettings = AmqpSettings()
    data_dir: Path = Field(default_factory=default_data_dir)
    """Data of the embedded PostgreSQL, secrets that were typed in."""
    database_connections: Annotated[int, Field(ge=2, le=200)] = 8
    """Connections to the database that one process may hold."""
    database_statement_seconds: Annotated[float, Field(ge=0, le=86400)] = 120.0
    """The server ends a statement that takes longer; 0: never."""
    database_idle_seconds: Annotated[float, Field(ge=0, le=86400)] = 300.0
    """The server ends a transaction, and its locks, in which nothing was said for so long; 0: never."""
    log: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)
    _files: dict[str, Path] = PrivateAttr(default_factory=dict)

    def database_address(self) -> str | None:
        """The URL of the database with all that is set about reaching it; for `shared.store` alone."""
        if self.database_url is None:
            return None
        url, server = self.database_url.get_secret_value(), self.database
        return with_query(
            url,
            {
                PASSWORD_FILE: server.password_file or self._files.get("PATCHBAY_DATABASE_URL"),
                "sslrootcert": server.ca_file,
                "sslcert": server.certificate_file,
                "sslkey": server.key_file,
            },
        )

    def amqp_address(self) -> str | None:
        """The URL of RabbitMQ with all that is set about reaching it; for `shared.bus` alone."""
        if self.amqp_url is None:
            return None
        url, server = self.amqp_url.get_secret_value(), self.amqp
        return with_query(
            url,
            {
                PASSWORD_FILE: server.password_file or self._files.get("PATCHBAY_AMQP_URL"),
                "cafile": server.ca_file,
                "certfile": server.certificate_file,
                "keyfile": server.key_file,
                "no_verify_ssl": None if server.verify else "1",
                GROUP_SIZE: None if server.group_size is None else str(server.group_size),
            },
        )

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, ("postgresql", "postgres", "postgresql+asyncpg"))

    @field_validator("amqp_url")
    @classmethod
    def _is_amqp(cls, url: SecretStr | None) -> SecretStr | None:
        return _with_scheme(url, ("amqp", "amqps"))

    @field_validator("data_dir")
    @classmethod
    def _without_tilde(cls, folder: Path) -> Path:
        return folder.expanduser()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the caller gives: `load_settings` does the looking, so that it can tell where from."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)


class Setting(BaseModel):
    """One setting as it may be shown: `name` of its variable, `value` with secrets hidden, `origin` of it."""

    model_config = ConfigDict(frozen=True)

    name: str
    value: str
    origin: str


Kind = TypeVar("Kind", bound=CoreSettings)


def load_settings(kind: type[Kind], environment: Mapping[str, str] | None = None) -> Kind:
    """Settings from the environment (`os.environ` unless given) and the files it names.

    Raises `SettingsError` with all problems at once: unknown names with what was probably meant, values that
    don't fit, files that can't be read. Values of secrets are in none of them (G9).
    """
    found = gather(kind, os.environ if environment is None else environment)
    if found.problems:
        raise SettingsError(found.problems)
    try:
        settings = kind(**merged(found.tree, GivenValues(kind, found.values)()))
    except ValidationError as error:
        raise SettingsError(
            _problem(kind, found.origins, one["loc"], one["msg"]) for one in error.errors(include_input=False)
        ) from None
    except UnreadableValue as error:
        field = str(error).partition('"')[2].partition('"')[0]
        raise SettingsError([f"{PREFIX}{field.upper()}: not valid JSON; write it as {{…}} or […]"]) from None
    settings._origins.update(found.origins)
    settings._files.update(found.files)
    return settings


def describe(settings: CoreSettings) -> list[Setting]:
    """All settings with their values, secrets hidden, and where each comes from."""
    return [
        Setting(name=name, value=_shown(name, value), origin=_origin(settings, name))
        for name in variables(type(settings))
        for value in [_value(settings, name)]
    ]


def _origin(settings: CoreSettings, name: str) -> str:
    for known, origin in settings._origins.items():
        if known == name or known.startswith(name + DELIMITER) or name.startswith(known + DELIMITER):
            return origin
    return "default"


def _value(settings: BaseModel, name: str) -> Any:
    value: Any = settings
    for part in name.removeprefix(PREFIX).lower().split(DELIMITER):
        value = getattr(value, part)
    return value


def _shown(name: str, value: Any) -> str:
    return "" if value is None else str(redact(name, value))


def _problem(
    kind: type[BaseModel], origins: Mapping[str, str], where: tuple[int | str, ...], message: str
) -> str:
    names = [str(part) for part in where]
    variable = PREFIX + DELIMITER.join(names).upper()
    known = max((name for name in variables(kind) if variable.startswith(name)), key=len, default=variable)
    origin = origins.get(variable) or origins.get(known)
    said = message.removeprefix("Value error, ")
    return f"{known if known in origins else variable}{f' (from {origin})' if origin else ''}: {said}"


def _with_scheme(url: SecretStr | None, schemes: tuple[str, ...]) -> SecretStr | None:
    if url is not None and url.get_secret_value().partition("://")[0] not in schemes:
        raise ValueError(f"should be a URL that starts with {schemes[0]}://")
    return url

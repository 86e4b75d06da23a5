"""Settings: where they come from, what wins, and what people are told when something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from shared.runtime.settings import CoreSettings, SettingsError, describe, load_settings


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int = Field(default=10, ge=1)
    scopes: dict[UUID, str] = Field(default_factory=dict)
    password: SecretStr | None = None


class Settings(CoreSettings):
    allocator: Section = Section()


def complaint(environment: dict[str, str], kind: type[CoreSettings] = Settings) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(kind, environment)
    return str(caught.value)


def test_nothing_set_is_enough() -> None:
    settings = load_settings(Settings, {})
    assert settings.database_url is None
    assert settings.amqp_url is None
    assert settings.http.port is None
    assert settings.allocator.batch == 10


def test_the_environment_is_nested_by_two_underscores() -> None:
    vcenter = uuid4()
    settings = load_settings(
        Settings,
        {
            "PATCHBAY_DATABASE_URL": "postgresql://u:p@h/d",
            "PATCHBAY_LOG__LEVEL": "DEBUG",
            "PATCHBAY_ALLOCATOR__BATCH": "7",
            "PATCHBAY_ALLOCATOR__SCOPES": f'{{"{vcenter}": "dmz"}}',
            "PATCHBAY_DATA_DIR": "~/somewhere",
            "HOME": "/ignored",
        },
    )
    assert settings.database_url == SecretStr("postgresql://u:p@h/d")
    assert settings.log.level == "debug"
    assert settings.allocator.batch == 7
    assert settings.allocator.scopes == {vcenter: "dmz"}
    assert settings.data_dir == Path.home() / "somewhere"


def test_making_settings_directly_does_not_look_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATCHBAY_DATABASE_URL", "postgresql://elsewhere/d")
    assert Settings().database_url is None


def test_settings_do_not_change() -> None:
    settings = load_settings(Settings, {})
    with pytest.raises(ValidationError):
        settings.database_connections = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c.toml", 'amqp_url = "amqp://file/"\n[allocator]\nbatch = 5\n[placement]\nratio = 3\n'),
        ("c.yaml", "amqp_url: amqp://file/\nallocator: {batch: 5}\nplacement: {ratio: 3}\n"),
        (
            ".env",
            "PATCHBAY_AMQP_URL=amqp://file/\nPATCHBAY_ALLOCATOR__BATCH=5\nPATCHBAY_PLACEMENT__RATIO=3\nX=1\n",
        ),
    ],
)
def test_a_config_file_is_read_and_the_environment_wins(tmp_path: Path, name: str, text: str) -> None:
    file = tmp_path / name
    file.write_text(text)
    settings = load_settings(Settings, {"PATCHBAY_CONFIG_FILE": str(file)})
    assert settings.amqp_url == SecretStr("amqp://file/")
    assert settings.allocator.batch == 5
    environment = {"PATCHBAY_CONFIG_FILE": str(file), "PATCHBAY_ALLOCATOR__BATCH": "6"}
    settings = load_settings(Settings, environment)
    assert settings.allocator.batch == 6
    assert settings.amqp_url == SecretStr("amqp://file/")


def test_secrets_come_from_files(tmp_path: Path) -> None:
    one, folder = tmp_path / "one", tmp_path / "secrets"
    one.write_text("postgresql://u:p@h/d\n")
    folder.mkdir()
    (folder / "patchbay_amqp_url").write_text("amqp://u:p@h/\n")
    (folder / "somebody_elses").write_text("x")
    settings = load_settings(
        Settings, {"PATCHBAY_DATABASE_URL_FILE": str(one), "PATCHBAY_SECRETS_DIR": str(folder)}
    )
    assert settings.database_url == SecretStr("postgresql://u:p@h/d")
    assert settings.amqp_url == SecretStr("amqp://u:p@h/")


def test_a_variable_and_its_file_contradict_each_other(tmp_path: Path) -> None:
    said = complaint({"PATCHBAY_AMQP_URL": "amqp://a/", "PATCHBAY_AMQP_URL_FILE": str(tmp_path / "x")})
    assert "PATCHBAY_AMQP_URL and PATCHBAY_AMQP_URL_FILE are both set" in said


def test_an_unknown_name_is_an_error_with_what_was_meant() -> None:
    assert "PATCHBAY_LOG__LEVL is not a setting; did you mean PATCHBAY_LOG__LEVEL?" in complaint(
        {"PATCHBAY_LOG__LEVL": "x"}
    )
    assert "did you mean PATCHBAY_ALLOCATOR__BATCH?" in complaint({"PATCHBAY_ALLOCATOR__BATHC": "1"})
    assert "PATCHBAY_QQQ is not a setting; unset it" in complaint({"PATCHBAY_QQQ": "1"})


def test_an_unknown_key_in_a_file_is_an_error_with_what_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("[log]\nlevle = 'debug'\n")
    said = complaint({"PATCHBAY_CONFIG_FILE": str(file)})
    assert "log.levle is not a setting; did you mean log.level?" in said
    assert str(file) in said


def test_other_services_sections_and_free_names_are_stepped_over() -> None:
    environment = {
        "PATCHBAY_PLACEMENT__CPU_OVERCOMMIT": "2",
        "PATCHBAY_COLLECTOR__ANYTHING": "2",
        "PATCHBAY_TEST_DATABASE_URL": "x",
        "PATCHBAY_SECRET_LAB": "geheim",
        "PATCHBAY_AMQP_URL": "",
    }
    assert load_settings(Settings, environment).amqp_url is None


def test_all_problems_are_told_at_once_and_no_secret_with_them() -> None:
    said = complaint(
        {
            "PATCHBAY_DATABASE_URL": "mysql://u:geheim@h/d",
            "PATCHBAY_HTTP__PORT": "geheim",
            "PATCHBAY_ALLOCATOR__BATCH": "0",
        }
    )
    assert "PATCHBAY_DATABASE_URL (from environment): should be a URL that starts with postgresql://" in said
    assert "PATCHBAY_HTTP__PORT (from environment)" in said
    assert "PATCHBAY_ALLOCATOR__BATCH (from environment): Input should be greater than or equal to 1" in said
    assert "geheim" not in said


def test_a_value_that_should_be_json_and_is_not() -> None:
    assert "PATCHBAY_ALLOCATOR" in complaint({"PATCHBAY_ALLOCATOR__SCOPES": "{geheim"})


@pytest.mark.parametrize("content", ["][", "[a", "- x"])
def test_a_config_file_that_is_none(tmp_path: Path, content: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(content)
    assert str(file) in complaint({"PATCHBAY_CONFIG_FILE": str(file)})
    assert "can't read" in complaint({"PATCHBAY_CONFIG_FILE": str(tmp_path / "none.toml")})


def test_g9_a_description_hides_secrets_and_tells_where_values_come_from(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("database_connections = 4\n")
    settings = load_settings(
        Settings,
        {
            "PATCHBAY_DATABASE_URL": "postgresql://u:geheim@h/d",
            "PATCHBAY_ALLOCATOR__PASSWORD": "geheim",
            "PATCHBAY_CONFIG_FILE": str(file),
        },
    )
    shown = {setting.name: setting for setting in describe(settings)}
    assert "geheim" not in str(shown)
    assert "geheim" not in repr(settings)
    assert shown["PATCHBAY_DATABASE_URL"].origin == "environment"
    assert shown["PATCHBAY_DATABASE_CONNECTIONS"].value == "4"
    assert shown["PATCHBAY_DATABASE_CONNECTIONS"].origin == f"file {file}"
    assert shown["PATCHBAY_LOG__LEVEL"].origin == "default"
    copied = settings.model_copy(update={"data_dir": tmp_path})
    assert {setting.name: setting.origin for setting in describe(copied)}[
        "PATCHBAY_DATABASE_URL"
    ] == "environment"


@pytest.mark.parametrize(
    ("user", "environment", "expected"),
    [
        (0, {}, Path("/var/lib/patchbay")),
        (1000, {"XDG_STATE_HOME": "/state"}, Path("/state/patchbay")),
        (1000, {}, Path("/home/op/.local/state/patchbay")),
    ],
)
def test_where_data_are_kept(
    monkeypatch: pytest.MonkeyPatch, user: int, environment: dict[str, str], expected: Path
) -> None:
    as_user: Callable[[], int] = lambda: user  # noqa: E731
    monkeypatch.setattr("shared.runtime.settings.os.geteuid", as_user)
    monkeypatch.setenv("HOME", "/home/op")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Settings().data_dir == expected

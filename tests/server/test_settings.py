"""Settings: where they come from, what they refuse, and that the README knows them all."""

from __future__ import annotations

import json
import os
import runpy
from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from server.settings import (
    Settings,
    describe_errors,
    is_loopback,
    settings_table,
    unknown_variables,
    variable,
)

README = Path(__file__).parents[2] / "README.md"
SECRET = "a secret of the tests, long enough for HS256"
KEY_SET = json.dumps({"keys": [{"kty": "OKP"}]})


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting comes from the environment the tests run in."""
    for name in list(os.environ):
        if name.upper().startswith("COLLAB_"):
            monkeypatch.delenv(name)


def complaint(**values: object) -> str:
    """What is said about settings that are refused."""
    with pytest.raises(ValidationError) as refused:
        Settings.model_validate(values)
    return describe_errors(refused.value)


# The documentation


@pytest.mark.skipif(not README.exists(), reason="there is no README.md yet")
def test_the_readme_shows_the_settings_as_they_are() -> None:
    assert settings_table() in README.read_text(encoding="utf-8"), (
        "put the output of `python -m server.settings` into README.md"
    )


def test_the_table_has_a_described_row_for_every_setting() -> None:
    rows = settings_table().splitlines()[2:]
    assert len(rows) == len(Settings.model_fields)
    for name, row in zip(Settings.model_fields, rows, strict=True):
        _, shown_name, default, meaning, _ = (cell.strip() for cell in row.split("|"))
        assert shown_name == f"`{variable(name)}`"
        assert default
        assert meaning.endswith(".")


def test_the_table_shows_defaults_as_one_would_write_them() -> None:
    table = settings_table()
    assert "| `COLLAB_MAX_FRAME_BYTES` | `4MiB` |" in table
    assert "| `COLLAB_PORT` | `8000` |" in table
    assert "| `COLLAB_DEV` | `false` |" in table
    assert "| `COLLAB_DATABASE_URL` | none |" in table
    assert "| `COLLAB_PRESENCE_INTERVAL` | `0.0333` |" in table


@pytest.mark.filterwarnings("ignore:.*found in sys.modules.*:RuntimeWarning")
def test_the_module_prints_its_table(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("server.settings", run_name="__main__")
    assert capsys.readouterr().out == settings_table() + "\n"


# Where they come from


def test_nothing_is_open_by_default() -> None:
    settings = Settings()
    assert is_loopback(settings.host)
    assert not settings.dev
    assert settings.uses_secret
    assert settings.jwt_secret is None


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAB_PORT", "9000")
    monkeypatch.setenv("COLLAB_DATA_DIR", "/var/lib/collab")
    monkeypatch.setenv("COLLAB_DEV", "1")
    monkeypatch.setenv("COLLAB_JWT_SECRET", SECRET)
    settings = Settings()
    assert settings.port == 9000
    assert settings.data_dir == Path("/var/lib/collab")
    assert settings.dev
    assert settings.jwt_secret is not None
    assert settings.jwt_secret.get_secret_value() == SECRET


def test_a_variable_may_be_written_in_small_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("collab_port", "9000")
    assert Settings().port == 9000


def test_a_wrong_variable_is_refused_as_what_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAB_PORT", "http")
    monkeypatch.setenv("COLLAB_PROT", "1")
    assert complaint().startswith("COLLAB_PORT: ")


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAB_PORT", "9000")
    assert Settings(port=9001).port == 9001


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAB_DATABASE_URL", "")
    monkeypatch.setenv("COLLAB_PORT", "")
    assert Settings() == Settings(database_url=None, port=8000)


@pytest.mark.parametrize(
    ("text", "size"), [("1000", 1000), ("4MiB", 4 << 20), ("16 KiB", 16 << 10), ("1MB", 10**6)]
)
def test_sizes_take_units(monkeypatch: pytest.MonkeyPatch, text: str, size: int) -> None:
    monkeypatch.setenv("COLLAB_MAX_FRAME_BYTES", text)
    assert Settings().max_frame_bytes == size


def test_a_key_set_comes_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLLAB_JWT_JWKS", KEY_SET)
    settings = Settings()
    assert settings.jwt_jwks == KEY_SET
    assert not settings.uses_secret


def test_a_misspelt_variable_is_noticed() -> None:
    environ: Mapping[str, str] = {
        "COLLAB_PORT": "1",
        "COLLAB_PROT": "1",
        "collab_host": "::1",
        "collab_hots": "::1",
        "PATH": "",
        "X_COLLAB_": "",
    }
    assert unknown_variables(environ) == ["COLLAB_PROT", "collab_hots"]


@pytest.mark.parametrize("names", [("COLLAB_PORT", "collab_port"), ("collab_port", "COLLAB_PORT")])
def test_of_two_spellings_the_usual_one_counts(
    names: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        monkeypatch.setenv(name, "1" if name.isupper() else "2")
    assert Settings().port == 1


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1


@pytest.mark.parametrize(
    "values",
    [
        {},
        {
            "host": "::1",
            "port": 0,
            "dev": True,
            "data_dir": "/tmp/a b",
            "database_url": "postgresql://collab:geheim@/collab?host=/run/x",
            "jwt_secret": SECRET,
            "update_interval": 0.1 + 0.2,
        },
        {"jwt_jwks": KEY_SET, "log_level": "debug", "log_format": "console"},
    ],
    ids=["defaults", "many", "key set"],
)
def test_settings_survive_the_way_through_the_environment(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, object]
) -> None:
    settings = Settings.model_validate(values)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


# What they refuse


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("port", 65536),
        ("port", -1),
        ("port", "http"),
        ("host", ""),
        ("database_url", "mysql://localhost/x"),
        ("database_url", "localhost"),
        ("jwt_jwks_url", "file:///etc/passwd"),
        ("jwt_jwks_url", "https://"),
        ("jwt_jwks", "{}"),
        ("jwt_jwks", "[]"),
        ("jwt_jwks", '{"keys": []}'),
        ("jwt_jwks", "no json"),
        ("jwt_audience", ""),
        ("jwt_leeway", -1),
        ("jwt_leeway", 301),
        ("max_frame_bytes", 0),
        ("max_frame_bytes", "4 bananas"),
        ("update_interval", 0),
        ("keepalive_seconds", float("nan")),
        ("room_idle_seconds", float("inf")),
        ("database_pool_size", 0),
        ("database_pool_size", 2),
        ("log_level", "loud"),
        ("log_format", "xml"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(name: str, value: object) -> None:
    assert complaint(**{name: value}).startswith(f"{variable(name)}: ")


def test_an_unknown_setting_is_refused() -> None:
    assert "COLLAB_PROT" in complaint(prot=1)


def test_a_short_secret_is_refused_and_not_repeated() -> None:
    said = complaint(jwt_secret="hunter2hunter2")
    assert "at least 32 bytes" in said
    assert "hunter2" not in said


def test_the_secrets_length_counts_in_bytes() -> None:
    assert Settings(jwt_secret=SecretStr("ü" * 16)).jwt_secret is not None
    assert "at least 32 bytes" in complaint(jwt_secret="ü" * 15)


@pytest.mark.parametrize(
    "keys",
    [
        {"jwt_secret": SECRET, "jwt_jwks_url": "https://issuer.example/keys"},
        {"jwt_secret": SECRET, "jwt_jwks": KEY_SET},
        {"jwt_jwks": KEY_SET, "jwt_jwks_url": "https://issuer.example/keys"},
    ],
)
def test_two_kinds_of_key_exclude_one_another(keys: dict[str, str]) -> None:
    said = complaint(**keys)
    assert "exclude one another" in said
    assert all(variable(name) in said for name in keys)
    assert SECRET not in said


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "collab.example", "10.0.0.1"])
def test_the_development_mode_never_leaves_this_machine(host: str) -> None:
    assert "loopback only" in complaint(host=host, dev=True)
    assert Settings(host=host).host == host


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LocalHost"]
)
def test_names_of_this_machine(host: str) -> None:
    assert is_loopback(host)
    assert Settings(host=host, dev=True).dev


@pytest.mark.parametrize(
    "host", ["localhost.example", "127.0.0.1.example", "", "0.0.0.0", "[", "1"]
)
def test_what_only_looks_like_this_machine(host: str) -> None:
    assert not is_loopback(host)


def test_several_faults_are_told_in_one_line() -> None:
    said = complaint(port=-1, host="")
    assert "COLLAB_PORT" in said
    assert "COLLAB_HOST" in said
    assert "\n" not in said


def test_secrets_are_not_shown() -> None:
    settings = Settings(
        jwt_secret=SecretStr(SECRET), database_url="postgresql://collab:geheim@localhost/x"
    )
    assert SECRET not in repr(settings)
    assert "geheim" not in repr(settings)


# Lists, TLS


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("", ""),
        ("*", "*"),
        (
            " https://App.example , http://localhost:5173 ",
            "https://app.example,http://localhost:5173",
        ),
        ("https://a.example:443,http://a.example:80", "https://a.example,http://a.example"),
        ("https://a.example:80,http://a.example:443", "https://a.example:80,http://a.example:443"),
        ("HTTPS://A.Example:8443", "https://a.example:8443"),
        ("http://[::1]:80,http://[::1]:8000", "http://[::1],http://[::1]:8000"),
    ],
)
def test_origins_are_written_in_one_way(given: str, written: str) -> None:
    settings = Settings(allowed_origins=given)
    assert settings.allowed_origins == written
    assert settings.origins == frozenset(filter(None, written.split(",")))


@pytest.mark.parametrize(
    "given",
    [
        "app.example",
        "https://app.example/",
        "ftp://x",
        "https://",
        "null",
        "https://app.example:",
        "https://app.example:99999",
        "https://app.example:port",
        "https://me@app.example",
        "https://[",
        "http://a.example, ftp://x",
    ],
)
def test_what_no_browser_sends_is_no_origin(given: str) -> None:
    assert "COLLAB_ALLOWED_ORIGINS" in complaint(allowed_origins=given)


def test_proxies_are_addresses_and_networks() -> None:
    assert Settings(trusted_proxies="10.0.0.0/8, ::1").proxies == ("10.0.0.0/8", "::1")
    assert "COLLAB_TRUSTED_PROXIES" in complaint(trusted_proxies="proxy.example")


def test_a_key_without_a_certificate_is_refused() -> None:
    assert "COLLAB_SSL_CERTFILE" in complaint(ssl_keyfile="key.pem")
    assert Settings(ssl_certfile=Path("both.pem")).uses_tls

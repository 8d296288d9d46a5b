"""The environment is read whole, and all that is wrong with it is said at once."""

from pathlib import Path

import pytest

from app.settings import MIN_KEY_LENGTH, PROJECT, Settings, SettingsError, env_example, load_settings, variables

KEY = "k" * MIN_KEY_LENGTH


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the settings of whoever runs the tests out of the way."""
    for name in variables().values():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("HOST", raising=False)
    monkeypatch.delenv("PORT", raising=False)


def load() -> Settings:
    """Read the environment alone."""
    return load_settings(env_file=None)


def mistakes() -> dict[str, str]:
    """Return what is wrong, by variable."""
    with pytest.raises(SettingsError) as caught:
        load()
    return {mistake.variable: str(mistake) for mistake in caught.value.mistakes}


def test_defaults_answer_this_machine_only() -> None:
    """Without a single variable the service listens on loopback and resolves its folders below the project."""
    settings = load()
    assert (settings.host, settings.port, settings.api_key, settings.strict) == ("127.0.0.1", 8000, None, False)
    assert settings.artifacts_dir == PROJECT / "models" / "artifacts"


@pytest.mark.parametrize("name", ["HOST", "BARCAST_HOST"])
def test_host_works_bare(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOST and PORT are read with and without prefix; the prefixed one wins."""
    monkeypatch.setenv(name, "localhost")
    monkeypatch.setenv("PORT", "8001")
    assert (load().host, load().port) == ("localhost", 8001)
    monkeypatch.setenv("BARCAST_PORT", "8002")
    assert load().port == 8002


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", "10.0.0.1"])  # noqa: S104  the point of the test
def test_a_foreign_host_needs_a_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It refuses to start without one, and says the line that makes one."""
    monkeypatch.setenv("HOST", host)
    assert "export BARCAST_API_KEY=" in mistakes()["BARCAST_HOST"]
    monkeypatch.setenv("BARCAST_API_KEY", KEY)
    assert load().host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_none(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name of this machine is fine."""
    monkeypatch.setenv("HOST", host)
    assert load().host == host


def test_the_admin_key_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one key for both, every client could promote models."""
    monkeypatch.setenv("BARCAST_API_KEY", KEY)
    monkeypatch.setenv("BARCAST_ADMIN_KEY", KEY)
    assert "another key than BARCAST_API_KEY" in mistakes()["BARCAST_ADMIN_KEY"]
    monkeypatch.setenv("BARCAST_ADMIN_KEY", KEY[::-1] + "x")
    assert load().admin_key is not None


WRONG = {
    "BARCAST_PORT": ["http", "-1", "65536", "80.5"],
    "BARCAST_STRICT": ["maybe"],
    "BARCAST_DOCS": ["2"],
    "BARCAST_LOG_LEVEL": ["loud"],
    "BARCAST_MAX_BODY_BYTES": ["0", "4MB", "1e99"],
    "BARCAST_MAX_BARS": ["0", "many"],
    "BARCAST_MAX_PERIODS": ["366", "0"],
    "BARCAST_MAX_BATCH_ROWS": ["0"],
    "BARCAST_BODY_TIMEOUT_SECONDS": ["0", "nan", "forever"],
    "BARCAST_API_KEY": ["short", "with space in the middle", "ключ" * 8],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_named(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names variable, value and a line that fixes it; a key is never shown."""
    monkeypatch.setenv(name, value)
    text = mistakes()[name]
    assert "fix: export BARCAST_" in text
    assert (value in text) is (name != "BARCAST_API_KEY")


def test_all_mistakes_are_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has to start the service once a mistake."""
    for name, values in WRONG.items():
        monkeypatch.setenv(name, values[0])
    monkeypatch.setenv("BARCAST_POTR", "1")
    assert mistakes().keys() == {*WRONG, "BARCAST_POTR"}


def test_the_fix_of_a_wrong_value_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the message says to export is a value that is accepted."""
    monkeypatch.setenv("BARCAST_PORT", "http")
    line = mistakes()["BARCAST_PORT"].rpartition("fix: export ")[2]
    name, _, value = line.partition("=")
    monkeypatch.setenv(name, value)
    assert load().port == 8000


def test_an_unknown_variable_is_refused_with_the_near_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistyped name is not ignored; its value may be a secret, so it stays hidden."""
    monkeypatch.setenv("BARCAST_APIKEY", "my-secret-value")
    text = mistakes()["BARCAST_APIKEY"]
    assert "did you mean BARCAST_API_KEY?" in text
    assert "my-secret-value" not in text


def test_a_key_is_never_shown() -> None:
    """Settings can be printed."""
    assert KEY not in repr(Settings(api_key=KEY))


def test_an_env_file_is_read_below_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file fills in; the environment wins; a mistyped name in the file is refused too."""
    file = tmp_path / ".env"
    file.write_text("BARCAST_MAX_BARS=5\nBARCAST_PORT=9000\n")
    monkeypatch.setenv("BARCAST_PORT", "9001")
    settings = load_settings(file)
    assert (settings.max_bars, settings.port) == (5, 9001)
    file.write_text("BARCAST_MAX_BRAS=5\n")
    with pytest.raises(SettingsError, match="did you mean BARCAST_MAX_BARS"):
        load_settings(file)


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """`BARCAST_API_KEY=` means that there is no key, not an empty one."""
    monkeypatch.setenv("BARCAST_API_KEY", "")
    assert load().api_key is None


def test_env_example_is_up_to_date() -> None:
    """The committed file is what the settings say; `python -m app.settings > .env.example` writes it."""
    assert (PROJECT / ".env.example").read_text() == env_example()


def test_env_example_is_accepted_with_every_line_uncommented(tmp_path: Path) -> None:
    """The defaults that it shows are values that are allowed, and the defaults indeed."""
    file = tmp_path / ".env"
    file.write_text(env_example().replace("#BARCAST_", "BARCAST_"))
    assert load_settings(file) == load()


def test_every_setting_is_explained() -> None:
    """A field without help could not be set by anyone."""
    assert all(field.description for field in Settings.model_fields.values())

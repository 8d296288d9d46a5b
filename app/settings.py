"""Every environment variable of the service: typed, explained, checked all at once before anything starts."""

import difflib
import ipaddress
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from dotenv import dotenv_values
from pydantic import AliasChoices, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX: Final = "BARCAST_"
PROJECT: Final = Path(__file__).resolve().parent.parent
MIN_KEY_LENGTH: Final = 16

NEW_KEY: Final = "export BARCAST_API_KEY=\"$(python -c 'import secrets; print(secrets.token_urlsafe(32))')\""
"""The line that makes a fresh API key."""


class Settings(BaseSettings):
    """Settings of one service process; build it with `load_settings`, which explains what is wrong."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    api_key: SecretStr | None = None
    """Key that clients send as `X-API-Key` or `Authorization: Bearer`; at least 16 printable ASCII characters.
    Without one, only this machine is answered."""

    admin_key: SecretStr | None = None
    """Key of whoever promotes, rolls back and reloads models; sent as the API key is, and valid in its place too.
    Without one, those routes are off."""

    host: Annotated[str, Field(validation_alias=AliasChoices("BARCAST_HOST", "HOST"))] = "127.0.0.1"
    """Address to listen on; HOST works too. Anything but this machine needs BARCAST_API_KEY."""

    port: Annotated[int, Field(ge=0, le=65535, validation_alias=AliasChoices("BARCAST_PORT", "PORT"))] = 8000
    """TCP port; PORT works too. 0 takes a free one and prints it."""

    artifacts_dir: Path = Path("models/artifacts")
    """Where the trained models are; relative to the project."""

    data_dir: Path = Path("data")
    """Where market data is (`sample/`, `raw/`, `processed/`); relative to the project."""

    strict: bool = False
    """Answer 503 where a model can't, instead of a flagged fallback."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=256 * 2**20)] = 4 * 2**20
    """Largest request body, in bytes."""

    body_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10.0
    """How long a client may take to send a body."""

    max_bars: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Most bars in one request: about 80 years of sessions."""

    max_batch_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Most rows or items in one batch."""

    max_periods: Annotated[int, Field(ge=1, le=365)] = 365
    """Most sessions ahead of one forecast."""

    docs: bool = True
    """Serve the interactive pages at /docs."""

    log_level: Literal["critical", "error", "warning", "info", "debug"] = "info"
    """Least severe log line that is written."""

    @field_validator("api_key", "admin_key")
    @classmethod
    def _long_enough(cls, key: SecretStr | None) -> SecretStr | None:
        if key is None:
            return None
        text = key.get_secret_value()
        if len(text) < MIN_KEY_LENGTH or not (text.isascii() and text.isprintable()) or " " in text:
            raise ValueError(f"expected at least {MIN_KEY_LENGTH} printable ASCII characters without spaces")
        return key

    @field_validator("admin_key")
    @classmethod
    def _another_key(cls, key: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if key is not None and key == info.data.get("api_key"):
            raise ValueError("expected another key than BARCAST_API_KEY, or every client could promote models")
        return key

    @field_validator("host")
    @classmethod
    def _exposed_only_with_key(cls, host: str, info: ValidationInfo) -> str:
        # Fields are checked in order, so `api_key` is known here; if it was given and wrong, that mistake is enough.
        if "api_key" in info.data and info.data["api_key"] is None and not is_loopback(host):
            raise ValueError("expected this machine (127.0.0.1, ::1, localhost), as no BARCAST_API_KEY is set")
        return host

    @field_validator("artifacts_dir", "data_dir")
    @classmethod
    def _below_project(cls, path: Path) -> Path:
        return PROJECT / path.expanduser()


def is_loopback(host: str) -> bool:
    """Tell whether an address or name is this machine's own."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Mistake:
    """One setting that can't be used: its variable, what it holds, what is allowed, the line that fixes it."""

    variable: str
    found: str
    allowed: str
    fix: str

    def __str__(self) -> str:
        return f"{self.variable}: {self.allowed}; found {self.found}\n    fix: {self.fix}"


class SettingsError(Exception):
    """The environment can't be used. ``mistakes`` holds all that is wrong with it."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        self.mistakes = mistakes
        lines = "\n".join(f"  {mistake}" for mistake in mistakes)
        super().__init__(f"Barcast can't start, {len(mistakes)} setting(s) to mend:\n{lines}")


def load_settings(env_file: Path | None = PROJECT / ".env") -> Settings:
    """Read the environment, and below it ``env_file`` where that exists.

    Raises
    ------
    SettingsError
        A value that is not allowed, an unknown ``BARCAST_*`` variable, a foreign host without an API key. Names all.

    """
    in_file = {} if env_file is None else dotenv_values(env_file)
    mistakes = list(_unknown({**in_file, **os.environ}))
    try:
        settings = Settings(_env_file=env_file)
    except ValidationError as error:
        mistakes += map(_mistake, error.errors(include_url=False))
    else:
        if not mistakes:
            return settings
    raise SettingsError(tuple(mistakes))


def variables() -> dict[str, str]:
    """Return the variable of every field, by field."""
    return {name: f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def env_example() -> str:
    """Return ``.env.example``: every variable with its help and default, all commented out."""
    parts = ["# Settings of Barcast. Copy to .env and uncomment what you change; the environment wins over the file."]
    for name, variable in variables().items():
        field = Settings.model_fields[name]
        text = (field.description or "").splitlines()
        parts.append(
            "\n".join([*(f"# {line.strip()}" for line in text), f"#{variable}={_shown_default(field.default)}"])
        )
    return "\n\n".join(parts) + "\n"


def _shown_default(default: object) -> str:
    if default is None:
        return ""
    return str(default).lower() if isinstance(default, bool) else str(default)


def _unknown(environment: Mapping[str, str | None]) -> Iterable[Mistake]:
    known = set(variables().values())
    for variable in sorted(environment):
        if variable.upper().startswith(PREFIX) and variable.upper() not in known:
            near = difflib.get_close_matches(variable.upper(), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}"
            fix = f"unset {variable}"  # the value stays hidden: a mistyped BARCAST_API_KEY is still a secret
            yield Mistake(variable, "a variable that Barcast doesn't know", hint, fix)


def _mistake(error: ErrorDetails) -> Mistake:
    location = str(error["loc"][0]) if error["loc"] else ""
    name = next((n for n, v in variables().items() if location.lower() in {n, v.lower(), n.lower()}), location)
    variable = f"{PREFIX}{name.upper()}"
    if name == "api_key" or (name == "host" and error["type"] == "value_error"):
        fix = NEW_KEY
    elif name == "admin_key":
        fix = NEW_KEY.replace("BARCAST_API_KEY", variable)
    else:
        fix = f"export {variable}={_shown_default(Settings.model_fields[name].default)}"
    found = "a secret that is not shown" if name.endswith("_key") else repr(error["input"])[:80]
    return Mistake(variable, found, error["msg"].removeprefix("Value error, "), fix)


if __name__ == "__main__":
    print(env_example(), end="")  # noqa: T201  `python -m app.settings > .env.example` regenerates that file

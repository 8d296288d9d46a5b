"""What a retraining is to do: every choice of a run, in one value."""

import math
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from data.errors import InvalidSymbol
from data.paths import processed_root
from data.symbols import check_symbol
from feature_mapper.errors import BarcastError
from flows.choices import SCRIPT_TIMEOUT_S, SOURCES, Source
from models.paths import artifacts_root
from training.kit.discover import model_names
from training.kit.fleet import cores, slowest_first

LAST_PORT: Final = 65535


class PlanError(BarcastError):
    """A retraining was asked for that can't be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Choices of one run; build it with `plan`, which checks them.

    Attributes
    ----------
    source : {"stored", "csv", "yahoo"}
        ``stored``: the bars that are there. ``csv``: the files of ``folder``, one a symbol. ``yahoo``: what Yahoo has
        beyond them.
    folder : Path or None
        Of ``csv``.
    symbols : tuple of str
        To ingest and to train on; empty: all that are stored, or in the folder.
    models : tuple of str
        To train, the slowest first.
    artifacts, data : Path
        The store of models; the folder that ``raw/``, ``processed/`` and ``runs/`` are in.
    python : str
        Interpreter of the scripts.
    jobs : int
        Scripts at once.
    script_timeout_s : float
        How long one may take.
    missing : float
        Share of the symbols that may fail to be ingested before the run halts; they are left out then.
    service : str or None
        Address of a running service that is to confirm what it serves.
    impossible : {"refuse", "drop"}
        What to do with a bar of a file that can't be.
    provider : str or None
        Address that is asked in the place of Yahoo's.

    """

    source: Source
    folder: Path | None
    symbols: tuple[str, ...]
    models: tuple[str, ...]
    artifacts: Path
    data: Path
    python: str = sys.executable
    jobs: int = field(default_factory=cores)
    script_timeout_s: float = SCRIPT_TIMEOUT_S
    missing: float = 0.0
    service: str | None = None
    impossible: Literal["refuse", "drop"] = "refuse"
    provider: str | None = None

    @property
    def accepted(self) -> Path:
        """The file of findings that a person has looked at and found right."""
        return self.data / "accepted.csv"


def plan(
    *,
    source: str = "stored",
    folder: Path | str | None = None,
    symbols: tuple[str, ...] = (),
    only: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    artifacts: Path | None = None,
    data: Path | None = None,
    python: str = sys.executable,
    jobs: int | None = None,
    script_timeout_s: float = SCRIPT_TIMEOUT_S,
    missing: float = 0.0,
    service: str | None = None,
    impossible: Literal["refuse", "drop"] = "refuse",
    provider: str | None = None,
) -> Plan:
    """Return the plan of a run; ``only`` and ``skip`` name models.

    Raises
    ------
    PlanError
        An unknown source or model, a folder that lacks or is not wanted, a name that can't be a symbol, an address
        that can't be one, a number out of its range.

    """
    chosen = next((known for known in SOURCES if known == source), None)
    if chosen is None:
        raise PlanError(f"expected a source out of {', '.join(SOURCES)}, found {source!r}; correct it")
    if (chosen == "csv") != (folder is not None):
        found = "none" if folder is None else str(folder)
        raise PlanError(f"expected a folder of files for the source csv, and only for it, found {found}; correct it")
    if service is not None:
        _check_address(service)
    if chosen == "yahoo" and not symbols:
        raise PlanError("expected the symbols to ask Yahoo for, found none; name them")
    known_models = model_names()
    for name in (*only, *skip):
        if name not in known_models:
            raise PlanError(f"expected models out of {', '.join(known_models)}, found {name!r}; correct it")
    models = [model for model in dict.fromkeys(only or known_models) if model not in skip]
    if not models:
        raise PlanError("expected at least one model to train, found none; skip fewer")
    if not 0 < script_timeout_s < math.inf or not 0 <= missing < 1 or (jobs is not None and jobs < 1):
        found = f"a time limit of {script_timeout_s:g} s, a share of {missing:g}, {jobs} jobs"
        raise PlanError(f"expected a time limit above 0, a share from 0 to below 1 and 1 job or more, found {found}")
    return Plan(
        source=chosen,
        folder=None if folder is None else Path(folder),
        symbols=tuple(dict.fromkeys(map(_symbol, symbols))),
        models=tuple(slowest_first(models)),
        artifacts=artifacts or artifacts_root(),
        data=data or processed_root().parent,
        python=python,
        jobs=jobs or cores(),
        script_timeout_s=script_timeout_s,
        missing=missing,
        service=service,
        impossible=impossible,
        provider=provider,
    )


def _symbol(text: str) -> str:
    """Return a symbol as the stored series are named: another spelling would be a series without a past."""
    try:
        return check_symbol(text)
    except InvalidSymbol as error:
        raise PlanError(f"{error}; correct it") from error


def _check_address(service: str) -> None:
    """Refuse what no service can be asked by: it would be found out after hours of training."""
    import httpx

    expected = f"expected the address of a service such as http://127.0.0.1:8000, found {service!r}"
    try:
        url = httpx.URL(service)
    except (httpx.InvalidURL, ValueError) as error:
        raise PlanError(f"{expected}: {error}; correct it") from error
    if url.scheme not in {"http", "https"} or not url.host or not 0 < (url.port or 80) <= LAST_PORT:
        raise PlanError(f"{expected}; correct it")

"""What a retraining did, what it left alone, and what serves now: as a document, a table, and an exit code."""

from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from flows.confirmation import Confirmed
from flows.ingestion import Ingestion

SCHEMA: Final = 1

EXIT_DONE: Final = 0
EXIT_FAILED: Final = 1
EXIT_CANDIDATES: Final = 3
EXIT_HALTED: Final = 4

State = Literal["promoted", "candidate", "failed", "not started"]


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one model.

    Attributes
    ----------
    state : str
        ``promoted``, kept as ``candidate``, ``failed``, or ``not started`` because the data halted the run.
    version : str or None
        What its training published.
    before, serves : str or None
        What served before the run, and what serves after it.
    exit_code : int or None
        Of its script; None: it was not run.
    seconds : float
        How long its script took.
    peak_mib : float or None
        Most memory that its script held, in MiB.
    reason : str
        The gate's words, or why it failed.
    tail : tuple of str
        The last lines of its script.

    """

    model: str
    state: State
    version: str | None
    before: str | None
    serves: str | None
    exit_code: int | None
    seconds: float
    peak_mib: float | None
    reason: str
    tail: tuple[str, ...]


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a run: how long it took, and the most memory that this process had held by its end, in MiB."""

    name: str
    seconds: float
    peak_mib: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run; written as ``summary.json``.

    ``halted`` says which step stopped it before any training, and why; None: none did. ``faults`` says
    which later steps broke off, and by what.
    """

    schema: int
    started: str
    seconds: float
    source: str
    symbols: tuple[str, ...]
    ingestion: Ingestion | None
    validation: str
    halted: str | None
    steps: tuple[Step, ...]
    models: tuple[Trained, ...]
    service: tuple[Confirmed, ...]
    report: str | None
    faults: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Tell how it went: 4 halted, 1 a script or step failed or a service did not follow, 3 a candidate was kept."""
        if self.halted is not None:
            return EXIT_HALTED
        states = {model.state for model in self.models}
        if self.faults or "failed" in states or not all(one.served for one in self.service):
            return EXIT_FAILED
        return EXIT_CANDIDATES if "candidate" in states else EXIT_DONE

    def count(self, state: State) -> int:
        """Count the models that ended so."""
        return sum(model.state == state for model in self.models)

    def verdict(self) -> str:
        """Say it in one sentence."""
        if self.halted is not None:
            return f"halted before any training: {self.halted}; every model serves as before"
        counted = [(state, self.count(state)) for state in ("promoted", "candidate", "failed")]
        told = ", ".join(f"{number} {_WORDS[state]}" for state, number in counted if number)
        broken = "".join(f"; {fault}" for fault in self.faults)
        return f"{told or 'nothing was trained'}, of {len(self.models)} models in {self.seconds:.0f} s{broken}"

    def text(self) -> str:
        """Return a table for a terminal."""
        return "\n".join(self._lines())

    def markdown(self) -> str:
        """Return the same for a page."""
        rows = [
            f"| {model.model} | {model.state} | {model.before or '-'} | {model.version or '-'} | {model.serves or '-'} "
            f"| {model.seconds:.1f} | {_cell(model.reason)} |"
            for model in self.models
        ]
        head = ["| model | state | served before | trained | serves now | seconds | why |", "|" + "---|" * 7]
        marked = () if self.ingestion is None else self.ingestion.marked
        data = [] if self.ingestion is None else [f"Data: {_cell(self.ingestion.verdict())}.", ""]
        told = [f"- {_cell(one.symbol)} ({one.mark}): {_cell(one.said)}" for one in marked]
        checks = [f"Validation: {_cell(self.validation)}.", ""] if self.validation else []
        service = map(_cell, self._service())
        return "\n".join(
            [
                f"**{_cell(self.verdict())}**",
                "",
                *data,
                *told,
                *([""] if told else []),
                *checks,
                *head,
                *rows,
                "",
                *service,
            ]
        )

    def _lines(self) -> Iterator[str]:
        if self.ingestion is not None:
            yield f"data        {self.ingestion.verdict()}"
            for one in self.ingestion.marked:
                yield f"  {one.symbol} ({one.mark}): {one.said}"
        if self.validation:
            yield f"validation  {self.validation}"
        width = max((len(model.model) for model in self.models), default=0)
        for step in self.steps:
            yield f"{step.name:<18} {step.seconds:6.1f} s  {step.peak_mib:5.0f} MiB"
        for model in self.models:
            change = f"{model.before or 'nothing'} served, {model.serves or 'nothing'} serves"
            memory = "" if model.peak_mib is None else f"{model.peak_mib:5.0f} MiB  "
            yield f"{model.model:<{width}}  {model.state:<11} {model.seconds:6.1f} s  {memory}{change}  {model.reason}"
        yield from self._service()
        if self.report is not None:
            yield f"report      {self.report}"
        yield self.verdict()

    def _service(self) -> Iterator[str]:
        for one in self.service:
            told = "confirms" if one.served else f"does not serve it: {one.said}"
            yield f"service     {one.model} {one.version}: {told}"


_WORDS: Final = {"promoted": "promoted", "candidate": "kept as candidates", "failed": "failed"}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

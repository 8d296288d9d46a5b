"""The whole service in this process, and questions to every route that a model answers."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from app.routers.predict import ANSWERS
from app.schemas.answers import Envelope
from data.bar_store import BarStore
from data.sources.sample import sample_root
from feature_mapper.bars import Bars
from models.tasks.registry import base_of, route_of, task_of
from tests.support.contract import Answer
from tests.support.in_process import InProcess

SAMPLE = BarStore((sample_root(),))
CSV = {"content-type": "text/csv"}
PERIODS = 5

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """A model's route in this service, and what a request must name for this model to answer."""

    model: str
    path: str
    horizon: int | None = None

    @property
    def asks(self) -> dict[str, Any]:
        """What a body holds besides its bars: the horizon, if the path has a usual model of another one."""
        return {} if self.horizon is None else {"horizon": self.horizon}

    @property
    def answer(self) -> type[Envelope]:
        """Struct of its answers."""
        return ANSWERS[task_of(self.model).identity.name]

    @property
    def forecasts(self) -> bool:
        """Whether it is asked for a path instead of one answer."""
        return task_of(self.model).identity.name == "forecast"

    def body(self, bars: Bars, symbol: str | None = None) -> dict[str, Any]:
        """Return the question about these bars: a window by columns, or a history."""
        named = {} if symbol is None else {"symbol": symbol}
        if self.forecasts:
            return {"periods": PERIODS, "history": as_rows(bars, date="ds", close="y"), **named}
        return {"bars": as_columns(bars), **named, **self.asks}


def routes(service: InProcess) -> Iterator[Route]:
    """Yield the route of every model, from the operations of the application."""
    paths = {operation.path for operation in service.app.operations}
    for model in service.desk.serving.models:
        assert route_of(model) in paths
        stated = model != base_of(model)
        yield Route(model, route_of(model), task_of(model).identity.horizon if stated else None)


def usual_routes(service: InProcess) -> Iterator[Route]:
    """Yield the routes of the models that are asked where no horizon is named."""
    return (route for route in routes(service) if not route.asks)


def as_columns(bars: Bars) -> dict[str, list[Any]]:
    """Return bars as the columns form; an unknown volume is null."""
    columns: dict[str, list[Any]] = {name: values.tolist() for name, values in bars.columns()}
    if bars.volume is not None:
        columns["volume"] = [None if np.isnan(value) else value for value in bars.volume.tolist()]
    if bars.date is not None:
        columns["date"] = [str(day) for day in bars.date]
    return columns


def as_rows(bars: Bars, **renamed: str) -> list[dict[str, Any]]:
    """Return bars as the rows form, columns renamed as given."""
    columns = as_columns(bars)
    names = [renamed.get(name, name) for name in columns]
    return [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def as_csv(*runs: Bars, columns: tuple[str, ...] = ("date", "open", "high", "low", "close", "volume")) -> list[str]:
    """Return the lines of a file of these runs, its header first; floats as Python writes them, which loses nothing."""
    lines = [",".join(("symbol", *columns))]
    for run in runs:
        for row in as_rows(run):
            cells = (row.get(name) for name in columns)
            lines.append(",".join([run.symbol or "", *("" if cell is None else str(cell) for cell in cells)]))
    return lines


def as_file(lines: list[str]) -> bytes:
    """Return the bytes of a file of these lines."""
    return ("\n".join(lines) + "\n").encode()


def found(answer: Answer) -> dict[str, Any]:
    """Return the content of a success."""
    assert answer.status == 200, answer.body.decode()
    content: dict[str, Any] = json.loads(answer.body)
    return content


def ask(service: InProcess, path: str, body: object, query: str = "") -> dict[str, Any]:
    """Post a question that is answered."""
    return found(service.post(path, msgspec.json.encode(body), query=query))


def batch(service: InProcess, lines: list[str], query: str = "") -> dict[str, Any]:
    """Post a file that is answered."""
    return found(service.post("/predict/batch", as_file(lines), CSV, query))


def task_bytes(answer: Fields) -> bytes:
    """Return the task's own part of an answer, byte for byte, and the tier that gave it."""
    own = {name: value for name, value in answer.items() if name not in Envelope.__struct_fields__}
    return json.dumps([own, answer["history"]["tier"], answer["source"]]).encode()


def row_bytes(single: Fields) -> bytes:
    """Return what a batch says where the single route gives this answer, byte for byte."""
    own = {name: value for name, value in single.items() if name not in Envelope.__struct_fields__}
    shared = {name: single[name] for name in ("source", "reason")}
    shared["abstain"] = [reason["code"] for reason in single["abstain"]["reasons"]]
    return json.dumps(
        {"target_date": single["target_date"], **own, "tier": single["history"]["tier"], **shared}
    ).encode()


def strictly(kind: type[msgspec.Struct], body: bytes) -> None:
    """Check that an answer holds exactly the fields of its struct, inner ones included."""
    decoded = msgspec.json.decode(body, type=kind)
    assert json.loads(msgspec.json.encode(decoded)) == json.loads(body)


def fallbacks(service: InProcess) -> dict[tuple[str, str], float]:
    """Return the counters of fallbacks by model and reason, from the text that Prometheus reads."""
    counted = {}
    for line in service.get("/metrics").body.decode().splitlines():
        if line.startswith("barcast_fallbacks_total{"):
            labels, _, value = line.partition("{")[2].partition("} ")
            named = dict(part.split("=") for part in labels.split(","))
            counted[named["model"].strip('"'), named["reason"].strip('"')] = float(value)
    return counted


def codes(answer: Fields) -> list[str]:
    """Return the reasons not to act on an answer, by code; they are advice if there is any."""
    found = [reason["code"] for reason in answer["abstain"]["reasons"]]
    assert answer["abstain"]["advised"] is bool(found)
    return found


def service_of(artifacts: Path, folder: Path, **changed: object) -> InProcess:
    """Return the service over these artifacts and no imported data, to be entered."""
    return InProcess(artifacts, folder / "data", **changed)

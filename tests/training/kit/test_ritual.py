"""The ritual: the same data gives the same artifact twice, and nothing is published before all is done."""

import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import pytest

from feature_mapper.errors import BarcastError
from models.errors import ArtifactError
from models.manifest import Draft, Manifest
from models.served import load_model, prove
from models.store import ArtifactStore
from tests.training.kit.support import FAST, markets
from training.kit import ritual
from training.kit.ritual import fingerprint, run
from training.kit.spec import ModelSpec

SHORT = (1, 22)
SPECS = {
    "lightgbm_return": ModelSpec(family="lightgbm", parameters=FAST, tiers=SHORT, keep="used"),
    "random_forest_risk": ModelSpec(
        family="forest", parameters={"n_estimators": 4, "max_depth": 3}, tiers=SHORT, class_weight="balanced"
    ),
    "hmm_regime": ModelSpec(family="hmm", tiers=SHORT, options={"states": 2, "starts": 1}),
    "prophet_forecast": ModelSpec(
        family="prophet",
        tiers=SHORT,
        options={"priors": (0.001, 0.05), "history": 260, "step": 120, "teaching": 2, "least": 130},
    ),
}
every_family = pytest.mark.parametrize("model", SPECS)
SERIES = markets(760)


def timeless(manifest: Manifest) -> Manifest:
    """Return a manifest without what a clock, and commits to a checkout that is worked on, put into it."""
    return msgspec.structs.replace(manifest, created=dt.datetime(2000, 1, 1, tzinfo=dt.UTC), git_commit=None)


@every_family
def test_twice_the_same(model: str, tmp_path: Path) -> None:
    """Weights, golden answers, evaluation, plots, scores: every file has the same bytes, at two times in two stores."""
    stores = [ArtifactStore(tmp_path / name) for name in ("one", "two")]
    first, second = (run(model, SPECS[model], SERIES, store) for store in stores)
    assert timeless(first) == timeless(second)
    assert stores[0].read(model).files == stores[1].read(model).files
    assert first.gate.promoted
    assert first.gate.reason == "first sound version"
    loaded = stores[0].load(model, None, load_model, prove)
    assert loaded.version == "v000001"


def test_worse_candidate_is_kept_and_does_not_serve(tmp_path: Path) -> None:
    """The champion stays; the candidate is published beside it, with the reason."""
    store, model = ArtifactStore(tmp_path), "lightgbm_return"
    first = run(model, SPECS[model], SERIES, store)
    *rest, last = first.tiers
    raised = msgspec.structs.replace(last.scores[0], value=0.9, ci95=(0.8, 0.95))
    tiers = (*rest, msgspec.structs.replace(last, scores=(raised, *last.scores[1:])))
    draft = Draft(**{name: getattr(first, name) for name in Draft.__struct_fields__} | {"tiers": tiers})
    second = store.publish(draft, store.read(model).files, why="test")
    store.promote(model, second.version, why="test")
    third = run(model, SPECS[model], SERIES, store)
    assert not third.gate.promoted
    assert "at least 0.8000 wanted" in third.gate.reason
    assert store.current(model) == second.version
    assert third.gate.reason in store.read(model, third.version).files["card.md"].decode()


def test_interrupted_run_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it comes as late as it can: when all is trained and golden examples are recorded."""

    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    store = ArtifactStore(tmp_path / "store")
    monkeypatch.setattr(ritual, "record", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("lightgbm_return", SPECS["lightgbm_return"], SERIES, store)
    assert store.models() == ()
    with pytest.raises(ArtifactError):
        store.read("lightgbm_return")


@every_family
def test_too_little_history_is_refused_with_what_to_do(model: str, tmp_path: Path) -> None:
    """Before anything is written."""
    short = {symbol: bars[:20] for symbol, bars in SERIES.items()}
    store = ArtifactStore(tmp_path / "store")
    with pytest.raises(BarcastError, match=r"add history|add data|give more history"):
        run(model, SPECS[model], short, store)
    assert store.models() == ()


def test_fingerprint_knows_every_bit() -> None:
    """Not the order in which symbols come; but each number, day and name."""
    whole = fingerprint(SERIES)
    assert fingerprint({symbol: SERIES[symbol] for symbol in sorted(SERIES, reverse=True)}) == whole
    bars = SERIES["S0"]
    close = bars.close.copy()
    close[5] = np.nextafter(close[5], 0)
    others = [
        {**SERIES, "S0": type(bars)(bars.open, bars.high, bars.low, close, bars.volume, bars.date, "S0")},
        {**SERIES, "S0": type(bars)(bars.open, bars.high, bars.low, bars.close, None, bars.date, "S0")},
        {**SERIES, "S0": bars[1:]},
        {"S1": SERIES["S0"], "S0": SERIES["S1"]},
    ]
    assert len({whole, *map(fingerprint, others)}) == 5

"""Training of tabular models: one estimator, yardstick and head for each tier of history."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from feature_mapper.bars import Bars
from feature_mapper.manifest import describe
from models.certificate import Check
from models.families.base import TabularFamily, tabular_family
from models.features import to_structs
from models.golden import MIN_CASES, bars_to_json
from models.manifest import Target, TierManifest
from models.scale import HarScale
from models.tasks.base import Head
from models.typing import Json, JsonObject
from models.vitals import of_tier
from training.kit import plots
from training.kit.checks import run_checks, verdict
from training.kit.coverage import calibration, of_band
from training.kit.evaluation import losses, report, rival_losses, scores
from training.kit.fitting import Fitted, fit
from training.kit.losses import Losses
from training.kit.outcome import Outcome
from training.kit.panel import Panel, build
from training.kit.progress import Progress
from training.kit.questions.base import Question
from training.kit.questions.registry import question_of
from training.kit.ranges import learn, vitals_of
from training.kit.reliability import of_tabular
from training.kit.spec import ModelSpec
from training.kit.splits import PurgedWalkForward
from training.kit.trading import Book, followed
from training.kit.walk import OutOfFold, scored_rows, walk_forward

READ_BACK: Final = 200
"""Training rows a tier that are forecast by the weights as they will be read."""

FOREMOST: Final = 10
"""Features that a card tells of."""

CASES_A_TIER: Final = 5
"""Golden examples a tier; four tiers make 20, and an artifact needs 16."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class TrainedTier:
    """One tier, evaluated and fitted on all rows."""

    panel: Panel
    out: OutOfFold
    fitted: Fitted
    scale: HarScale
    head: Head


def train(
    model: str, spec: ModelSpec, series: Mapping[str, Bars], progress: Progress, *, checkpoints: Path | None = None
) -> Outcome:
    """Train, evaluate and check a tabular model; write nothing but checkpoints, where a folder is given for them.

    The fits on all rows keep checkpoints, below a folder of the model's name, and remove them when they are done. The
    fits of the walk forward keep none: each is short, and they are worth nothing without each other.
    """
    question = question_of(model)
    family = tabular_family(spec.family)
    splitter = PurgedWalkForward.of(spec.splits)
    progress.total = len(spec.tiers) * (splitter.folds + 1) + 1
    places = {tier: None if checkpoints is None else checkpoints / model / f"tier_{tier:03d}" for tier in spec.tiers}
    tiers = [_tier(tier, question, spec, family, series, splitter, progress, places[tier]) for tier in spec.tiers]
    if checkpoints is not None:
        for place in (*filter(None, places.values()), checkpoints / model):
            with suppress(OSError):  # one with something in it stays
                place.rmdir()
    last = tiers[-1].panel
    found = of_tabular(last, tiers[-1].out, question)
    foremost = _foremost(tiers[-1])
    weights = {_weights_name(trained, family): trained.fitted.estimator.dump() for trained in tiers}
    checks = run_checks(series, spec.features_of(spec.tiers[-1]), question, last, splitter)
    checks = (*checks, _read_back(tiers, weights, family))
    progress.step("leak checks")
    target = question.target
    return Outcome(
        tiers=tuple(_manifest(trained, question, spec, family, series, splitter) for trained in tiers),
        weights=weights,
        target=Target(name=target.name, definition=target.definition, horizon=target.horizon),
        losses=Losses(tuple(series), tuple(losses(trained.panel, trained.out, question) for trained in tiers)),
        evaluation={"tiers": [report(trained.panel, trained.out, question, tuple(series)) for trained in tiers]},
        plots={**_plots(tiers[-1], question), plots.CALIBRATION: plots.calibration(found)},
        calibration=found,
        foremost=foremost,
        books=dict(_books(tiers, series, question.target.horizon)),
        cases=golden_cases(series, spec.tiers),
        checks=checks,
        rows=len(last.rows),
        first=last.rows.date.min().item(),
        last=last.rows.date.max().item(),
        libraries=("numpy", *family.LIBRARIES),
    )


def _tier(
    tier: int,
    question: Question,
    spec: ModelSpec,
    family: TabularFamily,
    series: Mapping[str, Bars],
    splitter: PurgedWalkForward,
    progress: Progress,
    checkpoints: Path | None,
) -> TrainedTier:
    panel = build(series, question, spec.features_of(tier), tier)
    out = walk_forward(
        panel, question, spec, family, splitter, lambda fold: progress.step(f"tier {tier}, fold to {fold.last}")
    )
    everything = np.arange(len(panel.rows))
    scale = panel.scale(everything)
    *_, fitted = fit(panel, everything, panel.volatility(scale), question, spec, family, checkpoints)
    head = question.head(out.margin, out.scale, panel.rows.take(out.at), spec.level, fitted.class_weights)
    progress.step(f"tier {tier}, fit on all rows")
    return TrainedTier(panel, out, fitted, scale, head)


def _read_back(tiers: Sequence[TrainedTier], weights: Mapping[str, bytes], family: TabularFamily) -> Check:
    """The weights, as the service reads them, forecast training rows to the bit as what was fitted does."""
    faults, compared = set[str](), 0
    for trained in tiers:
        at = np.linspace(0, len(trained.panel.rows) - 1, READ_BACK).astype(np.int64)
        x = np.ascontiguousarray(trained.panel.x[at][:, trained.fitted.used])
        again = family.load(weights[_weights_name(trained, family)])
        if again.predict(x).tobytes() != trained.fitted.estimator.predict(x).tobytes():
            faults.add(f"tier {trained.panel.tier}")
        compared += len(at)
    return verdict("weights_read_back", faults, f"{compared} training rows of {len(tiers)} tiers", {"rows": compared})


def _weights_name(trained: TrainedTier, family: TabularFamily) -> str:
    return f"tier_{trained.panel.tier:03d}.{family.SUFFIX}"


def _manifest(
    trained: TrainedTier,
    question: Question,
    spec: ModelSpec,
    family: TabularFamily,
    series: Mapping[str, Bars],
    splitter: PurgedWalkForward,
) -> TierManifest:
    head: dict[str, Json] = {"answer": msgspec.to_builtins(trained.head)}
    if question.task.scaled:
        head["scale"] = trained.scale.as_json()
    panel, out, scored = trained.panel, trained.out, scored_rows(trained.panel, trained.out)
    used = [panel.features[column] for column in trained.fitted.used]
    vitals = vitals_of(series, panel.tier, of_tier(panel.tier))
    folds = splitter.split(panel.rows.date, panel.rows.label_end)
    return TierManifest(
        tier=trained.panel.tier,
        features=to_structs(describe(used)),
        weights=_weights_name(trained, family),
        parameters=dict(trained.fitted.parameters),
        head=head,
        scores=scores(trained.panel, out, question),
        coverage=of_band(out.forecast, scored.y, spec.level, scored.date, out.scale[out.scored]),
        calibration=calibration(out.forecast, scored.y),
        ranges=learn(panel.x[:, trained.fitted.used], vitals.names, vitals.of(panel.rows), folds),
    )


def golden_cases(series: Mapping[str, Bars], tiers: tuple[int, ...]) -> tuple[JsonObject, ...]:
    """Choose windows over all tiers and series: exact and longer histories, with and without volume and dates."""
    rng = np.random.default_rng(16)
    cases: list[JsonObject] = []
    each = max(CASES_A_TIER, math.ceil(MIN_CASES / len(tiers)))
    for tier in tiers:
        able = [bars for bars in series.values() if len(bars) > tier]
        for number in range(each):
            bars = able[number % len(able)]
            end = int(rng.integers(tier + 1, len(bars) + 1))
            longer = number % 2
            window = bars[end - tier - longer : end]
            bare = number == each - 1
            shown = Bars(window.open, window.high, window.low, window.close) if bare else window
            cases.append(bars_to_json(shown))
    return tuple(cases)


def _foremost(trained: TrainedTier) -> tuple[tuple[str, float], ...]:
    """Return the features of greatest gain with their shares of all gain."""
    gain = trained.fitted.estimator.importance()
    total = gain.sum()
    order = np.argsort(-gain, kind="stable")[:FOREMOST]
    names = [trained.panel.features[column].name for column in trained.fitted.used]
    return tuple((names[at], float(gain[at] / total)) for at in order if gain[at] > 0)


def _books(tiers: Sequence[TrainedTier], series: Mapping[str, Bars], horizon: int) -> Iterator[tuple[int, Book]]:
    """Yield the book of each tier whose forecasts can be followed."""
    for trained in tiers:
        rows = scored_rows(trained.panel, trained.out)
        if (book := followed(trained.out.forecast, rows, series, horizon)) is not None:
            yield trained.panel.tier, book


def _plots(trained: TrainedTier, question: Question) -> dict[str, bytes]:
    rows = scored_rows(trained.panel, trained.out)
    naive, base = next(iter(rival_losses(trained.panel, trained.out, question).items()))
    own = question.loss(trained.out.forecast, rows.y)
    names = [trained.panel.features[column].name for column in trained.fitted.used]
    pictures = {
        "skill_by_year.png": plots.by_year(own, base, rows.date, question.metric, naive),
        "importance.png": plots.importance(names, trained.fitted.estimator.importance()),
    }
    if "lower" in trained.out.forecast:  # a point forecast inside a band; probabilities are their own reliability
        pictures["reliability.png"] = plots.reliability(question, trained.out.forecast, rows.y)
    return pictures

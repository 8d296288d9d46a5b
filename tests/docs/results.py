"""``docs/results.json``: the figures of the evaluations, and the tables that are made from it."""

from collections.abc import Sequence
from typing import Final

import msgspec

from models.manifest import Coverage, Manifest, Score
from models.store import ArtifactStore
from models.tasks.registry import TASKS, route_of, task_of
from models.verdicts import BETTER, WEAK
from training.kit.discover import model_names

DIGITS: Final = 6

_ALL_FEATURES: Final = "_all_features"
"""Ends the metric of a fit that was not the one chosen; model cards have it, the tables here don't."""

METRICS: Final = {
    "mse_skill": "1 - squared error / that of the baseline",
    "log_loss_skill": "1 - log loss / that of the baseline",
    "qlike_skill": "1 - QLIKE / that of the baseline, of variances",
    "rps_skill": "1 - ranked probability score / that of the baseline",
    "log_density_gain": "mean log density given to what came, less that of the baseline, in nats a session",
    "mae_skill": "1 - absolute error / that of the baseline; the number behind it is the horizon in sessions",
}

BASELINES: Final = {
    "training_mean": "the mean return of the training rows",
    "zero": "no return at all",
    "base_rate": "the share of up sessions in the training rows",
    "own_bar": "the variance of the last bar",
    "rolling_mean": "the mean variance of the last 21 sessions",
    "ewma": "an exponential average of variances, decay 0.94",
    "long_run": "the mean variance of all sessions of the symbol so far",
    "har": "a heterogeneous autoregression on logs of variances, whose weights add up to 1",
    "persistence": "how often each class followed today's class in the training rows",
    "class_shares": "the share of each class in the training rows",
    "single_gaussian": "one Gaussian for all sessions",
    "autoregression": "volatility from those of the last day, week and month; a Gaussian of returns over it; no states",
    "static_mixture": "the same states, always with the same probabilities",
    "last_close": "the last close stays",
}


class Figures(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One tier of a model."""

    tier: int
    scores: tuple[Score, ...]
    coverage: Coverage | None


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One model."""

    model: str
    target: str
    horizon: int
    route: str
    tiers: tuple[Figures, ...]


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Errors of a price path relative to those of the last close, and the share of closes inside the band."""

    n: int
    mase: float
    coverage: float


class Path(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One horizon of the price path: plain Prophet, ours, and ours for a symbol that it was not trained on."""

    horizon: int
    plain: Measured
    anchored: Measured
    unseen_symbol: Measured


class Results(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All figures that the documents show."""

    symbols: tuple[str, ...]
    first: str
    last: str
    data_fingerprint: str
    models: tuple[Model, ...]
    paths: tuple[Path, ...]


class _Evaluation(msgspec.Struct, frozen=True):
    before_and_after: tuple[Path, ...] = ()


def by_task() -> list[str]:
    """Return the models that have a folder under ``training``, in the order of their tasks."""
    tasks = [task.identity.name for task in TASKS]
    return sorted(model_names(), key=lambda model: tasks.index(task_of(model).identity.name))


def collect(store: ArtifactStore) -> Results:
    """Read the figures of the champions; raises ``ArtifactError`` if one is missing or unsound."""
    artifacts = [store.read(model) for model in by_task()]
    evaluations = [msgspec.json.decode(artifact.files["evaluation.json"], type=_Evaluation) for artifact in artifacts]
    manifests = [artifact.manifest for artifact in artifacts]
    return Results(
        symbols=manifests[0].symbols,
        first=str(min(manifest.first_date for manifest in manifests)),
        last=str(max(manifest.last_date for manifest in manifests)),
        data_fingerprint=manifests[0].data_fingerprint,
        models=tuple(map(_model, manifests)),
        paths=next(evaluation.before_and_after for evaluation in evaluations if evaluation.before_and_after),
    )


def _model(manifest: Manifest) -> Model:
    return Model(
        model=manifest.model,
        target=manifest.target.definition,
        horizon=manifest.target.horizon,
        route=route_of(manifest.model),
        tiers=tuple(Figures(tier.tier, tier.scores, tier.coverage) for tier in manifest.tiers),
    )


def encode(results: Results) -> bytes:
    """Return ``docs/results.json``."""
    return msgspec.json.format(msgspec.json.encode(_rounded(msgspec.to_builtins(results))), indent=1) + b"\n"


def decode(data: bytes) -> Results:
    """Read ``docs/results.json``."""
    return msgspec.json.decode(data, type=Results)


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return round(value, DIGITS)
    if isinstance(value, dict):
        return {name: _rounded(part) for name, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list | tuple) else value


# Tables


def worth(results: Results) -> str:
    """Return the table of every model with full history against every baseline, and what the words in it mean."""
    lines = table("model", "target", "score", "against", "value", "95 % interval", "n", "verdict")
    for model in results.models:
        for number, score in enumerate(_shown(model.tiers[-1].scores)):
            first = (
                (f"[`{model.model}`](docs/models/{model.model}.md)", f"`{model.target}`") if number == 0 else ("", "")
            )
            lines.append(row(*first, f"`{score.metric}`", f"`{score.baseline}`", *_figures(score)))
    return "\n".join([*lines, "", *_glossary(results)])


def by_history(results: Results) -> str:
    """Return the table of the first score of every model by bars of history."""
    tiers = sorted({figures.tier for model in results.models for figures in model.tiers})
    lines = table("model", *(f"{tier} bar{'s' if tier > 1 else ''}" for tier in tiers))
    for model in results.models:
        if task_of(model.model).identity.name == "forecast":
            continue  # its score does not depend on the history sent, only the width of its band does
        own = {figures.tier: figures for figures in model.tiers}
        usual = model.tiers[-1].scores[0].baseline
        lines.append(row(f"`{model.model}`", *(_cell(own.get(tier), usual) for tier in tiers)))
    return "\n".join(lines)


def bands(results: Results) -> str:
    """Return the table of promised and measured coverage, full history."""
    lines = table("model", "band promises", "held out of sample", "in its worst year", "calm", "middling", "rough")
    for model in results.models:
        if (found := model.tiers[-1].coverage) is not None:
            worst = min(found.years, key=lambda year: year.share)
            shares = [f"{share:.1%}" for share in found.terciles]
            year = f"{worst.share:.1%} ({worst.year})"
            lines.append(row(f"`{model.model}`", f"{found.level:.0%}", f"{found.overall:.1%}", year, *shares))
    return "\n".join(lines)


def paths(results: Results) -> str:
    """Return the table of price paths before and after."""
    lines = table(
        "sessions ahead", "error, plain", "error, ours", "error, unseen symbol", "in band, plain", "in band, ours",
        "in band, unseen symbol", "n, plain", "n, ours",
    )  # fmt: skip
    for path in results.paths:
        kinds = (path.plain, path.anchored, path.unseen_symbol)
        errors = [f"{kind.mase:.2f}" for kind in kinds]
        held = [f"{kind.coverage:.0%}" for kind in kinds]
        lines.append(row(str(path.horizon), *errors, *held, f"{path.plain.n:,}", f"{path.anchored.n:,}"))
    return "\n".join(lines)


def data(results: Results) -> str:
    """Return the sentence about what the figures rest on."""
    return (
        f"Trained and judged on {', '.join(results.symbols)}, {results.first} to {results.last} "
        f"(data `{results.data_fingerprint[:12]}`)."
    )


def _shown(scores: Sequence[Score]) -> list[Score]:
    return [score for score in scores if not score.metric.endswith(_ALL_FEATURES)]


def _figures(score: Score) -> tuple[str, str, str, str]:
    interval = "" if score.ci95 is None else f"{score.ci95[0]:+.4f} to {score.ci95[1]:+.4f}"
    return f"{score.value:+.4f}", interval, f"{score.n:,}", score.verdict


def _cell(figures: Figures | None, usual: str) -> str:
    if figures is None:
        return ""
    score = figures.scores[0]
    mark = {BETTER: "**", WEAK: "*"}.get(score.verdict, "")
    against = "" if score.baseline == usual else f" (`{score.baseline}`)"
    return f"{mark}{score.value:+.4f}{mark}{against}"


def _glossary(results: Results) -> list[str]:
    scores = [score for model in results.models for tier in model.tiers for score in _shown(tier.scores)]
    words = {_metric(score): METRICS[_metric(score)] for score in scores}
    words |= {score.baseline: BASELINES[score.baseline] for score in scores}
    return [*table("word", "meaning"), *(row(f"`{word}`", meaning) for word, meaning in words.items())]


def _metric(score: Score) -> str:
    return score.metric.rstrip("0123456789").rstrip("_")


def table(*heads: str) -> list[str]:
    """Return the first two lines of a table."""
    return [row(*heads), "|" + "---|" * len(heads)]


def row(*cells: str) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"

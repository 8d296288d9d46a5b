"""What a published version was worth, from the losses that it keeps."""

import msgspec

from models.errors import ArtifactUnsound
from models.manifest import Score
from models.store import ArtifactStore
from models.typing import Json, JsonObject
from training.kit.config import plain
from training.kit.evaluation import by_symbol, by_year
from training.kit.losses import LOSSES_NAME, Losses, LossesInvalid, TierLosses


class TierEvaluation(msgspec.Struct, frozen=True, kw_only=True):
    """What a version's own out-of-sample losses say of one tier. ``years`` and ``symbols`` hold n and skill each."""

    tier: int
    metric: str
    baseline: str
    n: int
    loss: float
    naive: float
    scores: tuple[Score, ...]
    figures: Json
    years: Json
    symbols: Json


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """A published version, evaluated on the losses that it keeps."""

    model: str
    version: str
    tiers: tuple[TierEvaluation, ...]

    def as_json(self) -> JsonObject:
        """Return it as JSON."""
        return plain(self)

    def table(self) -> str:
        """Return it for a terminal."""
        lines = [f"{self.model} {self.version}"]
        for tier in self.tiers:
            lines.append(f"tier {tier.tier}: loss {tier.loss:.6g}, {tier.baseline} {tier.naive:.6g}, n {tier.n:,}")
            for score in tier.scores:
                interval = "" if score.ci95 is None else f" [{score.ci95[0]:+.4f}, {score.ci95[1]:+.4f}]"
                worth = f"{score.value:+.4f}{interval} against {score.baseline}: {score.verdict}"
                lines.append(f"  {score.metric:<24} {worth}")
            lines += [f"  by year    {_groups(tier.years)}", f"  by symbol  {_groups(tier.symbols)}"]
        return "\n".join(lines)


def evaluate(store: ArtifactStore, model: str, version: str | None = None) -> Evaluation:
    """Return what a published version was worth, from its stored losses and figures; no model is asked anything.

    Parameters
    ----------
    store : ArtifactStore
        Where it is.
    model : str
        Name of the model.
    version : str or None
        None: the one that serves.

    Raises
    ------
    ArtifactError
        It is not there, or not what was published.
    ArtifactUnsound
        It keeps no losses that can be read, as versions of an early release.

    """
    artifact = store.read(model, version)
    manifest = artifact.manifest
    try:
        kept = Losses.load(artifact.files[LOSSES_NAME])
        told = msgspec.json.decode(artifact.files["evaluation.json"], type=_Told)
    except (KeyError, LossesInvalid, msgspec.MsgspecError) as error:
        message = f"expected the losses and figures of {model} {manifest.version}, found otherwise: {error}"
        raise ArtifactUnsound(f"{message}; train it again") from error
    figures = {tier.tier: tier.figures for tier in told.tiers}
    scores = {tier.tier: tier.scores for tier in manifest.tiers}
    tiers = tuple(_evaluated(tier, kept.symbols, scores[tier.tier], figures.get(tier.tier)) for tier in kept.tiers)
    return Evaluation(model=model, version=manifest.version, tiers=tiers)


class _ToldTier(msgspec.Struct, frozen=True):
    tier: int
    figures: Json = None


class _Told(msgspec.Struct, frozen=True):
    """What `evaluate` reads of ``evaluation.json``."""

    tiers: tuple[_ToldTier, ...]


def _evaluated(tier: TierLosses, symbols: tuple[str, ...], scores: tuple[Score, ...], figures: Json) -> TierEvaluation:
    own, naive = tier.model, tier.naive
    return TierEvaluation(
        tier=tier.tier,
        metric=tier.metric,
        baseline=tier.baseline,
        n=len(own),
        loss=float(own.mean()),
        naive=float(naive.mean()),
        scores=scores,
        figures=figures,
        years=by_year(own, naive, tier.date, ratio=tier.relative),
        symbols=by_symbol(own, naive, tier.symbol, symbols, ratio=tier.relative),
    )


def _groups(groups: Json) -> str:
    if not isinstance(groups, dict):
        return "none"
    parts = [(name, part["skill"]) for name, part in groups.items() if isinstance(part, dict)]
    return "  ".join(f"{name} {value:+.4f}" for name, value in parts if isinstance(value, float))

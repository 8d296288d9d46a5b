"""`manifest.json`: what an artifact is, what it was made from, how good it is, and which bytes belong to it.

Training makes a `Draft`; `models.store` gives it a version and the list of its files when it publishes, and from then
on it is a `Manifest`. Both are values: equal manifests encode to equal bytes, and ``decode(encode(m)) == m``.
"""

import datetime as dt
from typing import Annotated

import msgspec

from feature_mapper.feature import Needs
from models import strict_json
from models.errors import ManifestInvalid
from models.typing import JsonObject

PROTOCOL = 3
"""Number of the manifest's schema; a reader refuses every other number.

To change the schema: raise the number, keep the structs of the old number in ``models/manifest_v<old>.py`` with a
function that turns them into the new ones, let `decode` choose by the number, and add a manifest written under the old
number to the tests. A field that is only added still needs a new number, because unknown fields are refused.
"""

MANIFEST_NAME = "manifest.json"
"""File name of the manifest inside an artifact; it is the one file that does not list itself."""

# The OpenAPI document shows these patterns, and JSON Schema knows no `\Z`; Python's `$` also matches before a last line
# feed, which the lookahead refuses.
ModelName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$(?!\n)")]
"""``<variant>_<task>``. Also a folder and a part of a URL, hence the narrow alphabet."""

Version = Annotated[str, msgspec.Meta(pattern=r"^v[0-9]{6}$(?!\n)")]
"""``v000012``. Order comes from the number, never from a clock."""

FileName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.=-]{0,95}$(?!\n)")]
"""A plain file name: artifacts are flat, so no separator, no dot at the start."""

Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
"""A SHA-256 digest in lower-case hexadecimal."""

Count = Annotated[int, msgspec.Meta(ge=0)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
UtcTime = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class FeatureEntryStruct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature as the catalogue declared it when the model was fitted: the JSON twin of `FeatureEntry`.

    ``lookback`` counts bars, the as-of bar included; ``digest`` is the feature's digest in the catalogue.
    """

    name: str
    family: str
    unit: str
    lookback: Positive
    needs: Needs
    formula: str
    digest: str


class Score(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One out-of-sample score. ``ci95`` is None where no interval can be given; ``n`` counts the scored rows."""

    metric: str
    value: float
    ci95: tuple[float, float] | None
    n: Count
    baseline: str
    verdict: str


class CoveredYear(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which share of a calendar year's ``n`` rows lay inside a band."""

    year: int
    n: Positive
    share: Share


class Coverage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often a band held what came: on rows that no fit had seen, with widths learnt on earlier rows only.

    Attributes
    ----------
    level : float
        Share that the band promises.
    n : int
        Rows.
    overall : float
        Share of them inside.
    years : tuple of CoveredYear
        The same by calendar year, ascending.
    terciles : tuple of float
        The same where forecast volatility was low, middling and high: thirds of the rows.

    """

    level: Share
    n: Positive
    overall: Share
    years: Annotated[tuple[CoveredYear, ...], msgspec.Meta(min_length=1)]
    terciles: tuple[Share, Share, Share]


class Ranges(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which bars are like those of training.

    Attributes
    ----------
    lower, upper : tuple of float
        Of each feature, in the order of the tier: all but 0.1 % of the training rows lay above, and below. None for a
        feature that no training row had.
    most : int
        Features that may lie outside at a time: all but 0.1 % of the training rows had no more.
    vitals : dict of str to pair of float
        Least and largest of each of `models.vitals` over the training rows; beyond them nothing may lie.
    false_alarms : float
        Share of rows out of fold that are said to be strange, by ranges that were learnt on the rows of each fit: what
        an alarm is worth on days to come.

    """

    lower: tuple[float | None, ...]
    upper: tuple[float | None, ...]
    most: Count
    vitals: dict[str, tuple[float, float]]
    false_alarms: Share


class TierManifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fitted predictor.

    Attributes
    ----------
    tier : int
        Bars of history that it needs.
    features : tuple of FeatureEntryStruct
        Its input columns, in order.
    weights : str
        Name of the file that holds its weights.
    parameters : JSON object
        What the estimator was fitted with.
    head : JSON object
        What turns its raw output into the answer: calibration, conformal quantiles, scale coefficients.
    scores : tuple of Score
        Out-of-sample scores against the baselines; the first is the one that the answer's envelope shows.
    coverage : Coverage or None
        Of its band; None for a task without one.
    calibration : float or None
        Mean distance of forecast probabilities from frequencies, out of fold; None for a task without probabilities
        of what is scored.
    ranges : Ranges or None
        What its features, and the market, were like in training; None where that was not recorded.

    """

    tier: Positive
    features: tuple[FeatureEntryStruct, ...]
    weights: FileName
    parameters: JsonObject
    head: JsonObject
    scores: tuple[Score, ...]
    coverage: Coverage | None
    calibration: float | None
    ranges: Ranges | None


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is predicted. ``horizon`` counts exchange sessions after the as-of bar."""

    name: str
    definition: str
    horizon: Positive


class LeakCheck(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Result of one leak check of the training run."""

    name: str
    passed: bool
    detail: str


class Comparison(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A version against a rival on the same out-of-sample rows of one tier.

    Attributes
    ----------
    rival : str
        A version of the same model, or the name of the naive baseline.
    metric : str
        What the loss is that `gain` is measured in.
    n, days : int
        Rows that both forecast, and days that they lie on.
    gain : float
        The rival's mean loss less the version's: above 0, the version is better. In shares of the rival's mean loss
        where the metric is a skill, in units of the loss otherwise.
    interval : tuple of float
        Of the gain, two-sided, so that each end holds at the verdict's level divided by the number of tiers.
    verdict : str
        ``better``, ``not worse`` or ``worse``; ``the same`` where every loss is equal, ``too few days`` where there are
        too few to tell.

    """

    tier: Positive
    rival: str
    metric: str
    n: Count
    days: Count
    gain: float
    interval: tuple[float, float]
    verdict: str


class GateVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whether the promotion gate let the version through, and why.

    Attributes
    ----------
    promoted : bool
        Whether it may serve.
    reason : str
        One sentence with the figures that decided.
    label : str
        What the version may be called: one of `models.verdicts`.
    level : float
        Chance of an error of the first kind over all tiers together.
    margin : float
        Gain against the naive baseline below whose negative nothing is promoted.
    champion : str or None
        The version that served when the gate looked; None: there was none.
    comparisons : tuple of Comparison
        Against the naive baseline, then against the champion.

    """

    promoted: bool
    reason: str
    label: str
    level: float
    margin: float
    champion: Version | None
    comparisons: tuple[Comparison, ...]


def without_figures(*, promoted: bool, reason: str) -> GateVerdict:
    """Return a verdict that nothing was measured for."""
    return GateVerdict(
        promoted=promoted, reason=reason, label="not recorded", level=0.0, margin=0.0, champion=None, comparisons=()
    )


class Lineage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where a configuration came from: an experiment file, a study and its trial, the version that it started from."""

    experiment: str | None
    study: str | None
    trial: Count | None
    parent: Version | None


NO_LINEAGE = Lineage(experiment=None, study=None, trial=None, parent=None)
"""Of a version that was trained as its folder declares."""


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of the artifact: name, bytes, digest."""

    path: FileName
    size: Count
    sha256: Sha256


class Draft(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that training knows: a manifest that has no version and no files yet.

    Attributes
    ----------
    created : datetime
        With time zone; UTC.
    git_commit : str or None
        None where the code ran outside a checkout.
    libraries : dict of str to str
        Distribution name to version, for the libraries that made the weights.
    first_date, last_date : date
        Sessions of the first and the last training row.
    rows : int
        Training rows, all symbols together.
    data_fingerprint : str
        SHA-256 over the training bars.
    config : JSON object
        The whole configuration that the version was trained by, resolved; empty where none was recorded.
    lineage : Lineage
        Where that configuration came from.

    """

    protocol: int = PROTOCOL
    model: ModelName
    task: str
    family: str
    created: UtcTime
    git_commit: str | None
    libraries: dict[str, str]
    symbols: tuple[str, ...]
    first_date: dt.date
    last_date: dt.date
    rows: Count
    data_fingerprint: Sha256
    target: Target
    seed: int
    tiers: Annotated[tuple[TierManifest, ...], msgspec.Meta(min_length=1)]
    checks: tuple[LeakCheck, ...]
    gate: GateVerdict
    config: JsonObject
    lineage: Lineage

    def published(self, version: str, files: tuple[FileEntry, ...]) -> "Manifest":
        """Return the manifest that this draft becomes under a version, with its files."""
        fields = {name: getattr(self, name) for name in Draft.__struct_fields__}
        return Manifest(**fields, version=version, files=files)


class Manifest(Draft, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A draft that was published: with its version and every file that belongs to it, the manifest itself excepted."""

    version: Version
    files: tuple[FileEntry, ...]


class _Numbered(msgspec.Struct, frozen=True):
    protocol: int


def encode(manifest: Draft) -> bytes:
    """Return the manifest as JSON, indented, with a newline at the end.

    Raises
    ------
    ManifestInvalid
        A value that JSON has no word for (NaN, infinity), or a field against its rule: whatever `decode` would refuse.

    """
    _check_protocol(manifest.protocol)
    try:
        data = strict_json.encode(manifest)
        msgspec.json.decode(data, type=type(manifest))  # msgspec checks rules when it reads, not when it builds
    except (strict_json.NotJson, msgspec.MsgspecError) as error:
        message = f"the manifest of {manifest.model} can't be written: {error}; correct the field that is named"
        raise ManifestInvalid(message) from error
    return msgspec.json.format(data, indent=1) + b"\n"


def decode(data: bytes) -> Manifest:
    """Read a manifest strictly: unknown fields, wrong types and other protocols are refused.

    Manifests of earlier protocols are turned into today's.

    Raises
    ------
    ManifestInvalid
        Naming the field, or the protocol found and the one expected.

    """
    try:
        numbered = msgspec.json.decode(data, type=_Numbered)
        if numbered.protocol == 1:
            from models import manifest_v1

            return manifest_v1.decode(data)
        if numbered.protocol == 2:
            from models import manifest_v2

            return manifest_v2.decode(data)
        _check_protocol(numbered.protocol)
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f"{MANIFEST_NAME} is not a manifest of protocol {PROTOCOL}: {error}; train and publish again"
        raise ManifestInvalid(message) from error


def _check_protocol(found: int) -> None:
    if found != PROTOCOL:
        message = f"{MANIFEST_NAME}: expected protocol {PROTOCOL}, found {found}"
        raise ManifestInvalid(f"{message}; use the release that wrote it, or train again")

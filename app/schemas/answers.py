"""Answers of the service. No field has a default: a client sees every field, every time."""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Model = Annotated[str, Meta(description="Name of the model.", examples=["lightgbm_direction"])]
Version = Annotated[str, Meta(description="Version of the model that computed the answer.", examples=["v000003"])]
Probability = Annotated[float, Meta(ge=0, le=1)]


class Struct(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every answer."""


class Fault(Struct, frozen=True):
    """One place in the body that breaks a rule."""

    pointer: Annotated[str, Meta(description="JSON Pointer into the body sent.", examples=["/bars/17/close"])]
    detail: Annotated[str, Meta(description="What was expected there and what was found.")]


class Problem(Struct, frozen=True):
    """Every answer that is not a success (RFC 9457)."""

    type: Annotated[str, Meta(description="Page of this service that explains the problem.")]
    title: Annotated[str, Meta(description="The problem in a few words; the same for every case of it.")]
    status: Annotated[int, Meta(description="HTTP status.", ge=400, le=599)]
    detail: Annotated[str, Meta(description="What was expected, what was found, what to do.")]
    request_id: Annotated[str, Meta(description="Same as header X-Request-ID; finds the request in the log.")]
    errors: Annotated[list[Fault], Meta(description="Places in the body, at most 20.", max_length=20)]


class Interval(Struct, frozen=True):
    """A band that held a share ``level`` of the out-of-sample outcomes."""

    level: Annotated[float, Meta(description="Share of outcomes inside the band.", gt=0, lt=1)]
    lower: Annotated[float, Meta(description="Lower end.")]
    upper: Annotated[float, Meta(description="Upper end.")]


class History(Struct, frozen=True):
    """How much history the answer rests on."""

    bars: Annotated[int, Meta(description="Bars at hand, up to as-of.")]
    tier: Annotated[int | None, Meta(description="Bars that the predictor which answered looks at; null: fallback.")]
    full_tier: Annotated[int | None, Meta(description="Bars that the model's best predictor looks at.")]


class WorstYear(Struct, frozen=True):
    """The calendar year in which a band held least."""

    year: Annotated[int, Meta(description="Calendar year.")]
    share: Annotated[float, Meta(description="Share of its rows inside the band.", ge=0, le=1)]
    n: Annotated[int, Meta(description="Its rows; of few, the share says little.", ge=1)]


class TercileCoverage(Struct, frozen=True):
    """Share of rows inside a band, by thirds of the volatility that was forecast for them."""

    calm: Probability
    middling: Probability
    rough: Probability


class BandCoverage(Struct, frozen=True):
    """How often the model's band held what came, out of sample, at the level that it answers with unasked."""

    level: Annotated[float, Meta(description="Share of outcomes that the band promises.", gt=0, lt=1)]
    overall: Annotated[float, Meta(description="Share of outcomes that it held.", ge=0, le=1)]
    worst_year: WorstYear
    by_tercile: TercileCoverage


class Skill(Struct, frozen=True):
    """What the model was worth out of sample, against a naive baseline on the same rows."""

    metric: Annotated[str, Meta(description="Score; 0 is the baseline, 1 is perfect.", examples=["log_loss_skill"])]
    value: Annotated[float, Meta(description="The score measured.")]
    ci95: Annotated[tuple[float, float], Meta(description="95 % interval of the score.")]
    n: Annotated[int, Meta(description="Rows it was measured on.")]
    baseline: Annotated[str, Meta(description="The naive answer it was measured against.", examples=["base_rate"])]
    verdict: Annotated[
        str,
        Meta(
            description="The score in words: `better than naive`, `weak` (better by little) or `no measurable skill`.",
            examples=["no measurable skill"],
        ),
    ]
    coverage: Annotated[BandCoverage | None, Meta(description="What its band held; null without a band, or a record.")]
    calibration: Annotated[
        Annotated[float, Meta(ge=0)] | None,
        Meta(description="Mean distance of its probabilities from frequencies; null without such, or a record."),
    ]


AbstainCode = Literal["no_skill", "out_of_distribution", "stale_data", "short_tier", "fallback"]


class AbstainReason(Struct, frozen=True):
    """One reason not to act on an answer."""

    code: Annotated[AbstainCode, Meta(description="Which reason.")]
    detail: Annotated[str, Meta(description="What was found.")]


class Abstain(Struct, frozen=True):
    """Whether to leave the answer alone. It is given all the same."""

    advised: Annotated[bool, Meta(description="Whether there is any reason.")]
    reasons: list[AbstainReason]


class Explanation(Struct, frozen=True):
    """How an answer came about; of one of the kinds below."""


class Contribution(Struct, frozen=True):
    """What one feature adds to the margin of an answer."""

    feature: Annotated[str, Meta(description="Name in the catalogue.", examples=["session_volatility_log_ratio_1_21"])]
    meaning: Annotated[str, Meta(description="What it is: its formula, in full.")]
    unit: Annotated[str, Meta(description="Unit of its value.", examples=["log ratio"])]
    value: Annotated[float | None, Meta(description="Its value as of the last bar; null: the bars do not fill it.")]
    contribution: Annotated[float, Meta(description="What it adds to the margin: its Shapley value.")]
    effect: Annotated[float | None, Meta(description="The same in `effect_unit`; null where there is none.")]


class Rest(Struct, frozen=True):
    """All features that are not named, together."""

    features: Annotated[int, Meta(description="How many they are.", ge=0)]
    contribution: Annotated[float, Meta(description="What they add to the margin.")]
    effect: Annotated[float | None, Meta(description="The same in `effect_unit`; null where there is none.")]


class Contributions(Explanation, frozen=True):
    """What features add to the margin that an answer is made of: base + contributions + rest = margin, within 1e-9.

    Exact Shapley values of the trees (TreeSHAP, path-dependent): a feature that is not known follows the rows of
    training. They say what the model did with the bars, not what moves markets.
    """

    kind: Literal["contributions"]
    unit: Annotated[str, Meta(description="Unit of margin, base and contributions.", examples=["log odds of up"])]
    base: Annotated[float, Meta(description="The margin where no feature is known: its mean over training.")]
    margin: Annotated[float, Meta(description="What the model's trees give for these bars.")]
    contributions: Annotated[
        list[Contribution],
        Meta(description="Largest first, by size; those that add nothing are left out.", max_length=8),
    ]
    rest: Rest
    effect_unit: Annotated[
        str | None, Meta(description="Unit of the answer that effects add up to; null: the answer is no sum of them.")
    ]
    effect_base: Annotated[float | None, Meta(description="`base` in `effect_unit`.")]
    effect_total: Annotated[
        float | None, Meta(description="`margin` in `effect_unit`: effect_base, effects and rest, within 1e-9.")
    ]


class Envelope(Struct, frozen=True):
    """What every answer of a model says about itself."""

    model: Model
    model_version: Annotated[str | None, Meta(description="Version that computed the answer; null: no version could.")]
    symbol: Annotated[str | None, Meta(description="Symbol asked about, if one was named.")]
    as_of: Annotated[dt.date | None, Meta(description="Last bar known; null if the bars carry no dates.")]
    target_date: Annotated[dt.date | None, Meta(description="Session that the answer is about; null without as_of.")]
    horizon: Annotated[int, Meta(description="Exchange sessions ahead.", ge=1)]
    history: History
    skill: Annotated[Skill | None, Meta(description="Measured worth; null: none was measured for what answered.")]
    abstain: Annotated[Abstain, Meta(description="Whether this answer had better not be acted on, and why.")]
    source: Annotated[Literal["model", "fallback"], Meta(description="Who answered: the model, or a rule of thumb.")]
    reason: Annotated[str | None, Meta(description="Why a fallback answered; null if the model did.")]
    warnings: Annotated[list[str], Meta(description="What is unusual about the input or the answer.")]
    explanation: Annotated[
        Explanation | None,
        Meta(description="How the answer came about; null: `explain` was not true, or see warnings."),
    ]


class MarginAnswer(Envelope, frozen=True):
    """What every answer of trees says about itself."""

    explanation: Annotated[
        Contributions | None,
        Meta(description="What each feature adds; null: `explain` was not true, or see warnings."),
    ]


class ReturnAnswer(MarginAnswer, frozen=True):
    """Log return over the horizon."""

    expected_return: Annotated[float, Meta(description="Log return from the as-of close to the close of target_date.")]
    interval: Annotated[Interval | None, Meta(description="Conformal band of the return; null for a fallback.")]


class DirectionAnswer(MarginAnswer, frozen=True):
    """Whether the last session of the horizon closes higher."""

    direction: Annotated[
        Literal["up", "down"], Meta(description="Likelier direction, from the as-of close to that of target_date.")
    ]
    probability_up: Annotated[float, Meta(description="Calibrated probability of a higher close.", ge=0, le=1)]


class VolatilityAnswer(MarginAnswer, frozen=True):
    """Volatility of a session, over the horizon."""

    volatility: Annotated[
        float,
        Meta(description="Root of the forecast mean variance (Garman-Klass plus squared overnight gap) of a session."),
    ]
    volatility_annualized: Annotated[float, Meta(description="The same over 252 sessions.")]
    interval: Annotated[Interval | None, Meta(description="Band of the realised volatility; null for a fallback.")]


class RiskProbabilities(Struct, frozen=True):
    """Probability of each risk class; they add up to 1."""

    LOW: Probability
    MEDIUM: Probability
    HIGH: Probability


class RiskAnswer(MarginAnswer, frozen=True):
    """Risk class of the next five sessions, by the symbol's own standards."""

    risk: Annotated[Literal["LOW", "MEDIUM", "HIGH"], Meta(description="Tercile of realised volatility to come.")]
    code: Annotated[Literal[0, 1, 2], Meta(description="0 is LOW, 1 MEDIUM, 2 HIGH.")]
    probabilities: Annotated[RiskProbabilities | None, Meta(description="Of each class; null for a fallback.")]


class RegimeProbabilities(Struct, frozen=True):
    """Probability of each regime; they add up to 1."""

    bear: Probability
    neutral: Probability
    bull: Probability


class RegimeStep(Struct, frozen=True):
    """The regimes of one session, by the bars up to it in the window of the answer."""

    date: Annotated[dt.date | None, Meta(description="The session; null if the bars carry no dates.")]
    regime: Annotated[Literal["bear", "neutral", "bull"], Meta(description="Likeliest regime on that day.")]
    probabilities: RegimeProbabilities


class RegimeLikelihoods(Struct, frozen=True):
    """Log density of the last bar's return over volatility, and of that relative to the usual, in each regime.

    Only differences between them matter.
    """

    bear: float
    neutral: float
    bull: float


class LastStep(Struct, frozen=True):
    """What the last bar changed: probabilities are proportional to expected * exp(log_likelihood)."""

    log_return: Annotated[
        float | None,
        Meta(description="Of the last close from the one before; null: answered by one bar alone, or no range."),
    ]
    volatility: Annotated[
        float | None,
        Meta(
            description="Root of the last bar's Garman-Klass variance plus squared overnight gap; by one bar alone "
            "that of its range, judged with the mean night; null: its high is its low."
        ),
    ]
    usual_volatility: Annotated[
        float, Meta(description="Of the sessions before, and of all symbols: wild and calm are relative to it.")
    ]
    expected: Annotated[RegimeProbabilities, Meta(description="Those of the session before, a step of the filter on.")]
    log_likelihood: RegimeLikelihoods
    probabilities: Annotated[RegimeProbabilities, Meta(description="After it: those of the answer.")]


class States(Explanation, frozen=True):
    """The regimes of the last sessions, in the one pass over the bars that ends in the answer, and its last step."""

    kind: Literal["states"]
    path: Annotated[list[RegimeStep], Meta(description="Oldest first, up to as-of.", min_length=1, max_length=20)]
    last_step: LastStep


class RegimeAnswer(Envelope, frozen=True):
    """Market regime as of the last bar, judged by bars up to it only."""

    regime: Annotated[Literal["bear", "neutral", "bull"], Meta(description="Likeliest regime now.")]
    probabilities: Annotated[RegimeProbabilities | None, Meta(description="Filtered: later bars never change them.")]
    confidence: Annotated[Probability | None, Meta(description="Probability of the likeliest regime.")]
    next_probabilities: Annotated[RegimeProbabilities | None, Meta(description="One session ahead.")]
    expected_duration: Annotated[
        float | None, Meta(description="Sessions that a stay in this regime lasts on average, by the chain.")
    ]
    backend: Annotated[str, Meta(description="What computed it.", examples=["hmm"])]
    explanation: Annotated[
        States | None,
        Meta(description="How the regimes of late led here; null: `explain` was not true, or see warnings."),
    ]


class ForecastPoint(Struct, frozen=True):
    """One session of a forecast path."""

    ds: Annotated[dt.date | None, Meta(description="Exchange session; null if the history carries no dates.")]
    yhat: Annotated[float, Meta(description="Forecast close.")]
    yhat_lower: Annotated[float | None, Meta(description="Lower end of the band; null for a fallback.")]
    yhat_upper: Annotated[float | None, Meta(description="Upper end of the band; null for a fallback.")]


class Regressor(Struct, frozen=True):
    """Future values of one regressor and where they come from."""

    values: Annotated[list[float], Meta(description="One value a session of the forecast.")]
    source: Annotated[str, Meta(description="Given by the request, or how they were filled.", examples=["request"])]


class PathParts(Struct, frozen=True):
    """What moves the log price from the last close to one session of the path."""

    ds: Annotated[dt.date | None, Meta(description="Exchange session, as in `forecast`.")]
    trend: float
    seasonalities: Annotated[dict[str, float], Meta(description="By name; empty where none was fitted.")]
    regressors: Annotated[dict[str, float], Meta(description="By name, each from its value as of the last bar on.")]
    total: Annotated[float, Meta(description="Their sum: log of yhat / last_close, within 1e-9.")]


class Components(Explanation, frozen=True):
    """What the path is the sum of, session by session."""

    kind: Literal["components"]
    unit: Annotated[str, Meta(description="Unit of the parts and of their total.")]
    last_close: Annotated[float, Meta(description="Price that the path continues from.")]
    components: Annotated[list[PathParts], Meta(description="One row a session, nearest first.", min_length=1)]


class ForecastAnswer(Envelope, frozen=True):
    """Price path over the next sessions."""

    level: Annotated[float | None, Meta(description="Share of outcomes that the band holds; null for a fallback.")]
    forecast: Annotated[list[ForecastPoint], Meta(description="One row a session, nearest first.", min_length=1)]
    regressors: Annotated[dict[str, Regressor], Meta(description="Regressors of the model, by name.")]
    explanation: Annotated[
        Components | None,
        Meta(description="What the path is the sum of; null: `explain` was not true, or see warnings."),
    ]


class Flag(Struct, frozen=True):
    """One contradiction between models."""

    code: Annotated[str, Meta(description="Which rule.", examples=["returns-disagree"])]
    meaning: Annotated[str, Meta(description="What the rule says.")]
    detail: Annotated[str, Meta(description="Which models said what.")]


class EverythingAnswer(Struct, frozen=True):
    """Every model about one input."""

    symbol: Annotated[str | None, Meta(description="Symbol asked about, if one was named.")]
    as_of: Annotated[dt.date | None, Meta(description="Last bar known; null if the bars carry no dates.")]
    answers: Annotated[dict[str, Any], Meta(description="By model: what its own route answers for this input.")]
    coherence: Annotated[list[Flag], Meta(description="Where the models contradict each other; empty if nowhere.")]
    warnings: Annotated[list[str], Meta(description="What is unusual about the input.")]

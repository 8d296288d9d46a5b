"""Predictions: one route a model, and all of them together."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from app import problems
from app.context import builds_calendar
from app.decoding import read_body, require_json
from app.desk import Desk
from app.horizons import Horizons, by_path
from app.operations import Body, Endpoint, Operation, json_response
from app.plane import Answer
from app.queries import BarsQuery, ForecastQuery, Observations
from app.routers.access import desk, require_query
from app.schemas import answers, forms, what_if
from app.schemas.requests import ForecastRequest, IntervalRequest, PredictRequest, RegimeRequest, WhatIfRequest
from models.tasks.registry import task_of

ANSWERS: Final[dict[str, type[answers.Envelope]]] = {
    "return": answers.ReturnAnswer,
    "direction": answers.DirectionAnswer,
    "volatility": answers.VolatilityAnswer,
    "risk": answers.RiskAnswer,
    "regime": answers.RegimeAnswer,
    "forecast": answers.ForecastAnswer,
}
"""Answer of each task."""

SUPPOSED: Final[dict[str, type[what_if.WhatIfAnswer]]] = {
    "return": what_if.ReturnWhatIf,
    "direction": what_if.DirectionWhatIf,
    "volatility": what_if.VolatilityWhatIf,
    "risk": what_if.RiskWhatIf,
    "regime": what_if.RegimeWhatIf,
}
"""Answer of each task of bars to a hypothetical one."""

REFUSALS: Final = (
    problems.UNKNOWN_SYMBOL,
    problems.UNKNOWN_VERSION,
    problems.NO_VERSION_THEN,
    problems.NO_SUCH_DATE,
    problems.HISTORY_CONFLICT,
    problems.MODEL_UNAVAILABLE,
    problems.NOT_READY,
    problems.DATA_UNAVAILABLE,
)

VERSION_HEADER: Final = "X-Model-Version"

_VERSION: Final = VERSION_HEADER.lower().encode()


def operations(models: Iterable[str]) -> list[Operation]:
    """Return the operations of these models, the one that asks them all, and those that suppose a next bar."""
    paths = by_path(models)
    supposing = [
        _supposing(path, sharing) for path, sharing in paths.items() if task_of(sharing.usual).identity.name in SUPPOSED
    ]
    return [*(_operation(path, sharing) for path, sharing in paths.items()), EVERYTHING, *supposing]


def _operation(path: str, models: Horizons) -> Operation:
    task = task_of(models.usual).identity
    return Operation(
        method="POST",
        path=path,
        endpoint=_ENDPOINTS.get(task.name, _predict)(models),
        summary=f"{models.usual}: {task.name}",
        description=task.question + _others(models),
        tag="predict" if task.name != "forecast" else "forecast",
        answer=ANSWERS[task.name],
        body=_body(task.name, models),
        problems=REFUSALS + ((problems.HORIZON_TOO_FAR,) if task.name == "forecast" else ()),
    )


def _body(task: str, models: Horizons) -> Body:
    """Return what a path takes, with an example of each horizon that a request has to name."""
    body = _BODIES.get(task, PREDICT)
    others = [horizon for horizon, model in models.models.items() if model != models.usual]
    named: dict[str, forms.Body] = {
        f"{horizon} sessions ahead": {"symbol": "AAPL", "horizon": horizon} for horizon in others
    }
    return replace(body, examples={**body.examples, **named})


def _others(models: Horizons) -> str:
    """Return what a description says of the horizons that a request has to name."""
    others = ", ".join(f"{horizon} sessions ({model})" for horizon, model in models.models.items())
    return f" By `horizon`: {others}." if len(models.models) > 1 else ""


def _supposing(path: str, models: Horizons) -> Operation:
    task = task_of(models.usual).identity
    what = "What one hypothetical bar after the known ones would move in the answer."
    return Operation(
        method="POST",
        path=f"/what-if{path.removeprefix('/predict')}",
        endpoint=_what_if(models),
        summary=f"What if: {models.usual}",
        description=f"{what} {task.question}{_others(models)}",
        tag="what-if",
        answer=SUPPOSED[task.name],
        body=WHAT_IF,
        problems=REFUSALS,
    )


def _predict(models: Horizons) -> Endpoint:
    async def predict(request: Request) -> Response:
        """Answer one question about bars."""
        at = desk(request)
        query = at.queries.predict(await _json(request, at))
        model = models.at(query.horizon)
        return _answer(await _asked(query, lambda: at.predict(model, query)))

    return predict


def _interval(models: Horizons) -> Endpoint:
    async def interval(request: Request) -> Response:
        """Answer one question about bars, with an interval."""
        at = desk(request)
        query = at.queries.interval(await _json(request, at))
        model = models.at(query.horizon)
        return _answer(await _asked(query, lambda: at.predict(model, query)))

    return interval


def _regime(models: Horizons) -> Endpoint:
    async def regime(request: Request) -> Response:
        """Answer from bars or from ready-made observations."""
        at = desk(request)
        query = at.queries.regime(await _json(request, at))
        if isinstance(query, Observations):
            return _answer(await _asked(query, lambda: at.regime_of(models.usual, query)))
        model = models.at(query.horizon)
        return _answer(await _asked(query, lambda: at.predict(model, query)))

    return regime


def _forecast(models: Horizons) -> Endpoint:
    async def forecast(request: Request) -> Response:
        """Answer with a price path."""
        at = desk(request)
        query = at.queries.forecast(await _json(request, at))
        return _answer(await _asked(query, lambda: at.forecaster.forecast(models.usual, query)))

    return forecast


def _what_if(models: Horizons) -> Endpoint:
    async def suppose(request: Request) -> Response:
        """Answer before and after a hypothetical bar."""
        at = desk(request)
        query = at.queries.what_if(await _json(request, at))
        model = models.at(query.question.horizon)
        return json_response(await _asked(query.question, lambda: at.what_if.answer(model, query)))

    return suppose


async def everything(request: Request) -> Response:
    """Answer one question by every model, and say where they contradict each other."""
    at = desk(request)
    query = at.queries.interval(await _json(request, at))
    return json_response(await _asked(query, lambda: at.together(query)))


async def _json(request: Request, at: Desk) -> bytes:
    require_query(request)
    require_json(request)
    return await read_body(request, at.body_timeout_seconds)


async def _asked(query: BarsQuery | Observations | ForecastQuery, ask: Callable[[], Answer]) -> Answer:
    """Answer at once, as that takes less than handing it to a thread; in a thread where it may take long."""
    slow = query.version is not None or query.explain or builds_calendar(query.symbol)
    return await run_in_threadpool(ask) if slow else ask()


def _answer(answer: Answer) -> Response:
    """Return the answer of one model, with its version as a header too, for proxies and logs."""
    version = answer["model_version"]
    headers = () if version is None else ((_VERSION, str(version).encode()),)
    return json_response(answer, *headers)


_ENDPOINTS: Final[dict[str, Callable[[Horizons], Endpoint]]] = {
    "return": _interval,
    "volatility": _interval,
    "regime": _regime,
    "forecast": _forecast,
}


def _examples(allowed: Iterable[forms.Form]) -> dict[str, forms.Body]:
    return {name: body for form in allowed for name, body in form.examples.items()}


PREDICT: Final = Body(struct=PredictRequest, forms=forms.PREDICT_FORMS, examples=_examples(forms.PREDICT_FORMS))

INTERVAL: Final = Body(
    struct=IntervalRequest,
    forms=forms.INTERVAL_FORMS,
    examples={**_examples(forms.INTERVAL_FORMS), **forms.INTERVAL_EXAMPLES},
)
WHAT_IF: Final = Body(struct=WhatIfRequest, forms=forms.WHAT_IF_FORMS, examples=_examples(forms.WHAT_IF_FORMS))

_BODIES: Final = {
    "return": INTERVAL,
    "volatility": INTERVAL,
    "regime": Body(struct=RegimeRequest, forms=forms.REGIME_FORMS, examples=_examples(forms.REGIME_FORMS)),
    "forecast": Body(struct=ForecastRequest, examples=forms.FORECAST_EXAMPLES),
}

EVERYTHING: Final = Operation(
    method="POST",
    path="/predict",
    endpoint=everything,
    summary="Every model about one input",
    description="One feature pass for all models; `coherence` names where their answers contradict each other. With "
    "`horizon`, the models of that horizon are asked and no others; without it, of each path the usual one.",
    tag="predict",
    answer=answers.EverythingAnswer,
    body=INTERVAL,
    problems=REFUSALS,
)

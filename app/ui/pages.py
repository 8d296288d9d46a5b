"""HTML pages, built from the same data as the JSON answers. Every text is escaped where it enters a page."""

from collections.abc import Iterable
from html import escape
from http import HTTPStatus

from app import problems
from app.problems import ProblemType
from app.schemas.status import ModelHealth, StatusCard

_LINKS = (
    ("/docs", "Try it out"),
    ("/health", "Health"),
    ("/models", "Models"),
    ("/symbols", "Symbols"),
    ("/problems", "Problems"),
    ("/openapi.json", "OpenAPI"),
)

_CONDITION_CLASS = {"serving": "ok", "missing": "degraded"}
"""Colour of a model's state; every other one is that of `unavailable`."""


def status_page(card: StatusCard) -> str:
    """Return the card at `/`: is it working, what serves, what was it ever worth."""
    found = card.health
    serving = sum(model.state == "serving" for model in found.models)
    data = "no history stored" if card.data_to is None else f"{card.symbols} symbols, bars up to {card.data_to}"
    links = "".join(f'<a href="{path}">{name}</a>' for path, name in _LINKS)
    cards = "".join(_model_card(model) for model in found.models)
    return _page(
        "Barcast",
        f"<h1>Barcast</h1>"
        f'<p><span class="state {found.status}">{found.status}</span> '
        f'<span class="soft">{serving} of {len(found.models)} models serve; {escape(data)}</span></p>'
        f"<nav>{links}</nav>"
        f'<h2>Models</h2><ul class="cards">{cards}</ul>',
        version=found.version,
    )


def _model_card(model: ModelHealth) -> str:
    if model.skill is None:
        worth = "No skill measured."
    else:
        low, high = model.skill.ci95
        worth = (
            f"<strong>{escape(model.skill.verdict)}</strong>: {escape(model.skill.metric)} {model.skill.value:.4f} "
            f"({low:.4f} to {high:.4f}, n = {model.skill.n}) against {escape(model.skill.baseline)}"
        )
    trained = "" if model.trained_to is None else f", trained up to {model.trained_to}"
    sessions = "1 session" if model.horizon == 1 else f"{model.horizon} sessions"
    reason = "" if model.reason is None else f"<p>{escape(model.reason)}</p>"
    return (
        f'<li class="card"><h3>{escape(model.model)}</h3>'
        f'<p><span class="state {_CONDITION_CLASS.get(model.state, "unavailable")}">{model.state}</span> '
        f'<span class="soft">{escape(model.version or "no version")}{trained}</span></p>{reason}'
        f'<p><code>{escape(model.path)}</code> <span class="soft">{sessions} ahead</span></p>'
        f'<p class="soft">{worth}</p></li>'
    )


def problem_list_page() -> str:
    """Return the page at `/problems`."""
    items = "".join(
        f'<li class="card"><h3><a href="{kind.uri}">{escape(kind.title)}</a></h3>'
        f'<p class="soft">{kind.status} <code>{kind.slug}</code></p></li>'
        for kind in problems.CATALOGUE
    )
    return _page(
        "Problems",
        "<h1>Problems</h1>"
        '<p class="soft">Every answer that is not a success is <code>application/problem+json</code> (RFC 9457). '
        f'Its <code>type</code> is one of these pages.</p><ul class="cards">{items}</ul>',
    )


def problem_page(kind: ProblemType) -> str:
    """Return the page of one problem type."""
    advice = "".join(f"<code>{part}</code>" if odd else part for odd, part in _code_parts(kind.advice))
    return _page(
        kind.title,
        f'<p class="soft"><a href="/problems">Problems</a></p><h1>{escape(kind.title)}</h1>'
        f'<p class="soft">{kind.status} {HTTPStatus(kind.status).phrase}, <code>{kind.slug}</code></p><p>{advice}</p>',
    )


def _code_parts(text: str) -> Iterable[tuple[bool, str]]:
    return ((n % 2 == 1, part) for n, part in enumerate(escape(text).split("`")))


def docs_page() -> str:
    """Return the interactive page; it needs JavaScript, and nothing from anywhere else."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Barcast: try it out</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="/docs/assets/icon.svg"><link rel="stylesheet" href="/docs/assets/swagger-ui.css">'
        '<link rel="stylesheet" href="/docs/assets/page.css">'
        '<script src="/docs/assets/swagger-ui-bundle.js"></script><script src="/docs/assets/docs.js"></script></head>'
        '<body class="swagger"><noscript>This page needs JavaScript. <a href="/openapi.json">/openapi.json</a> holds '
        'the same without.</noscript><div id="swagger-ui"></div></body></html>'
    )


def _page(title: str, content: str, *, version: str | None = None) -> str:
    about = "Forecasts with a statement of their worth. Not investment advice."
    running = "" if version is None else f" Barcast {escape(version)}."
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="icon" href="/docs/assets/icon.svg"><link rel="stylesheet" href="/docs/assets/page.css"></head>'
        f"<body><main>{content}<footer>{about}{running}</footer></main></body></html>"
    )

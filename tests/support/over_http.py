"""Requests to a real server, and answers in the form that `contract` takes."""

import httpx2

from tests.support.contract import Answer


def ask(url: str, method: str, path: str, body: bytes | None = None, media: str | None = "application/json") -> Answer:
    """Send one request over a connection of its own; a path may carry a query."""
    headers = {} if body is None or media is None else {"Content-Type": media}
    with httpx2.Client(base_url=url, timeout=30) as client:
        answer = client.request(method, path, content=body, headers=headers)
    return Answer(answer.status_code, dict(answer.headers), answer.content)

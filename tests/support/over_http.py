"""Requests to a real server, and answers in the form that `contract` takes."""

import http.client
from urllib.parse import urlsplit

from tests.support.contract import Answer


def ask(url: str, method: str, path: str, body: bytes | None = None, media: str | None = "application/json") -> Answer:
    """Send one request over a connection of its own; a path may carry a query."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, body, {} if body is None or media is None else {"Content-Type": media})
        answer = connection.getresponse()
        headers = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, headers, answer.read())
    finally:
        connection.close()

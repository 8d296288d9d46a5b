"""Clients that ask all the time and compare each answer, to the byte, with what its own version says."""

import http.client
import json
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

HEADERS = {"Content-Type": "application/json"}

Oracle = Mapping[str, Sequence[bytes]]
"""What each version answers to each question."""


@dataclass(slots=True)
class Tally:
    """What one client saw.

    Attributes
    ----------
    asked : list of (float, float)
        When each answer was there, on the monotonic clock, and how many seconds it took.
    failed : list of str
        Answers other than 200, and connections that broke.
    mixed : list of str
        Answers that are not, to the byte, those of the version that they name.

    """

    asked: list[tuple[float, float]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)


class Client:
    """One connection, kept open."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._connection.connect()
        self.local_port: int = self._connection.sock.getsockname()[1]

    def post(self, path: str, body: bytes, headers: Mapping[str, str] = HEADERS) -> tuple[int, bytes]:
        """Post a body; return status and answer."""
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self) -> None:
        """Close."""
        self._connection.close()


def version_of(answer: bytes) -> str | None:
    """Return the version that an answer names."""
    version: str | None = json.loads(answer)["model_version"]
    return version


def judge(tally: Tally, oracle: Oracle, number: int, status: int, answer: bytes) -> None:
    """Note what is wrong with the answer to question ``number``."""
    if status != http.HTTPStatus.OK:
        tally.failed.append(f"{status}: {answer[:200]!r}")
        return
    version = version_of(answer)
    if version is None or version not in oracle or answer != oracle[version][number]:
        tally.mixed.append(f"question {number} by {version}: {answer[:200]!r}")


class Crowd:
    """Clients in threads, from entry to exit of a ``with`` block."""

    def __init__(self, port: int, path: str, questions: Sequence[bytes], oracle: Oracle, clients: int) -> None:
        """Prepare."""
        self._port, self._path, self._questions, self._oracle = port, path, questions, oracle
        self._over = threading.Event()
        self.tallies = [Tally() for _ in range(clients)]
        self._threads = [
            threading.Thread(target=self._ask, args=(tally, first)) for first, tally in enumerate(self.tallies)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, tally: Tally, first: int) -> None:
        client, number = Client(self._port), first
        while not self._over.is_set():
            number = (number + 1) % len(self._questions)
            begun = time.monotonic()
            try:
                status, answer = client.post(self._path, self._questions[number])
            except (OSError, http.client.HTTPException) as error:
                tally.failed.append(repr(error))
                client.close()
                try:
                    client = Client(self._port)
                except OSError:
                    return
                continue
            done = time.monotonic()
            tally.asked.append((done, done - begun))
            judge(tally, self._oracle, number, status, answer)
        client.close()

    def requests(self) -> int:
        """Return how many answers came."""
        return sum(len(tally.asked) for tally in self.tallies)

    def failed(self) -> list[str]:
        """Return what failed."""
        return [line for tally in self.tallies for line in tally.failed]

    def mixed(self) -> list[str]:
        """Return what was mixed."""
        return [line for tally in self.tallies for line in tally.mixed]

    def latencies(self, since: float, until: float) -> list[float]:
        """Return the seconds that answers took which came in a stretch of the monotonic clock, ascending."""
        return sorted(took for tally in self.tallies for when, took in tally.asked if since <= when < until)


def percentile(ascending: Sequence[float], share: float) -> float:
    """Return the value that a share of the others does not exceed."""
    return ascending[min(int(len(ascending) * share), len(ascending) - 1)]

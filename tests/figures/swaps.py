"""Swaps of versions under load, on a real server: what fails, what is mixed, what memory it takes, how long it takes.

Two versions of one model take turns, by the route of an admin and, now and then, in the store behind the server's back.
Clients ask all the while; each answer is compared, to the byte, with what the version that it names had said before.
Exit code 1: something failed, was mixed, came from a version that had been replaced, or memory grew with the swaps.
"""

import argparse
import json
import math
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models.store import ArtifactStore
from tests.app.two_versions import FIRST, MODEL, PATH, SECOND, two_versions
from tests.figures.counts import say
from tests.figures.crowd import HEADERS, Client, Crowd, Oracle, percentile, version_of
from tests.figures.server import ADMIN_KEY, Server, serving
from tests.support.questions import sample_columns
from training.kit.fleet import train_all

SWAPS: Final = 1000
CLIENTS: Final = 3
STEADY_S: Final = 10.0
"""How long clients ask before the first swap, for comparison; and how long a promotion in the store may go unseen."""

EACH_IN_STORE: Final = 20
"""Every so many swaps one is made in the store, and found by the watch of the server."""

MOST_KIB: Final = 1.0
"""Growth of resident memory a swap, above its noise, that is called a leak; a version takes 400 KiB."""

MOST_RISE_KIB: Final = 2304.0
"""Growth after the warm-up that is called a leak, however it came: more than one leap and its noise. A table of the
interpreter that outgrows its size takes 1.8 MiB more at once: 2,100 swaps saw it after 920, and nothing else."""

WARM_UP: Final = 0.25
"""Share of the swaps after which memory is looked at: before, the allocator still fills its pools."""

PARTS: Final = 10
"""Stretches that the memory curve is cut into. What leaks, leaks in most of them; what is allocated once is in one."""

CONNECTIONS: Final = 32
ASKERS: Final = 8
"""Threads that open them."""

PAUSE_S: Final = 0.05
"""Time between two rounds: short against what is measured, and long enough to leave the workers to themselves."""

PROPAGATION_S: Final = 2.0
CHANGES: Final = 10
"""Promotions, and as many rollbacks, whose way to two workers is timed."""

QUESTIONS: Final[tuple[object, ...]] = (
    {"open": 100, "high": 101, "low": 99, "close": 100.5, "volume": 10000},
    {"bars": sample_columns(30)},
    {"bars": sample_columns(260)},
    {"symbol": "AAPL"},
    {"symbol": "IBM", "as_of": "2012-06-29"},
)


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth of memory in KiB: a swap, with its standard error, and from first to last."""

    kib: float
    error: float
    rise: float

    @property
    def leaks(self) -> bool:
        """Tell whether memory measurably grows with the swaps, or has grown by too much in leaps."""
        return self.kib - 2 * self.error > MOST_KIB or self.rise > MOST_RISE_KIB


@dataclass(frozen=True, slots=True)
class Swapped:
    """What one worker did under load. Seconds, and memory in KiB."""

    swaps: int
    in_store: int
    requests: int
    failed: list[str]
    mixed: list[str]
    stale: int
    seconds: float
    steady_p50: float
    steady_p99: float
    swapping_p50: float
    swapping_p99: float
    slowest: float
    memory: list[float]
    descriptors: tuple[int, int]

    @property
    def slope(self) -> Slope:
        """Return the growth after the warm-up."""
        return slope(self.memory[int(len(self.memory) * WARM_UP) :])

    @property
    def sound(self) -> bool:
        """Tell whether everything held."""
        return not (self.failed or self.mixed or self.stale or self.slope.leaks)


def slope(memory: Sequence[float]) -> Slope:
    """Fit a line to each of `PARTS` stretches of samples, one a swap; return the median, which one leap leaves alone.

    Its standard error is that of the median of normal values whose spread is told by the median deviation.
    """
    parts = [part for part in np.array_split(np.asarray(memory), PARTS) if len(part) > 2]
    if len(parts) < 2:
        return Slope(0.0, math.inf, memory[-1] - memory[0])
    slopes = np.array([np.polyfit(np.arange(len(part)), part, 1)[0] for part in parts])
    middle = float(np.median(slopes))
    spread = 1.4826 * float(np.median(np.abs(slopes - middle)))
    return Slope(middle, 1.2533 * spread / len(parts) ** 0.5, memory[-1] - memory[0])


def bodies() -> list[bytes]:
    """Return the questions as they are sent."""
    return [json.dumps(question).encode() for question in QUESTIONS]


def oracle_of(port: int) -> Oracle:
    """Ask each version each question, by its name, before anything is swapped."""
    client, said = Client(port), dict[str, list[bytes]]()
    for version in (FIRST, SECOND):
        pinned = [json.dumps({**question, "version": version}).encode() for question in QUESTIONS]  # type: ignore[dict-item]  # each question is an object
        answers = [client.post(PATH, body) for body in pinned]
        if any(status != 200 or version_of(answer) != version for status, answer in answers):
            raise RuntimeError(f"expected {version} to answer every question, found {answers}")
        said[version] = [answer for _, answer in answers]
    client.close()
    if any(one == other for one, other in zip(said[FIRST], said[SECOND], strict=True)):
        raise RuntimeError("expected two versions that answer each question differently, found one that they share")
    return said


def swap_under_load(root: Path, data: Path, *, swaps: int, clients: int = CLIENTS, steady: float = STEADY_S) -> Swapped:
    """Serve a store of two versions by one worker, and let them take turns."""
    store = ArtifactStore(root, by="figures")
    with serving(root, data) as server:
        questions, oracle = bodies(), oracle_of(server.port)
        memory: list[float] = []
        in_store, stale = 0, 0
        first = server.descriptors()
        with Crowd(server.port, PATH, questions, oracle, clients) as crowd:
            begun = time.monotonic()
            time.sleep(steady)
            swapping = time.monotonic()
            admin = Client(server.port)
            for number in range(1, swaps + 1):
                version = (FIRST, SECOND)[number % 2]
                if number % EACH_IN_STORE == 0:
                    in_store += 1
                    store.promote(MODEL, version, why="figures")
                    stale += not _seen(admin, questions[0], version)
                else:
                    stale += not _promoted(admin, questions[0], version)
                memory.append(server.resident_kib())
                if number % max(swaps // 10, 1) == 0:
                    say(f"{number} of {swaps} swaps, {time.monotonic() - swapping:.0f} s, {memory[-1] / 1024:.1f} MiB")
            over = time.monotonic()
            admin.close()
        last = server.descriptors()
        if server.process.poll() is not None:
            raise RuntimeError("expected the server to live, found it gone")
    calm, busy = crowd.latencies(begun, swapping), crowd.latencies(swapping, over)
    return Swapped(
        swaps=swaps,
        in_store=in_store,
        requests=crowd.requests(),
        failed=crowd.failed(),
        mixed=crowd.mixed(),
        stale=stale,
        seconds=over - swapping,
        steady_p50=percentile(calm, 0.5),
        steady_p99=percentile(calm, 0.99),
        swapping_p50=percentile(busy, 0.5),
        swapping_p99=percentile(busy, 0.99),
        slowest=busy[-1],
        memory=memory,
        descriptors=(first, last),
    )


def _promoted(admin: Client, question: bytes, version: str) -> bool:
    """Promote by the admin's route; tell whether the very next answer is that version's."""
    body = json.dumps({"version": version, "anyway": True, "why": "figures"}).encode()
    status, answer = admin.post(f"/models/{MODEL}/promote", body, {**HEADERS, "X-API-Key": ADMIN_KEY})
    if status != 200:
        raise RuntimeError(f"expected {version} to be promoted, found {status}: {answer!r}")
    return version_of(admin.post(PATH, question)[1]) == version


def _seen(admin: Client, question: bytes, version: str) -> bool:
    """Wait until the watch has found what was promoted in the store."""
    until = time.monotonic() + STEADY_S
    while time.monotonic() < until:
        if version_of(admin.post(PATH, question)[1]) == version:
            return True
        time.sleep(0.01)
    return False


@dataclass(frozen=True, slots=True)
class Propagated:
    """Seconds from a change in the store until every fresh connection of a round was answered by the new version."""

    promotions: list[float]
    rollbacks: list[float]
    least: int
    """Connections of the last round that the idler worker answered, at the least."""

    @property
    def sound(self) -> bool:
        """Tell whether every change came in time."""
        return max(self.promotions + self.rollbacks) <= PROPAGATION_S


def propagate(root: Path, data: Path, *, changes: int) -> Propagated:
    """Promote and roll back in the store, under two workers, and time each."""
    store = ArtifactStore(root, by="figures")
    if store.current(MODEL) != FIRST:
        store.promote(MODEL, FIRST, why="figures")
    with serving(root, data, workers=2) as server:
        _until_all_answer(server, FIRST)  # both workers are up
        promotions, rollbacks = [], []
        for _ in range(changes):
            store.promote(MODEL, SECOND, why="figures")
            promotions.append(_until_all_answer(server, SECOND))
            store.rollback(MODEL, why="figures")
            rollbacks.append(_until_all_answer(server, FIRST))
    least = [min(share, default=0) for _, share in promotions + rollbacks]
    return Propagated([s for s, _ in promotions], [s for s, _ in rollbacks], min(least))


def _until_all_answer(server: Server, version: str) -> tuple[float, list[int]]:
    """Return the seconds until a round of fresh connections was answered by a version, and each worker's share of it.

    A round in which one worker answered nothing proves nothing, and is not counted.
    """
    begun = time.monotonic()
    while time.monotonic() - begun < STEADY_S:
        said, share = _round(server)
        if said == {version} and len(share) == server.workers:
            return time.monotonic() - begun, share
        time.sleep(PAUSE_S)
    return math.inf, []


def _round(server: Server) -> tuple[set[str | None], list[int]]:
    """Ask over fresh connections from several threads, as one worker may take all that come one by one.

    All stay open until the last was answered, so that each can be told to belong to a worker.
    """
    question, clients = bodies()[0], list[Client]()

    def ask(_: int) -> str | None:
        client = Client(server.port)
        clients.append(client)
        return version_of(client.post(PATH, question)[1])

    with ThreadPoolExecutor(ASKERS) as pool:
        said = set(pool.map(ask, range(CONNECTIONS)))
    owners = server.owners()
    share = Counter(owners[client.local_port] for client in clients if client.local_port in owners)
    for client in clients:
        client.close()
    return said, list(share.values())


def prepared(given: Path | None, folder: Path) -> Path:
    """Return a store with two versions under ``folder``: of the store that is given, or of a training."""
    if given is None:
        say(f"training {MODEL} on the sample")
        given = folder / "trained"
        lines: list[str] = []
        results = train_all((MODEL,), artifacts=given, data=folder / "no_imports", say=lines.append)
        if any(result.code for result in results):
            raise RuntimeError("\n".join(["expected the training to succeed, found:", *lines[-20:]]))
    root = folder / "store"
    if (given / MODEL / SECOND).is_dir():
        shutil.copytree(given / MODEL, root / MODEL)
    else:
        two_versions(given, root)
    return root


def told(swapped: Swapped) -> list[str]:
    """Return the figures of one worker in words."""
    grown, first, last = swapped.slope, swapped.memory[0] / 1024, swapped.memory[-1] / 1024
    how = f"{swapped.swaps} swaps in {swapped.seconds:.0f} s, {swapped.in_store} of them made in the store"
    busy = f"p50 {1e3 * swapped.swapping_p50:.1f} ms, p99 {1e3 * swapped.swapping_p99:.1f} ms"
    calm = f"p50 {1e3 * swapped.steady_p50:.1f} ms, p99 {1e3 * swapped.steady_p99:.1f} ms"
    rate = (
        f"slope {grown.kib:+.2f} KiB a swap, standard error {grown.error:.2f}, {grown.rise:+.0f} KiB after the warm-up"
    )
    return [
        f"{how}; {swapped.requests} requests",
        f"failed {len(swapped.failed)}, mixed {len(swapped.mixed)}, by a version already replaced {swapped.stale}",
        f"{busy}, slowest {1e3 * swapped.slowest:.0f} ms; without swaps {calm}",
        f"resident {first:.1f} MiB after the first swap, {last:.1f} after the last; {rate}",
        f"open files and sockets {swapped.descriptors[0]} before, {swapped.descriptors[1]} after",
        *(f"  {line}" for line in (swapped.failed + swapped.mixed)[:5]),
    ]


def told_of_two(propagated: Propagated) -> list[str]:
    """Return the figures of two workers in words."""
    least = f"at least {propagated.least} of them answered by the idler one"
    lines = [f"two workers, {CONNECTIONS} fresh connections a round, {least}:"]
    for name, seconds in (("promotion", propagated.promotions), ("rollback", propagated.rollbacks)):
        ascending = sorted(seconds)
        figures = f"median {percentile(ascending, 0.5):.2f} s, slowest of {len(seconds)} {ascending[-1]:.2f} s"
        lines.append(f"every one answers by the new version after a {name}: {figures}; {PROPAGATION_S:g} s wanted")
    return lines


def main(arguments: list[str]) -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.figures swaps", description=__doc__)
    parser.add_argument("--swaps", type=int, default=SWAPS, help="(%(default)s)")
    parser.add_argument("--clients", type=int, default=CLIENTS, help="threads that ask (%(default)s)")
    parser.add_argument("--changes", type=int, default=CHANGES, help="timed under two workers (%(default)s)")
    parser.add_argument("--store", type=Path, default=os.environ.get("TRAINED_STORE"), help="trained; else trains")
    parser.add_argument("--json", type=Path, help="file that the figures are also written to")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = prepared(None if options.store is None else Path(options.store), folder)
        swapped = swap_under_load(root, folder, swaps=options.swaps, clients=options.clients)
        propagated = propagate(root, folder, changes=options.changes) if options.changes else None
    say()
    for line in told(swapped) + (told_of_two(propagated) if propagated else []):
        say(line)
    if options.json is not None:
        slope_of = asdict(swapped.slope)
        figures = {"swapped": {**asdict(swapped), "slope": slope_of}, "propagated": propagated and asdict(propagated)}
        options.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    return 0 if swapped.sound and (propagated is None or propagated.sound) else 1

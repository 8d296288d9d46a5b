"""``make bench``: what a prediction costs next to a FastAPI route that returns a constant for the same body.

Both servers are real processes with one worker each. The share is the ratio of requests a second that a core can serve,
taken from the processes' own CPU time, as the wall clock of a shared machine tells more about its other guests. They
also slow a core down for seconds at a time, so many short rounds alternate, a cost is divided by the constant's of the
same round, and the median of these shares counts. Exit code 1: below the floor that the project has set itself.
"""

import argparse
import contextlib
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.bar_store import BarStore
from data.sources.sample import sample_root

WANTED = 0.25
BARS = 260
BODIES = 64
ROUTES = ("/predict/direction", "/predict/volatility", "/predict/return/lightgbm", "/predict/risk", "/predict/regime")


@dataclass(frozen=True)
class Server:
    """A running server process."""

    port: int
    process: subprocess.Popen[bytes]

    def cpu_seconds(self) -> float:
        """Return what the threads of the process have run so far, to the nanosecond; short rounds need it that fine."""
        threads = Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9

    def resident_mib(self) -> float:
        """Return the resident memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextlib.contextmanager
def served(command: list[str], port: int, ready: str, environment: dict[str, str]) -> Iterator[tuple[Server, float]]:
    """Start a server and yield it with the seconds until it answered."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{ready}", timeout=1):
                    break
            except urllib.error.HTTPError:
                break
            except OSError:
                if process.poll() is not None or time.perf_counter() - begun > 60:
                    raise
                time.sleep(0.02)
        yield Server(port, process), time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(10)


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def windows() -> list[str]:
    """Return bodies of 260 bars by column, from the sample, each another window."""
    store = BarStore((sample_root(),))
    bodies = []
    for number in range(BODIES):
        bars = store.bars(("AAPL", "IBM", "MSFT")[number % 3])[500 + 37 * number :][:BARS]
        columns: dict[str, Any] = {"date": [str(day) for day in bars.date] if bars.date is not None else []}
        for name, values in bars.columns():
            # As feeds send them: four decimals. Rounding keeps the order of low, open, close and high.
            columns[name] = [round(value, 4) for value in values.tolist()]
        bodies.append(json.dumps({"bars": columns}))
    return bodies


def measure(server: Server, path: str, bodies: Path, count: int, connections: int) -> tuple[float, dict[str, float]]:
    """Return CPU microseconds a request, and what the client saw."""
    before = server.cpu_seconds()
    client = [sys.executable, "-m", "tests.benchmarks.load", str(server.port), path, str(bodies), str(count)]
    seen = json.loads(subprocess.run([*client, str(connections)], check=True, capture_output=True).stdout)
    return 1e6 * (server.cpu_seconds() - before) / count, seen


def require_models(port: int, body: str) -> None:
    """Refuse to measure rules of thumb in the place of models, which cost next to nothing."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for route in ROUTES:
        client.request("POST", route, body, {"content-type": "application/json"})
        source = json.loads(client.getresponse().read())["source"]
        if source != "model":
            raise SystemExit(f"make bench: expected a model to answer {route}, found {source}; make train")


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=8)
    options = parser.parse_args()
    floor_port, port = free_port(), free_port()
    floor = [sys.executable, "-m", "uvicorn", "tests.benchmarks.floor:app", "--port", str(floor_port)]
    floor += ["--no-access-log", "--log-level", "error"]
    with (
        tempfile.NamedTemporaryFile("w", suffix=".json") as file,
        served(floor, floor_port, "/docs", {}) as (constant, _),
        served([sys.executable, "-m", "app"], port, "/readyz", {"PORT": str(port), "BARCAST_LOG_LEVEL": "error"}) as (
            ours,
            ready,
        ),
    ):
        sent = windows()
        require_models(port, sent[0])
        json.dump(sent, file)
        file.flush()
        bodies = Path(file.name)
        costs: dict[str, list[float]] = {"constant": [], **{route: [] for route in ROUTES}}
        seen: dict[str, dict[str, float]] = {}
        for turn in range(options.rounds + 1):  # the first round warms up and is thrown away
            for name, rounds in costs.items():
                server, path = (constant, "/constant") if name == "constant" else (ours, name)
                cost, seen[name] = measure(server, path, bodies, options.count, options.connections)
                if turn:
                    rounds.append(cost)
        shares = {
            name: [floor / cost for floor, cost in zip(costs["constant"], rounds, strict=True)]
            for name, rounds in costs.items()
        }
        print(
            f"{BARS} bars by column, one worker, {options.connections} connections, median of {options.rounds} rounds"
        )
        print(f"{'route':<28}{'cpu us':>9}{'share':>8}{'req/s':>9}{'p50 ms':>8}{'p99 ms':>8}")
        for name, rounds in costs.items():
            cost, share, last = statistics.median(rounds), statistics.median(shares[name]), seen[name]
            print(
                f"{name:<28}{cost:>9.0f}{share:>8.2f}{last['per_second']:>9.0f}"
                f"{last['p50_ms']:>8.2f}{last['p99_ms']:>8.2f}"
            )
        print(f"ready after {ready:.2f} s; resident with all models loaded {ours.resident_mib():.0f} MiB")
        return judged(shares["/predict/direction"])


def judged(shares: list[float]) -> int:
    """Print what the rounds say of the route that has a floor; return the exit code."""
    share = statistics.median(shares)
    word = "reached" if share >= WANTED else "MISSED"
    print(
        f"/predict/direction is {share:.2f} of the constant ({min(shares):.2f} to {max(shares):.2f} in "
        f"{len(shares)} rounds); {WANTED} wanted: {word}"
    )
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())

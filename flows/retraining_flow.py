"""The retraining as a Prefect flow: `python -m flows.retraining_flow`, this file by its path, or by import.

No Prefect server is needed: without one, Prefect starts its own for the run. With one (PREFECT_API_URL), the run, its
tasks, their logs and a summary are in its UI. ``--serve`` waits and runs it on a schedule.
"""

import argparse
import contextlib
import functools
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, cast

import msgspec

from feature_mapper.errors import BarcastError
from flows import engine
from flows.choices import SCRIPT_TIMEOUT_S
from flows.command import EPILOG, add_arguments, arguments_of
from flows.engine import interruptible
from flows.pipeline import retrain
from flows.plan import PlanError, plan
from flows.server import QUIET, prefect_server
from flows.summary import EXIT_FAILED, EXIT_HALTED

if TYPE_CHECKING:
    from prefect import Flow, State

R = TypeVar("R")

NAME: Final = "barcast-retraining"
CRON: Final = "30 22 * * 1-5"
"""22:30 UTC on weekdays: after the close of New York in summer and winter."""

EXIT_USAGE: Final = 2
EXIT_INTERRUPTED: Final = 130


class PrefectEngine:
    """Runs each step as a task."""

    def __init__(self) -> None:
        from prefect import get_run_logger

        self._log = get_run_logger()

    def say(self, line: str) -> None:
        """Log a line where the run's logs go."""
        self._log.info(line)

    def step(self, name: str, do: Callable[[], R]) -> R:
        """Run a step as a task of its name; its tries are seen in the UI."""
        from prefect import task

        tried = task(
            name=name,
            persist_result=False,
            retries=engine.ATTEMPTS - 1,
            retry_delay_seconds=engine.PAUSE_S,
            retry_condition_fn=_again,
        )
        return tried(do)()

    def each(
        self, name: str, do: Callable[[str], R], items: Sequence[str], at_once: int, stop: Callable[[], None]
    ) -> list[R | Exception]:
        """Run a task for each item, in threads."""
        from prefect import task
        from prefect.task_runners import ThreadPoolTaskRunner

        runner: ThreadPoolTaskRunner[Any] = ThreadPoolTaskRunner(max_workers=at_once)
        with runner, interruptible(stop):
            futures = [
                runner.submit(task(name=f"{name} {item}", persist_result=False)(_about(do, item)), {}) for item in items
            ]
            return [future.result(raise_on_failure=False) for future in futures]


def _again(_task: object, _run: object, state: "State[Any]") -> bool:
    return engine.passes(state.result(raise_on_failure=False))


def _about(do: Callable[[str], R], item: str) -> Callable[[], R]:
    """Return a function without parameters: those of a task are shown in the UI, and an item is in its name."""

    def done() -> R:
        return do(item)

    return done


def _quieten() -> None:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@functools.cache
def flow() -> "Flow[..., Any]":
    """Return the flow; Prefect is imported here and not before."""
    _quieten()
    import prefect
    from prefect.artifacts import create_markdown_artifact
    from prefect.states import Failed

    @prefect.flow(name=NAME, persist_result=False)
    def retraining(
        source: str = "stored",
        folder: str | None = None,
        symbols: Sequence[str] = (),
        only: Sequence[str] = (),
        skip: Sequence[str] = (),
        artifacts: str | None = None,
        data: str | None = None,
        python: str = sys.executable,
        jobs: int | None = None,
        script_timeout_s: float = SCRIPT_TIMEOUT_S,
        missing: float = 0.0,
        service: str | None = None,
        impossible: Literal["refuse", "drop"] = "refuse",
    ) -> "dict[str, Any] | State[dict[str, Any]]":
        """Ingest, validate, train, judge, promote, confirm; see docs/retraining.md."""
        chosen = plan(
            source=source,
            folder=folder,
            symbols=tuple(symbols),
            only=tuple(only),
            skip=tuple(skip),
            artifacts=None if artifacts is None else Path(artifacts),
            data=None if data is None else Path(data),
            python=python,
            jobs=jobs,
            script_timeout_s=script_timeout_s,
            missing=missing,
            service=service,
            impossible=impossible,
        )
        summary = retrain(chosen, PrefectEngine())
        try:
            create_markdown_artifact(summary.markdown(), key=NAME, description=summary.verdict())
        except Exception as error:  # noqa: BLE001  a server that is gone by now must not take the table with it
            fault = f"summary for the UI: {type(error).__name__}: {error}"
            summary = msgspec.structs.replace(summary, faults=(*summary.faults, fault))
        done = {"exit_code": summary.exit_code, "verdict": summary.verdict(), "text": summary.text()}
        if summary.exit_code in {EXIT_FAILED, EXIT_HALTED}:  # the run is red in the UI then, with the verdict
            return Failed(message=summary.verdict(), data=done)
        return done

    return retraining


def __getattr__(name: str) -> "Flow[..., Any]":
    """Make ``retraining_flow`` on first use: importing this module loads no Prefect."""
    if name == "retraining_flow":
        return flow()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _serve(cron: str, asked: dict[str, Any]) -> None:
    """Run the flow on a schedule until this process is told to stop, with a server of its own if none is configured."""
    _quieten()
    with contextlib.ExitStack() as stack:
        if "PREFECT_API_URL" not in os.environ:
            print("Starting a Prefect server, as PREFECT_API_URL names none; the first start takes a while", flush=True)
            url = stack.enter_context(prefect_server())
            os.environ["PREFECT_API_URL"] = f"{url}/api"
            print(f"Runs are at {url}", flush=True)
        flow().serve(name="scheduled", cron=cron, parameters=asked)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the flow once, or serve it on a schedule; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m flows.retraining_flow",
        description="Retrain the models as a Prefect flow.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_arguments(parser)
    parser.add_argument("--serve", action="store_true", help="wait, and run it on the schedule")
    parser.add_argument("--cron", default=CRON, metavar="CRON", help="schedule of --serve, UTC (default: %(default)s)")
    options = parser.parse_args(arguments)
    asked = {name: str(value) if isinstance(value, Path) else value for name, value in arguments_of(options).items()}
    try:
        plan(**arguments_of(options))  # a mistake is told before Prefect starts
        if options.serve:
            _serve(options.cron, asked)
            return 0
        done = cast("State[Any]", flow()(**asked, return_state=True)).result(raise_on_failure=False)
        if isinstance(done, Exception):
            raise done
    except BarcastError as error:
        print(f"{NAME}: {error}", file=sys.stderr)
        return EXIT_USAGE if isinstance(error, PlanError) else EXIT_FAILED
    except KeyboardInterrupt:
        print(f"{NAME}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    print(done["text"], flush=True)
    code: int = done["exit_code"]
    return code


if __name__ == "__main__":
    sys.exit(main())

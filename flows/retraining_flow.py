"""The retraining as a Prefect flow: `python -m flows.retraining_flow`, this file by its path, or by import.

No Prefect server is needed: without one, Prefect starts its own for the run. With one (PREFECT_API_URL), the run, its
tasks, their logs and a summary are in its UI.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from feature_mapper.errors import BarcastError
from flows.command import add_arguments, plan_of
from flows.pipeline import retrain
from flows.plan import SCRIPT_TIMEOUT_S, Plan, plan
from flows.summary import EXIT_FAILED, Summary

if TYPE_CHECKING:
    from prefect import Flow

R = TypeVar("R")

NAME: Final = "barcast-retraining"
CRON: Final = "30 22 * * 1-5"
"""22:30 UTC on weekdays: after the close of New York in summer and winter."""

QUIET: Final = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "60",  # the default of 20 is too short on a cold machine
}
"""Settings that Prefect reads on import: nothing is reported to anybody, and a slow start is no failure."""


class _PrefectEngine:
    """Runs each step as a task."""

    def __init__(self) -> None:
        from prefect import get_run_logger

        self._log = get_run_logger()

    def say(self, line: str) -> None:
        self._log.info(line)

    def step(self, name: str, do: Callable[[], R]) -> R:
        from prefect import task

        return task(do, name=name, persist_result=False)()

    def each(self, name: str, do: Callable[[str], R], items: Sequence[str], at_once: int) -> list[R | Exception]:
        from prefect import task
        from prefect.task_runners import ThreadPoolTaskRunner

        with ThreadPoolTaskRunner(max_workers=at_once) as runner:
            futures = [
                runner.submit(task(do, name=f"{name} {item}", persist_result=False), {"model": item}) for item in items
            ]
            return [future.result(raise_on_failure=False) for future in futures]


def _quieten() -> None:
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def flow() -> "Flow[..., dict[str, object]]":
    """Return the flow; Prefect is imported here and not before."""
    _quieten()
    import prefect
    from prefect.artifacts import create_markdown_artifact

    @prefect.flow(name=NAME, log_prints=False, persist_result=False, validate_parameters=True)
    def retraining(
        source: str = "stored",
        folder: str | None = None,
        symbols: list[str] | None = None,
        only: list[str] | None = None,
        skip: list[str] | None = None,
        artifacts: str | None = None,
        data: str | None = None,
        python: str = sys.executable,
        jobs: int | None = None,
        script_timeout_s: float = SCRIPT_TIMEOUT_S,
        missing: float = 0.0,
        service: str | None = None,
    ) -> dict[str, object]:
        """Ingest, validate, train, judge, promote, confirm; see docs/retraining.md."""
        chosen = plan(
            source=source,
            folder=folder,
            symbols=tuple(symbols or ()),
            only=tuple(only or ()),
            skip=tuple(skip or ()),
            artifacts=None if artifacts is None else Path(artifacts),
            data=None if data is None else Path(data),
            python=python,
            jobs=jobs,
            script_timeout_s=script_timeout_s,
            missing=missing,
            service=service,
        )
        summary = retrain(chosen, _PrefectEngine())
        create_markdown_artifact(summary.markdown(), key="retraining", description=summary.verdict())
        return {"exit_code": summary.exit_code, "verdict": summary.verdict(), "text": summary.text()}

    return retraining

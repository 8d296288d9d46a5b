"""Arguments of a retraining on a command line, the same for `barcast retrain` and for the Prefect flow."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.choices import SCRIPT_TIMEOUT_S, SOURCES

if TYPE_CHECKING:
    from flows.plan import Plan

EPILOG = """
exit codes:
  0    every model was promoted
  1    a script or a later step failed, or the service does not serve what was promoted; what serves is in the table
  2    wrong arguments
  3    a candidate was kept: the gate said no, and why
  4    the data halted the run before any training; every model serves as before
  130  interrupted
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--source", choices=SOURCES, default="stored", help="where bars come from (default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, metavar="FOLDER", help="of the source csv: files named <SYMBOL>.csv")
    parser.add_argument("--symbols", nargs="+", default=[], metavar="SYMBOL", help="default: all that are there")
    parser.add_argument("--only", nargs="+", default=[], metavar="MODEL", help="train these models")
    parser.add_argument("--skip", nargs="+", default=[], metavar="MODEL", help="train all but these")
    parser.add_argument(
        "--python", default=sys.executable, metavar="FILE", help="interpreter of the scripts (default: this one)"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="scripts at once (default: usable cores)")
    parser.add_argument(
        "--script-timeout", type=float, default=SCRIPT_TIMEOUT_S, metavar="S", help="seconds a script may take"
    )
    parser.add_argument(
        "--missing", type=float, default=0.0, metavar="SHARE", help="share of symbols that may fail (default: none)"
    )
    parser.add_argument(
        "--impossible", choices=("refuse", "drop"), default="refuse", help="bars that can't be (default: refuse)"
    )
    parser.add_argument("--service", metavar="URL", help="running service that is to confirm what it serves")


def arguments_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for, as `flows.plan.plan` takes it."""
    return {
        "source": options.source,
        "folder": options.folder,
        "symbols": tuple(options.symbols),
        "only": tuple(options.only),
        "skip": tuple(options.skip),
        "python": options.python,
        "jobs": options.jobs,
        "script_timeout_s": options.script_timeout,
        "missing": options.missing,
        "service": options.service,
        "impossible": options.impossible,
    }


def plan_of(options: argparse.Namespace, artifacts: Path, data: Path) -> "Plan":
    """Return the plan that was asked for; raises `PlanError`."""
    from flows.plan import plan

    return plan(**arguments_of(options), artifacts=artifacts, data=data)

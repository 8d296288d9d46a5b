"""Command line of every ``train.py``."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import msgspec

from data.paths import processed_root
from feature_mapper.errors import BarcastError
from models.manifest import Manifest
from models.paths import artifacts_root
from models.store import ArtifactStore
from training.kit.compose import resolve
from training.kit.config import series_of
from training.kit.gate import headline
from training.kit.promotion import settle
from training.kit.ritual import run
from training.kit.tracking import record, tracker

EXIT_PROMOTED: Final = 0
EXIT_FAILED: Final = 1
EXIT_CANDIDATE: Final = 3
EXIT_INTERRUPTED: Final = 130

_HELP: Final = """
exit codes:
  0    published and promoted (with --candidate: published)
  1    not trained; what serves is what served before
  2    wrong arguments
  3    published and kept as a candidate: the gate said no, and why
  130  interrupted; what serves is what served before
"""


class Report(msgspec.Struct, frozen=True):
    """What `--report` writes: the version that a training published."""

    model: str
    version: str


def main(script: str, arguments: Sequence[str] | None = None) -> int:
    """Train the model of the folder that ``script`` lies in; return the exit code, see ``--help``."""
    model = Path(script).resolve().parent.name
    options = _parser(model).parse_intermixed_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    store = ArtifactStore(options.artifacts, by=f"train {model}")
    try:
        experiment = resolve(model, options.config, options.overrides)
        config = experiment.config
        if options.symbols:
            config = msgspec.structs.replace(config, symbols=tuple(options.symbols))
        manifest = run(
            model,
            experiment.spec,
            series_of(config, options.data),
            store,
            config=config.as_json(),
            lineage=experiment.lineage,
            checkpoints=options.checkpoints,
        )
        _report(manifest)
        if options.report is not None:
            options.report.write_bytes(msgspec.json.encode(Report(model=model, version=manifest.version)))
        verdict = manifest.gate if options.candidate else settle(model, manifest.version, store)
        if config.tracking:
            record(tracker(options.data.parent), store, model)
    except BarcastError as error:
        print(f"{model}: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print(f"{model}: interrupted; what serves is what served before", file=sys.stderr)
        return EXIT_INTERRUPTED
    name = f"{model} {manifest.version}"
    if options.candidate:
        word = "yes" if verdict.promoted else "no"
        print(f"{name}: published as a candidate; the gate says {word}: {verdict.reason}", flush=True)
        return EXIT_PROMOTED
    print(f"{name}: {'promoted' if verdict.promoted else 'kept as candidate'} ({verdict.reason})", flush=True)
    return EXIT_PROMOTED if verdict.promoted else EXIT_CANDIDATE


def _parser(model: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m training.{model}.train",
        description=f"Train {model} on the stored series, judge it out of sample and publish a new version of it.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--artifacts",
        type=Path,
        metavar="FOLDER",
        default=artifacts_root(),
        help="artifact store (default: %(default)s)",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        default=processed_root(),
        help="imported series, beside the shipped sample (default: %(default)s)",
    )
    parser.add_argument("--symbols", nargs="+", metavar="SYMBOL", help="train on these stored symbols only")
    parser.add_argument("--config", type=Path, metavar="FILE", help="experiment, a YAML file, see docs/experiments.md")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="change a value of the experiment, such as parameters.num_leaves=15; not behind --symbols",
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        metavar="FOLDER",
        help="keep there what long final fits have so far, and go on from it after the training was killed",
    )
    parser.add_argument(
        "--candidate",
        action="store_true",
        help="publish it with its verdict, and let nothing serve but what serves now",
    )
    parser.add_argument("--report", type=Path, metavar="FILE", help="write there, as JSON, which version was published")
    return parser


def _report(manifest: Manifest) -> None:
    name = f"{manifest.model} {manifest.version}"
    for tier in manifest.tiers:
        score = headline(tier.scores)
        interval = "" if score.ci95 is None else f" [{score.ci95[0]:+.4f}, {score.ci95[1]:+.4f}]"
        print(
            f"{name} tier {tier.tier:3d}: {score.metric} {score.value:+.4f}{interval}"
            f" against {score.baseline}, n {score.n:,}: {score.verdict}"
        )


def _stop(_signal: int, _frame: FrameType | None) -> NoReturn:
    """End on SIGTERM as on Ctrl-C, so that what is half written is taken away."""
    raise KeyboardInterrupt

"""Command line of every ``train.py``."""

import argparse
import sys
from pathlib import Path

from data.bar_store import BarStore, default_roots
from feature_mapper.errors import BarcastError
from models.paths import artifacts_root
from models.store import ArtifactStore
from training.kit.discover import spec_of
from training.kit.gate import headline
from training.kit.ritual import run


def main(script: str, arguments: list[str] | None = None) -> int:
    """Train the model of the folder that ``script`` lies in; return the exit code.

    0: published and promoted. 3: published as a candidate, the gate said no. 1: not trained; the store is as it was.
    """
    model = Path(script).resolve().parent.name
    parser = argparse.ArgumentParser(prog=f"train {model}", description=f"Train {model} and publish a new version.")
    parser.add_argument(
        "--artifacts", type=Path, default=artifacts_root(), help="artifact store (default: %(default)s)"
    )
    parser.add_argument("--symbols", nargs="+", metavar="SYMBOL", help="train on these stored symbols only")
    options = parser.parse_args(arguments)
    try:
        bars = BarStore(default_roots())
        symbols = options.symbols or [info.symbol for info in bars.symbols()]
        series = {symbol: bars.bars(symbol) for symbol in symbols}
        manifest = run(model, spec_of(model), series, ArtifactStore(options.artifacts, by=f"train {model}"))
    except BarcastError as error:
        print(f"{model}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{model}: interrupted; nothing was published", file=sys.stderr)
        return 130
    for tier in manifest.tiers:
        score = headline(tier.scores)
        interval = "" if score.ci95 is None else f" [{score.ci95[0]:+.4f}, {score.ci95[1]:+.4f}]"
        print(
            f"{model} {manifest.version} tier {tier.tier:3d}: {score.metric} {score.value:+.4f}{interval}"
            f" against {score.baseline}, n {score.n:,}: {score.verdict}"
        )
    word = "promoted" if manifest.gate.promoted else "kept as candidate"
    print(f"{model} {manifest.version}: {word} ({manifest.gate.reason})")
    return 0 if manifest.gate.promoted else 3

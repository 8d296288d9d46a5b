"""`barcast audit`: arguments, what it does, and what a person reads of it."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:  # the parser is built for every command, and none but this one needs what an audit needs
    from models.certificate import Check, Form
    from models.store import ArtifactStore
    from models.typing import JsonObject

EXIT_FAILED: Final = 1

EPILOG: Final = """
Without --version the folder is trained and audited on the stored series; nothing is published.
With it, a published version is: its certificate, golden examples, features and answers. Nothing is
trained, and what could not be checked is named.

exit codes:
  0  every check passed
  1  a check failed, or the audit could not be made
"""

Places = Callable[[], tuple[Path, Path]]
"""Returns where artifacts and imported series are."""


def declare(commands: "argparse._SubParsersAction[argparse.ArgumentParser]", places: Places) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "audit",
        help="look for leaks in a model folder, or in a published version of it",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="name of a model folder")
    parser.add_argument("--full", action="store_true", help="all tiers and folds with labels drawn by lot, more dates")
    parser.add_argument("--version", metavar="VERSION", help="of a published version, such as v000003")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=lambda options: run(options, *places()))


def run(options: argparse.Namespace, artifacts: Path, data: Path) -> int:
    """Make the audit that was asked for, print it, and return the exit code."""
    import msgspec

    from models.store import ArtifactStore

    store = ArtifactStore(artifacts, by="audit")
    if options.version is None:
        told, checks, unchecked = folder(options.model, store, data, "full" if options.full else "quick")
    else:
        told, checks, unchecked = version(options.model, options.version, store, data)
    failed = [check.name for check in checks if not check.passed]
    if options.json:
        document = {**told, "passed": not failed, "checks": checks, "not_checked": unchecked}
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=1).decode() + "\n")
    else:
        sys.stdout.write(table(told, checks, unchecked) + "\n")
    return EXIT_FAILED if failed else 0


def folder(
    model: str, store: "ArtifactStore", data: Path, form: "Form"
) -> tuple["JsonObject", tuple["Check", ...], dict[str, str]]:
    """Train and audit what a folder declares; publish nothing. Raises as `training.kit.ritual.prepare`."""
    from training.kit.compose import resolve
    from training.kit.config import series_of
    from training.kit.ritual import prepare

    experiment = resolve(model, None, ())
    series = series_of(experiment.config, data)
    prepared = prepare(
        model, experiment.spec, series, store, form=form, config=experiment.config.as_json(), lineage=experiment.lineage
    )
    vouched = prepared.certificate
    told: JsonObject = {
        "model": model,
        "version": None,
        "form": form,
        "series": list(series),
        "code": vouched.code,
        "data": vouched.data,
        "when": vouched.when.isoformat(),
    }
    return told, vouched.checks, {}


def version(
    model: str, name: str, store: "ArtifactStore", data: Path
) -> tuple["JsonObject", tuple["Check", ...], dict[str, str]]:
    """Audit a published version on the stored series of its symbols; it stays as it is, and so does the store.

    Raises
    ------
    ArtifactError
        There is no such version, it is quarantined, or not what was published.
    SpecError
        None of its symbols is stored.

    """
    from data.bar_store import sample_store
    from training.kit.audit_published import audit_version
    from training.kit.progress import Progress
    from training.kit.ritual import fingerprint
    from training.kit.spec import SpecError

    artifact, stored = store.read(model, name), sample_store(data)
    known = {info.symbol for info in stored.symbols()}
    series = {symbol: stored.bars(symbol) for symbol in artifact.manifest.symbols if symbol in known}
    if not series:
        wanted = ", ".join(artifact.manifest.symbols[:10])
        raise SpecError(f"expected stored series of {wanted}, found none; import the ones that {model} was trained on")
    checks, unchecked = audit_version(artifact, series, Progress(model, total=0))
    told: JsonObject = {"model": model, "version": name, "series": list(series), "data": fingerprint(series)}
    return told, checks, unchecked


def table(told: "JsonObject", checks: tuple["Check", ...], unchecked: dict[str, str]) -> str:
    """Return an audit for a terminal: a line a check, figures below, and the sum."""
    what = told["version"] or f"folder, {told['form']}"
    width = max(len(name) for name in (*(check.name for check in checks), *unchecked))
    lines = [f"{told['model']} ({what}), data {str(told['data'])[:12]}"]
    for check in checks:
        lines.append(f"{'passed' if check.passed else 'FAILED':<11} {check.name:<{width}}  {check.detail}")
        lines += [f"{'':<11} {'':<{width}}    {name} {value:.6g}" for name, value in check.figures.items()]
    lines += [f"{'not checked':<11} {name:<{width}}  {why}" for name, why in unchecked.items()]
    failed = [check.name for check in checks if not check.passed]
    verdict = f"failed: {', '.join(failed)}" if failed else "every check passed"
    return "\n".join([*lines, f"{len(checks)} checks; {verdict}"])

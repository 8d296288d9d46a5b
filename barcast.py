"""Barcast's command line: serve, train, look at models, read market data."""

import argparse
import datetime as dt
import os
import sys
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, cast

from feature_mapper.errors import BarcastError

if TYPE_CHECKING:
    from data.importing import ReadOptions

EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2
EXIT_CANDIDATE: Final = 3
EXIT_INTERRUPTED: Final = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options)
    except BarcastError as error:
        print(f"barcast: {error}", file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("barcast: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _serve(_: argparse.Namespace) -> NoReturn:
    """Train what has no sound champion; then become the server."""
    artifacts, data = _places()
    if find_spec("training") is None:
        print("There is no training code here; serving the models that there are.", flush=True)
    else:
        _train_missing(artifacts, data)
    # A fresh process: what serves holds no training code and none of its memory.
    # -P: the app of this checkout, whatever lies in the folder that this was called from.
    os.execv(sys.executable, [sys.executable, "-P", "-m", "app"])  # noqa: S606  no shell is wanted


def _train_missing(artifacts: Path, data: Path) -> None:
    from models.store import ArtifactStore
    from training.kit.missing import missing

    models = missing(ArtifactStore(artifacts))
    if models and _train_models(models, artifacts, data) == EXIT_FAILED:
        print("Not every model could be trained; what is missing is answered by marked fallbacks.", file=sys.stderr)


def _train(options: argparse.Namespace) -> int:
    from models.store import ArtifactStore
    from training.kit.discover import model_names, spec_of
    from training.kit.missing import missing

    artifacts, data = _places()
    named = [word for word in options.models if "=" not in word]
    overrides = [word for word in options.models if "=" in word]
    for model in named:
        spec_of(model)  # raises before anything starts
    if options.config is not None or overrides:
        return _train_by(options.config, named, overrides)
    models = tuple(dict.fromkeys(named)) or model_names()
    if options.missing:
        wanted = missing(ArtifactStore(artifacts))
        models = tuple(model for model in models if model in wanted)
        if not models:
            print("Nothing is missing.")
            return 0
    return _train_models(models, artifacts, data)


def _train_by(config: Path | None, models: Sequence[str], overrides: Sequence[str]) -> int:
    from training.kit.commands import train

    if len(models) != 1:
        return _refused("train", f"expected one model with --config or key=value, found {len(models)}")
    artifacts, data = _places()
    return train(models[0], config, overrides, artifacts=artifacts, data=data, say=_say).code


def _cv(options: argparse.Namespace) -> int:
    from training.kit.commands import cv

    cv(options.model, options.config, options.overrides, data=_places()[1], say=_say)
    return 0


def _tune(options: argparse.Namespace) -> int:
    from training.kit.commands import tune

    artifacts, data = _places()
    done = tune(
        options.model,
        options.study,
        options.config,
        options.overrides,
        artifacts=artifacts,
        data=data,
        retrain=options.retrain,
        say=_say,
    )
    return 0 if done["promoted"] or not options.retrain else EXIT_CANDIDATE


def _evaluate(options: argparse.Namespace) -> int:
    if options.universe is not None:
        if options.version is not None:
            return _refused("evaluate", "expected models by comma with --universe, found two words; leave out blanks")
        from skill import run

        shelf = _places()[1].parent / "skill"
        models = () if options.model is None else tuple(options.model.split(","))
        schedule, deepest = (run.QUICK, True) if options.quick else (run.YEARLY, options.deepest)
        run.evaluate(run.Options(options.universe, options.out, shelf, models, schedule, deepest), _say)
        return 0
    if options.model is None:
        return _refused("evaluate", "expected a model, or --universe, found neither; see --help")
    from training.kit.commands import evaluate

    evaluate(options.model, options.version, artifacts=_places()[0], say=_say)
    return 0


def _refused(command: str, message: str) -> int:
    print(f"barcast {command}: {message}", file=sys.stderr)
    return EXIT_USAGE


def _train_models(models: Sequence[str], artifacts: Path, data: Path) -> int:
    from models.store import ArtifactStore
    from training.kit.fleet import exit_code, summary, train_all

    print(f"Training {len(models)} of Barcast's models: {', '.join(models)}", flush=True)
    results = train_all(models, artifacts=artifacts, data=data, say=_say)
    print(summary(results, ArtifactStore(artifacts)), flush=True)
    return exit_code(results)


def _models(_: argparse.Namespace) -> int:
    from models.store import ArtifactStore
    from models.tasks.registry import EXPECTED_MODELS, route_of

    store = ArtifactStore(_places()[0])
    for model in dict.fromkeys((*EXPECTED_MODELS, *store.models())):
        version = store.current(model)
        if version is None:
            print(f"{model:<24} {'-':<8} {route_of(model):<32} not trained; barcast train {model}")
            continue
        tier = store.manifest(model).tiers[-1]
        score = tier.scores[0]
        worth = f"{score.metric} {score.value:+.4f} against {score.baseline}: {score.verdict}"
        print(f"{model:<24} {version:<8} {route_of(model):<32} {worth}")
    return 0


def _retrain(options: argparse.Namespace) -> int:
    from flows.command import plan_of
    from flows.engine import Plain
    from flows.pipeline import retrain
    from flows.plan import PlanError

    artifacts, processed = _places()
    try:
        plan = plan_of(options, artifacts, processed.parent)
    except PlanError as error:
        return _refused("retrain", str(error))
    summary = retrain(plan, Plain(_say))
    print(summary.text(), flush=True)
    return summary.exit_code


def _promote(options: argparse.Namespace) -> int:
    from models.served import load_model, prove
    from models.store import ArtifactStore

    store, model, version = ArtifactStore(_places()[0], by="command line"), options.model, options.version
    verdict = store.manifest(model, version).gate
    if find_spec("training") is not None and store.current(model) != version:
        from training.kit.promotion import review

        verdict = review(model, version, store)  # against what serves now
    print(f"the gate says {'yes' if verdict.promoted else 'no'}: {verdict.reason}")
    if not verdict.promoted and not options.anyway:
        print("nothing has changed; --anyway promotes it against the gate", file=sys.stderr)
        return EXIT_FAILED
    store.load(model, version, load_model, prove)
    why = options.why if verdict.promoted else f"{options.why} (against the gate: {verdict.reason})"
    champion = verdict.champion if verdict.promoted else store.current(model)
    entry = store.promote(model, version, why=why, instead_of=champion)
    print(f"{model} {entry.version} serves")
    return 0


def _rollback(options: argparse.Namespace) -> int:
    from msgspec import UNSET

    from models.served import load_model, prove
    from models.store import ArtifactStore

    store, model = ArtifactStore(_places()[0], by="command line"), options.model
    believed = UNSET if options.instead_of is None else options.instead_of
    proven = partial(store.load, model, build=load_model, prove=prove)
    entry = store.rollback(model, why=options.why, instead_of=believed, proven=proven)
    print(f"{model} {entry.version} serves again")
    return 0


def _history(options: argparse.Namespace) -> int:
    from models.store import ArtifactStore, report

    store = ArtifactStore(_places()[0])
    for model in options.models or store.models():
        whole = options.at is None
        print(report.history(store, model) if whole else report.served_at(store, model, options.at))
    return 0


def _versions(options: argparse.Namespace) -> int:
    from models.store import ArtifactStore, report

    store = ArtifactStore(_places()[0])
    for model in options.models or store.models():
        print(report.versions(store, model))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from models.store import ArtifactStore
    from training.kit.compare import compare

    print(compare(ArtifactStore(_places()[0]), options.model, options.one, options.other))
    return 0


def _collect(options: argparse.Namespace) -> int:
    from models.store import ArtifactStore

    store = ArtifactStore(_places()[0], by="command line")
    for model in options.models or store.models():
        if options.dry_run:
            gone = store.removable(model, options.keep)
        else:
            gone = store.collect(model, options.keep, why=f"gc, the {options.keep} newest stay")
        word = "would go" if options.dry_run else "removed"
        print(f"{model}: {word}: {', '.join(gone) or 'nothing'}")
    return 0


def _read(options: argparse.Namespace) -> int:
    from data.sources.csv import read_csv

    result = read_csv(options.file, symbol=options.symbol, all_symbols=options.symbol is None, **_reading(options))
    print(result.report.describe())
    return 0


def _import(options: argparse.Namespace) -> int:
    from data.bar_store import sample_store

    store = sample_store(_places()[1])
    report = store.import_csv(
        options.file,
        options.symbol,
        file_symbol=options.file_symbol,
        name=options.name,
        calendar=options.calendar,
        currency=options.currency,
        **_reading(options),
    )
    info = store.info(options.symbol)
    print(report.describe())
    print(f"stored as {info.symbol}: {info.bars} bars, {info.first} to {info.last}, calendar {info.calendar}")
    return 0


def _list(_: argparse.Namespace) -> int:
    from data.bar_store import sample_store

    store = sample_store(_places()[1])
    stored = store.symbols()
    print(f"{'symbol':<12} {'bars':>6}  {'first':<10}  {'last':<10}  {'adjustment':<14}  {'snapshot':<12}  source")
    for one in stored:
        snapshots = ", ".join(f"{ref.source} {ref.sequence}" for ref in one.snapshots) or "-"
        span = f"{one.bars:>6}  {one.first}  {one.last}"
        print(f"{one.symbol:<12} {span}  {one.adjustment.value:<14}  {snapshots:<12}  {one.source}")
    broken = store.broken()
    for symbol, error in sorted(broken.items()):
        print(f"{symbol:<12} can't be read: {error}")
    return EXIT_FAILED if broken else 0


def _verify(_: argparse.Namespace) -> int:
    from data.paths import raw_beside
    from data.sources.sample import sample_root
    from data.verification import verify

    processed = _places()[1]
    done = verify(processed, raw_beside(processed), sample_root())
    for fault in done.faults:
        print(fault)
    said = f"{len(done.faults)} {'fault' if len(done.faults) == 1 else 'faults'}" if done.faults else "all as written"
    print(f"{said}; snapshots: {done.snapshots}, stored series: {done.series}, files of the sample: {done.sample}")
    if done.former:
        print(f"stored by a former version, the words beside their bars can't be checked: {', '.join(done.former)}")
    return EXIT_FAILED if done.faults else 0


def _reading(options: argparse.Namespace) -> "ReadOptions":
    """Return the reader's parameters that were given; a file that shows its meaning needs none."""
    names = ("date_order", "decimal", "adjusted", "timezone", "price_scale", "impossible")
    given = {name: getattr(options, name) for name in names}
    return cast("ReadOptions", {name: value for name, value in given.items() if value is not None})


def _places() -> tuple[Path, Path]:
    """Return where artifacts and imported series are, for every command as the service has it."""
    if find_spec("app") is None:
        from data.paths import processed_root
        from models.paths import artifacts_root

        return artifacts_root(), processed_root()
    from app.settings import SettingsError, load_settings

    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_USAGE)
    return settings.artifacts_dir, settings.data_dir / "processed"


def _say(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="barcast", description="Bars in, forecasts with their worth out.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    commands.add_parser("serve", help="train what has no sound champion, then serve").set_defaults(run=_serve)

    train = commands.add_parser("train", help="train models and publish what passes its gate")
    train.add_argument("models", nargs="*", metavar="MODEL", help="folders (default: all); of one, also key=value")
    train.add_argument("--config", type=Path, metavar="FILE", help="experiment of one model, see docs/experiments.md")
    train.add_argument("--missing", action="store_true", help="only those that have no sound champion")
    train.set_defaults(run=_train)

    _add_experiments(commands)

    listed = "list models: version that serves, route, worth out of sample"
    commands.add_parser("models", help=listed).set_defaults(run=_models)
    if find_spec("training") is not None:  # an image that serves has neither this nor flows
        from training.kit.audit_command import declare

        declare(commands, _places)
    if find_spec("flows") is not None:
        from flows.command import EPILOG, add_arguments

        retrain = commands.add_parser(
            "retrain",
            help="ingest, validate, train, judge, promote: the flow without Prefect",
            epilog=EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_arguments(retrain)
        retrain.set_defaults(run=_retrain)
    _add_lifecycle(commands)

    data = commands.add_parser("data", help="read, import, list and verify market data")
    actions = data.add_subparsers(title="actions", metavar="ACTION", required=True)

    read = actions.add_parser("read", help="say what is in a file, and store nothing")
    read.add_argument("--symbol", help="the one series to read (default: all of the file)")
    read.set_defaults(run=_read)

    store = actions.add_parser("import", help="store the series of a file under a symbol")
    store.add_argument("--symbol", required=True, help="name in the store")
    store.add_argument("--file-symbol", metavar="SYMBOL", help="name in the file, where it differs")
    store.add_argument("--name", default="", help="name for people")
    store.add_argument("--calendar", help="XNYS or 24/7 (default: by the form of the symbol)")
    store.add_argument("--currency", default="", help="currency, for people")
    store.set_defaults(run=_import)

    stored = "list what is stored: span, adjustment, raw snapshot, source"
    actions.add_parser("list", help=stored).set_defaults(run=_list)

    verify = actions.add_parser("verify", help="check every byte of snapshots, stored series and the sample")
    verify.set_defaults(run=_verify)

    for action in (read, store):
        _add_reading(action)
    return parser


def _add_experiments(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    cv = commands.add_parser("cv", help="cross-validate a configuration; nothing is published")
    cv.set_defaults(run=_cv)
    tune = commands.add_parser("tune", help="search for a better configuration behind a holdout, then train it")
    tune.add_argument("--study", default="default", metavar="NAME", help="one that is there goes on")
    tune.add_argument("--no-retrain", dest="retrain", action="store_false", help="only search")
    tune.set_defaults(run=_tune)
    for action in (cv, tune):
        action.add_argument("model", metavar="MODEL")
        action.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="such as parameters.num_leaves=15")
        action.add_argument("--config", type=Path, metavar="FILE", help="experiment, see docs/experiments.md")
    evaluate = commands.add_parser("evaluate", help="what a published version was worth, or all models on a universe")
    evaluate.add_argument("model", nargs="?", metavar="MODEL", help="with --universe also several, by comma")
    evaluate.add_argument("version", nargs="?", metavar="VERSION", help="default: the one that serves")
    evaluate.add_argument("--universe", type=Path, metavar="DIR", help="of <SYMBOL>.csv, or sample: the skill report")
    evaluate.add_argument("--deepest", action="store_true", help="the longest history of each model only")
    evaluate.add_argument("--quick", action="store_true", help="that, and refits every five years instead of each")
    evaluate.add_argument("--out", type=Path, default=Path("docs/skill"), metavar="DIR", help="default: docs/skill")
    evaluate.set_defaults(run=_evaluate)


def _add_lifecycle(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    promote = commands.add_parser("promote", help="let a version serve, once it is judged and proven")
    promote.add_argument("model", metavar="MODEL")
    promote.add_argument("version", metavar="VERSION", help="such as v000002")
    promote.add_argument("--anyway", action="store_true", help="even if the gate says no")
    promote.set_defaults(run=_promote)

    rollback = commands.add_parser("rollback", help="let the version serve that served before")
    rollback.add_argument("model", metavar="MODEL")
    rollback.add_argument(
        "--instead-of", metavar="VERSION", help="what serves now; if another one does, nothing changes"
    )
    rollback.set_defaults(run=_rollback)
    for action in (promote, rollback):
        action.add_argument("--why", default="by hand", help="for the ledger (default: %(default)s)")

    history = commands.add_parser("history", help="what happened to the versions of a model, and what served when")
    history.add_argument("--at", type=_time, metavar="DATE", help="only what served then; a date means its end, UTC")
    history.set_defaults(run=_history)

    versions = commands.add_parser("versions", help="list published versions with their scores and verdicts")
    versions.set_defaults(run=_versions)

    compare = commands.add_parser("compare", help="two versions side by side, and paired on the rows of both")
    compare.add_argument("model", metavar="MODEL")
    compare.add_argument("one", metavar="VERSION")
    compare.add_argument("other", metavar="VERSION")
    compare.set_defaults(run=_compare)

    collect = commands.add_parser("gc", help="remove old versions; never one that serves or served last")
    collect.add_argument("--keep", type=_count, default=5, metavar="N", help="newest that stay (default: %(default)s)")
    collect.add_argument("--dry-run", action="store_true", help="only say what would go")
    collect.set_defaults(run=_collect)
    for action in (history, versions, collect):
        action.add_argument("models", nargs="*", metavar="MODEL", help="default: all")


def _time(text: str) -> dt.datetime:
    """Read a day, which means its end, or a time with its offset."""
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a day such as 2026-01-31 or a time, found {text!r}") from None
    if len(text) == len("2026-01-31"):
        return when.replace(hour=23, minute=59, second=59, microsecond=999_999, tzinfo=dt.UTC)
    if when.tzinfo is None:
        raise argparse.ArgumentTypeError(f"expected an offset such as Z or +01:00 behind {text}; or a day alone")
    return when


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"expected a number from 0 on, found {text!r}")
    return int(text)


def _add_reading(action: argparse.ArgumentParser) -> None:
    action.add_argument("file", type=Path, metavar="FILE", help="CSV of daily bars")
    hints = action.add_argument_group("what a file may leave open")
    hints.add_argument("--date-order", choices=("DMY", "MDY"), help="reading of 03/04/2024: day or month first")
    hints.add_argument("--decimal", choices=(".", ","), metavar="MARK", help="reading of 1,234: . or ,")
    hints.add_argument(
        "--adjusted",
        action=argparse.BooleanOptionalAction,
        help="of both kinds of prices, demand the adjusted or take the others (default: adjusted where usable)",
    )
    hints.add_argument("--timezone", metavar="ZONE", help="time zone of the exchange, such as America/New_York")
    hints.add_argument("--price-scale", type=float, metavar="NUMBER", help="divide prices by this")
    hints.add_argument("--impossible", choices=("refuse", "drop"), help="bars that can't be (default: refuse)")


if __name__ == "__main__":
    sys.exit(main())

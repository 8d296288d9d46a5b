"""`docs/experiments.md`: its files are experiments, its commands run, and its mistake is told as it says."""

import argparse
import re
import shlex
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from feature_mapper.bars import Bars
from models.store import ArtifactStore
from tests.training.kit.support import markets
from training.kit import commands
from training.kit import main as script
from training.kit.compose import resolve
from training.kit.config import ConfigError, Configuration

PAGE = (Path(__file__).parents[3] / "docs" / "experiments.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```yaml\n(.*?)```", PAGE, flags=re.DOTALL))
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]
REFUSED = re.findall(r"<!-- refused: (.*?) -->\n```text\n(.*?)\n```", PAGE, flags=re.DOTALL)
SERIES = markets(900)


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    """Give SIGTERM back: a script takes it for itself, and here it runs inside the tests."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with the page's files, where commands see two small markets instead of the sample."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")

    def small(config: Configuration, processed: Path) -> Mapping[str, Bars]:  # noqa: ARG001  as `series_of`
        return SERIES

    monkeypatch.setattr(commands, "series_of", small)
    monkeypatch.setattr(script, "series_of", small)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _asked(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--study")
    return parser.parse_intermixed_args(words)


def _run(line: str, desk: Path, lines: list[str]) -> None:
    """Run one command of the page, by the function that stands behind it."""
    program, action, *rest = shlex.split(line)
    store, data = desk / "store", desk / "data" / "processed"
    if program == "python":
        module, *arguments = rest
        file = Path(script.__file__).parents[1] / module.split(".")[1] / "train.py"
        assert script.main(str(file), [*arguments, "--artifacts", str(store), "--data", str(data)]) in {0, 3}
        return
    assert program == "barcast"
    asked = _asked(rest)
    match action:
        case "cv":
            commands.cv(asked.model, asked.config, asked.overrides, data=data, say=lines.append)
        case "tune":
            commands.tune(
                asked.model, asked.study, asked.config, asked.overrides, artifacts=store, data=data, say=lines.append
            )
        case "evaluate":
            commands.evaluate(asked.model, artifacts=store, say=lines.append)
        case _:
            _run(f"python -m training.{asked.model}.train {shlex.join(rest[1:])}", desk, lines)


@pytest.mark.slow
def test_commands_of_the_page_run(desk: Path) -> None:
    """One after the other, as a reader would; the search goes on, and its versions say where they came from."""
    lines: list[str] = []
    for line in COMMANDS:
        _run(line, desk, lines)
    assert [line.split()[1] for line in lines if line.startswith("trial ")] == ["0", "1", "2", "3", "4"]
    store = ArtifactStore(desk / "store")
    found = [
        store.manifest("lightgbm_direction", info.version).lineage for info in store.versions("lightgbm_direction")
    ]
    assert {(one.experiment, one.study) for one in found} == {
        ("deeper.yaml", None),
        ("search.yaml", "leaves"),
        ("search.yaml + command line", "leaves"),
    }
    assert any("by symbol" in line for line in lines)


def test_files_of_the_page_say_what_the_page_says(desk: Path) -> None:
    """The second builds on the first, and takes two parameters away."""
    deeper = resolve("lightgbm_direction", desk / "deeper.yaml").spec
    assert (deeper.tiers, deeper.splits.folds, deeper.parameters["num_leaves"]) == ((1, 22), 3, 15)
    unsampled = resolve("lightgbm_direction", desk / "deeper_unsampled.yaml").spec.parameters
    assert unsampled == {
        name: value for name, value in {**deeper.parameters, "num_leaves": 9}.items() if "bagging" not in name
    }


def test_the_mistake_is_told_as_the_page_says(desk: Path) -> None:
    """Word by word."""
    ((line, said),) = REFUSED
    with pytest.raises(ConfigError) as raised:
        _run(line, desk, [])
    assert str(raised.value) == said


def test_keys_of_the_page_are_those_of_a_configuration() -> None:
    """The table names each once, and no other."""
    table = re.findall(r"^\| (`.*?) \|", PAGE, flags=re.MULTILINE)
    named = [key for row in table for key in re.findall(r"`(\w+)`", row)]
    assert sorted(named) == sorted(Configuration.__struct_fields__)

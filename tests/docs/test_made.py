"""What `make docs` made is still what trained models, a running service and its commands give."""

import re
import shutil
from pathlib import Path

import msgspec
import pytest

from models.manifest import Score
from models.store import ArtifactStore
from models.typing import Json
from tests.docs import audits, cards, pages, results
from tests.docs.__main__ import OPERATIONS, README, REFERENCE, RESULTS, api
from tests.docs.session import ROOT, Session
from tests.docs.shown import cut, difference, display, text_shape

SKILL = 1e-3
"""By how much a score, or an end of its interval, may differ.

The documents are made on one machine and read on another. Between types of CPU the last bits of sums differ; where two
splits of a tree are all but equal, the other one is taken, and a score moves in its fourth digit.
"""

COVERAGE = 5e-3
MASE = 1e-2
PLAIN_COVERAGE = 2.5e-2
"""Plain Prophet is asked on some 60 days only, and its band is drawn at random: one day more or less is 1.6 %."""

PAGE = (ROOT / README).read_text(encoding="utf-8")
OUTPUTS = {output.command: output for output in pages.outputs(PAGE)}

EXEMPT = {
    "make serve": "tests/test_barcast.py trains what is missing and serves; tests/smoke asks what is served",
    "make test": "is what runs this test",
    "make train": "tests/training/test_fleet.py trains; tests/test_barcast.py runs the command behind it",
    'make retrain ARGS="--source yahoo --symbols AAPL MSFT"': "needs the internet; see tests/flows/test_live_source.py",
    "docker build -t barcast .": "needs a container engine; tests/test_container.py checks the file",
    'docker run --rm -p 8000:8000 -e BARCAST_API_KEY="$(openssl rand -hex 24)" barcast': "as the line above",
}
"""Commands of README.md that are not run here, and why."""

COMMANDS = list(pages.commands(PAGE))
RUN = [command for command in COMMANDS if command not in EXEMPT]
FEATURES = re.compile(r"^\| `\w+` \| [\d.]+% \|.*\n|^\| \d+ \| \d+ \| (?:\w+ \d+(?:, )?)+ \|\n", re.MULTILINE)
"""Rows of a card that tell which features a fit kept: another CPU orders gains that are all but equal otherwise."""

JSON_FENCE = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


def test_exemptions_are_needed() -> None:
    """What is exempt is in README.md, and what shows an output is run."""
    assert set(EXEMPT) <= set(COMMANDS)
    assert set(OUTPUTS) <= set(RUN)


@pytest.mark.parametrize("command", RUN)
def test_command_works_as_it_stands(command: str, served: Session) -> None:
    """Each command ends well, and its output has the names and types of the one that is shown."""
    if command.startswith("curl") and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    done = served.run(command)
    assert done.returncode == 0, done.stderr
    if command not in OUTPUTS:
        return
    shown = OUTPUTS[command]
    text, language = display(done.stdout, shown.kept)
    if language == "json":
        assert difference(msgspec.json.decode(shown.text), msgspec.json.decode(text)) is None
        assert '"source": "fallback"' not in text
    else:
        assert text_shape(text) == text_shape(shown.text)


def test_banner_is_the_one_shown(served: Session) -> None:
    """What the server prints when it listens is what README.md says that it prints."""
    assert pages.blocks(PAGE)["banner"].strip() == f"```text\n{served.banner}\n```"


def test_figures_are_those_of_fresh_models(trained_store: Path) -> None:
    """The published figures are measured again: models trained just now on the sample give them, within `SKILL`."""
    shown = results.decode((ROOT / RESULTS).read_bytes())
    found = results.collect(ArtifactStore(trained_store))

    assert (shown.symbols, shown.first, shown.last) == (found.symbols, found.first, found.last)
    assert shown.data_fingerprint == found.data_fingerprint
    assert [_identity(model) for model in shown.models] == [_identity(model) for model in found.models]
    for published, measured in zip(_scores(shown), _scores(found), strict=True):
        assert (published.metric, published.baseline, published.n) == (measured.metric, measured.baseline, measured.n)
        assert _ends(published) == pytest.approx(_ends(measured), abs=SKILL), published
        near_zero = any(abs(end) <= SKILL for end in _ends(measured)[1:])
        assert near_zero or published.verdict == measured.verdict, published


def test_bands_and_paths_are_those_of_fresh_models(trained_store: Path) -> None:
    """Coverages and relative errors are measured again, too."""
    shown = results.decode((ROOT / RESULTS).read_bytes())
    found = results.collect(ArtifactStore(trained_store))

    for published, measured in zip(_tiers(shown), _tiers(found), strict=True):
        assert published.tier == measured.tier
        assert _held(published) == pytest.approx(_held(measured), abs=COVERAGE)
    assert [path.horizon for path in shown.paths] == [path.horizon for path in found.paths]
    for ours, theirs in zip(shown.paths, found.paths, strict=True):
        for name, tolerance in (("plain", PLAIN_COVERAGE), ("anchored", COVERAGE), ("unseen_symbol", COVERAGE)):
            published_path, measured_path = getattr(ours, name), getattr(theirs, name)
            assert published_path.n == measured_path.n
            assert published_path.mase == pytest.approx(measured_path.mase, rel=MASE)
            assert published_path.coverage == pytest.approx(measured_path.coverage, abs=tolerance)


def test_reference_is_that_of_the_service(served: Session) -> None:
    """docs/api.md is what this service says of itself; answers agree in names and types."""
    shown, found = (ROOT / REFERENCE).read_text(encoding="utf-8"), api(served)

    assert JSON_FENCE.sub("", shown) == JSON_FENCE.sub("", found)
    for published, measured in zip(JSON_FENCE.findall(shown), JSON_FENCE.findall(found), strict=True):
        assert difference(msgspec.json.decode(published), msgspec.json.decode(measured)) is None


def test_cards_are_those_of_the_artifacts(trained_store: Path) -> None:
    """docs/models says what the artifacts' own cards say; numbers and verdicts are another test's."""
    store = ArtifactStore(trained_store)

    for path, text in cards.cards(store).items():
        assert card_shape((ROOT / path).read_text(encoding="utf-8")) == card_shape(text), path
    assert {path for path in cards.images(store) if not (ROOT / path).is_file()} == set()


def test_audits_are_those_of_the_artifacts(trained_store: Path, served: Session) -> None:
    """docs/operations.md shows what a training and the command print; every check of either passed."""
    shown = pages.blocks((ROOT / OPERATIONS).read_text(encoding="utf-8"))

    for name, text in audits.blocks(ArtifactStore(trained_store), served).items():
        assert text_shape(shown[name]) == text_shape(text), name
        assert "every check passed" in shown[name]


def test_cutting_keeps_names_and_says_what_is_gone() -> None:
    """A cut value shows how much is missing, and a change of any name or type in what is left is a difference."""
    value: dict[str, Json] = {"a": [1.23456789, 2.0, 3.0, 4.0], "b": {str(n): {"c": None} for n in range(5)}}
    shown: dict[str, Json] = {
        "a": [1.23457, 2.0, "... 2 more"],
        "b": {"0": {"c": None}, "1": {"c": None}, "...": "3 more"},
    }

    assert cut(value) == shown
    assert difference(cut(value), {**shown, "a": [9.0]}) is None
    assert difference(cut(value), {**shown, "a": ["9"]}) == '/a/0: shown 1.23457, found "9"'
    assert difference(cut(value), {"a": []}) == "/: shown ['a', 'b'], found ['a']"


def card_shape(text: str) -> str:
    """Return a card without what fits find out: numbers, verdicts, and which features they keep."""
    return text_shape(FEATURES.sub("", text))


def _identity(model: results.Model) -> tuple[object, ...]:
    return model.model, model.target, model.horizon, model.route, [tier.tier for tier in model.tiers]


def _tiers(found: results.Results) -> list[results.Figures]:
    return [tier for model in found.models for tier in model.tiers]


def _scores(found: results.Results) -> list[Score]:
    return [score for tier in _tiers(found) for score in tier.scores]


def _held(figures: results.Figures) -> list[float]:
    """Return what a band promises and held, whatever the year and the third; nothing without a band."""
    found = figures.coverage
    return [] if found is None else [found.level, found.overall, *found.terciles, *(year.share for year in found.years)]


def _ends(score: Score) -> tuple[float, ...]:
    return score.value, *(score.ci95 or ())

"""Dockerfile: lint-free, copies what exists, and its last stage serves without training code, as nobody special."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCKERFILE = ROOT / "Dockerfile"


@dataclass(frozen=True)
class Instruction:
    """One instruction of a stage: ``COPY`` and what follows it."""

    word: str
    rest: str


def _stages(text: str) -> dict[str, list[Instruction]]:
    """Return the instructions of each named stage, in order."""
    lines = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    stages: dict[str, list[Instruction]] = {}
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            stages[rest.rpartition(" AS ")[2]] = []
        stages[next(reversed(stages))].append(Instruction(word, rest))
    return stages


def _copied(instructions: list[Instruction]) -> set[str]:
    """Return what is copied from the checkout."""
    copies = [i.rest.split() for i in instructions if i.word == "COPY" and "--from=" not in i.rest]
    return {source.rstrip("/") for words in copies for source in words[:-1] if not source.startswith("--")}


@pytest.fixture
def stages() -> dict[str, list[Instruction]]:
    """Return the stages of our Dockerfile."""
    return _stages(DOCKERFILE.read_text())


def test_the_linter_finds_nothing() -> None:
    """Hadolint is content, also with details it only informs about."""
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--no-color", DOCKERFILE], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_the_linter_can_fail(tmp_path: Path) -> None:
    """A Dockerfile without a tag and with a shell-form command is refused, so the test above means something."""
    (tmp_path / "Dockerfile").write_text("FROM python\nRUN cd /srv\nCMD python -m app\n")
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "DL3006" in done.stdout


def test_what_is_copied_exists_and_is_sent(stages: dict[str, list[Instruction]]) -> None:
    """Every source of COPY is in the checkout, and .dockerignore lets it through."""
    sent = {line[1:].rstrip("/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = set().union(*map(_copied, stages.values()))

    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert {source for source in sources if source.partition("/")[0] not in sent} == set()
    assert {name for name in sent if not (ROOT / name).exists()} == set()


def test_the_serving_stage_holds_no_training_code(stages: dict[str, list[Instruction]]) -> None:
    """The image that runs has the service and the artifacts; its requirements are the serving lock."""
    serving = stages["serving"]

    assert next(reversed(stages)) == "serving"
    assert _copied(serving) == {"app", "data", "feature_mapper", "models", "requirements/serving.txt"}
    assert [i.rest.split()[-2:] for i in serving if "--from=" in i.rest] == [
        ["/srv/barcast/models/artifacts/", "models/artifacts/"]
    ]


def test_the_service_runs_as_nobody_special_and_tells_its_health(stages: dict[str, list[Instruction]]) -> None:
    """The last USER is a number above the system's, the port is exposed, the health check is valid Python on /livez."""
    last = {i.word: i.rest for i in stages["serving"]}
    command = json.loads(last["HEALTHCHECK"].partition("CMD ")[2])

    assert int(last["USER"]) >= 10_000
    assert last["EXPOSE"] == "8000"
    assert json.loads(last["CMD"]) == ["python", "-m", "app"]
    assert command[:2] == ["python", "-c"]
    assert "/livez" in command[2]
    compile(command[2], "HEALTHCHECK", "exec")


def test_the_parser_reads_stages_and_continued_lines() -> None:
    """The helper of these tests joins lines, leaves comments out and keeps stages apart."""
    stages = _stages("FROM a:1 AS one\n# COPY no no\nCOPY x y/ \\\n    z/\nFROM one AS two\nCOPY --from=one /q r\n")

    assert list(stages) == ["one", "two"]
    assert _copied(stages["one"]) == {"x", "y"}
    assert _copied(stages["two"]) == set()

"""The rooms of docs/architecture.md: every module keeps every rule, and every rule catches what it is for."""

from pathlib import Path

import pytest

from tests.architecture import HEAVY, MAX_LINES, RULES, Module, findings, modules

ROOT = Path(__file__).parents[1]

ROOT_FOLDERS = {
    "app",
    "data",
    "deploy",
    "docs",
    "feature_mapper",
    "flows",
    "models",
    "requirements",
    "skill",
    "tests",
    "training",
}
ROOT_FILES = {
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "barcast.py",
    "pyproject.toml",
    "requirements.txt",
}
MADE_BY_TOOLS = {"__pycache__", "barcast.egg-info", "build", "dist"}

PLANTED = [
    ("arrows", "app/serving.py", "from training.kit import run"),
    ("arrows", "app/serving.py", "def load():\n    import flows.retrain"),
    ("arrows", "data/bar_store.py", "from models import store"),
    ("arrows", "models/served.py", "import app.settings"),
    ("arrows", "training/kit/run.py", "from barcast import main"),
    ("arrows", "feature_mapper/bars.py", "from tests.architecture import RULES"),
    ("pure-domain", "feature_mapper/windows.py", "import scipy.stats"),
    ("model-folders", "training/hmm_regime/train.py", "from training.prophet_forecast import spec"),
    ("model-folders", "training/hmm_regime/train.py", "from ..prophet_forecast import spec"),
    ("model-folders", "training/hmm_regime/train.py", "from training import prophet_forecast"),
    ("model-folders", "training/kit/run.py", "from training.prophet_forecast.spec import SPEC"),
    *(("heavy", "models/families/forest.py", f"import {library}") for library in sorted(HEAVY)),
    ("heavy", "app/main.py", "class Plane:\n    from lightgbm import Booster"),
    ("length", "app/main.py", "\n" * (MAX_LINES + 1)),
    ("dangerous", "models/store/load.py", "import pickle"),
    ("dangerous", "models/store/load.py", "import joblib\njoblib.load('weights')"),
    ("dangerous", "models/store/load.py", "from joblib import load"),
    ("dangerous", "models/store/load.py", "np.load('weights', allow_pickle=True)"),
    ("dangerous", "models/store/load.py", "eval('1')"),
    ("dangerous", "flows/retrain.py", "subprocess.run('make train', shell=True)"),
    ("dangerous", "app/boundary.py", "started = time.time()"),
    ("dangerous", "app/boundary.py", "from time import time"),
    ("dangerous", "training/hmm_regime/train.py", "sys.path.insert(0, '..')"),
]

INNOCENT = [
    ("app/serving.py", "from models.store import ArtifactStore\nfrom feature_mapper.bars import Bars"),
    ("feature_mapper/windows.py", "import math\n\nimport numpy as np\n\nfrom feature_mapper import bars"),
    ("training/hmm_regime/train.py", "from training.hmm_regime.spec import SPEC\nfrom training.kit import run"),
    ("training/hmm_regime/train.py", "from .spec import SPEC\nfrom ..kit.run import run"),
    ("models/families/forest.py", "def load(raw):\n    import skops.io\n    return skops.io.loads(raw)"),
    ("training/kit/discover.py", "import training"),
    ("models/families/lightgbm.py", "if TYPE_CHECKING:\n    from lightgbm import Booster"),
    ("data/sources/csv.py", "def retrieval(x):\n    return np.load(x, allow_pickle=False)"),
    ("barcast.py", "def train():\n    from training.kit import run\n    import app.main"),
    ("app/main.py", "\n" * MAX_LINES),
]


@pytest.mark.parametrize("module", modules(ROOT), ids=lambda module: module.name)
def test_a_module_keeps_every_rule(module: Module) -> None:
    """No module of ours breaks a rule of `RULES`."""
    assert findings(module) == []


@pytest.mark.parametrize(("rule", "path", "source"), PLANTED)
def test_a_planted_offence_is_found(tmp_path: Path, rule: str, path: str, source: str) -> None:
    """Each rule finds the offence it is for in a tree that holds nothing else, and no other rule cries."""
    assert {finding.split(": ")[1] for finding in findings(_plant(tmp_path, path, source))} == {rule}


@pytest.mark.parametrize(("path", "source"), INNOCENT)
def test_an_innocent_module_is_left_alone(tmp_path: Path, path: str, source: str) -> None:
    """What the architecture allows breaks no rule."""
    assert findings(_plant(tmp_path, path, source)) == []


def test_every_rule_has_been_seen_to_fail() -> None:
    """A rule without a planted offence could be one that finds nothing."""
    assert {rule for rule, _, _ in PLANTED} == {rule.name for rule in RULES}


def test_the_root_holds_what_it_should() -> None:
    """A new entry in the root is a decision: it is named here or it is not there."""
    entries = [entry for entry in ROOT.iterdir() if not entry.name.startswith(".") and entry.name not in MADE_BY_TOOLS]

    assert {entry.name for entry in entries if entry.is_dir()} <= ROOT_FOLDERS
    assert {entry.name for entry in entries if entry.is_file()} <= ROOT_FILES


def _plant(root: Path, path: str, source: str) -> Module:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(source)
    (module,) = modules(root)
    return module

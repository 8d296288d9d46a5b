"""The rules of docs/architecture.md as data: each is a check over one parsed module, and says what it found where."""

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

MAY_IMPORT: dict[str, frozenset[str]] = {
    "feature_mapper": frozenset(),
    "data": frozenset({"feature_mapper"}),
    "models": frozenset({"feature_mapper", "data"}),
    "training": frozenset({"feature_mapper", "data", "models"}),
    "flows": frozenset({"feature_mapper", "data", "models", "training"}),
    "skill": frozenset({"feature_mapper", "data", "models", "training"}),
    "app": frozenset({"feature_mapper", "data", "models"}),
    "barcast": frozenset({"feature_mapper", "data", "models", "training", "flows", "skill", "app"}),
}
"""Our own packages that a package may import besides itself."""

PURE = frozenset({"numpy", "pandas"})
"""Third parties that the pure domain may use."""

HEAVY = frozenset(
    {
        "arch",
        "curl_cffi",
        "hmmlearn",
        "lightgbm",
        "matplotlib",
        "mlflow",
        "optuna",
        "pandas",
        "pandera",
        "prefect",
        "prophet",
        "pyarrow",
        "sklearn",
        "skops",
        "statsmodels",
        "tenacity",
        "xgboost",
        "yfinance",
    }
)
"""Libraries that cost a second or 100 MB: imported in the function that uses them, never on import of a module."""

MAX_LINES = 500


@dataclass(frozen=True)
class Import:
    """One imported dotted name."""

    name: str
    line: int
    on_load: bool
    """Whether importing the module executes it: it stands outside every function."""

    @property
    def top(self) -> str:
        """The package that the name starts with."""
        return self.name.partition(".")[0]


@dataclass(frozen=True)
class Module:
    """One source file, seen from the root of the repository that it belongs to."""

    path: Path
    name: str

    @classmethod
    def at(cls, root: Path, path: Path) -> "Module":
        """Name the file at ``path`` by its folders below ``root``."""
        parts = path.relative_to(root).with_suffix("").parts
        return cls(path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts))

    @property
    def package(self) -> str:
        """The top-level package, or the module itself if it is one."""
        return self.name.partition(".")[0]

    @cached_property
    def source(self) -> str:
        """The text of the file."""
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed file."""
        return ast.parse(self.source, filename=str(self.path))

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every import in the file, relative ones made absolute; ``from a import b`` counts as ``a.b``."""
        return tuple(self._imports(self.tree, on_load=True))

    def _imports(self, node: ast.AST, *, on_load: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, child.lineno, on_load)
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    yield Import(f"{self._origin(child)}.{alias.name}", child.lineno, on_load)
            else:
                yield from self._imports(child, on_load=on_load and not _deferred(child))

    def _origin(self, node: ast.ImportFrom) -> str:
        if node.level == 0:
            return node.module or ""
        parts = self.name.split(".")
        keep = len(parts) - node.level + (self.path.name == "__init__.py")
        return ".".join([*parts[:keep], *filter(None, [node.module])])


def _deferred(node: ast.AST) -> bool:
    """Tell whether importing the module leaves what is in ``node`` alone."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING" and not node.orelse
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


@dataclass(frozen=True)
class Rule:
    """A rule that every module keeps."""

    name: str
    summary: str
    check: Callable[[Module], Iterator[tuple[int, str]]]
    """Yields the line and what was found there."""


def modules(root: Path) -> list[Module]:
    """List the source files of our packages below ``root``, and ``barcast.py``."""
    folders = (root / package for package in MAY_IMPORT if (root / package).is_dir())
    files = [file for folder in folders for file in sorted(folder.rglob("*.py"))]
    return [Module.at(root, file) for file in (*files, *root.glob("barcast.py"))]


def findings(module: Module, rules: tuple[Rule, ...] | None = None) -> list[str]:
    """Say where ``module`` breaks which of ``rules`` (all of `RULES` if not given)."""
    return [
        f"{module.path.name}:{line}: {rule.name}: {message}"
        for rule in (RULES if rules is None else rules)
        for line, message in rule.check(module)
    ]


def third_parties(module: Module, *, on_load_only: bool = False) -> set[str]:
    """Name the packages that the module imports and that are neither ours nor the standard library's."""
    ours = {*MAY_IMPORT, "tests"}
    return {i.top for i in module.imports if i.on_load or not on_load_only} - ours - sys.stdlib_module_names


def _arrows(module: Module) -> Iterator[tuple[int, str]]:
    allowed = MAY_IMPORT[module.package] | {module.package}
    for found in module.imports:
        if found.top in {*MAY_IMPORT, "tests"} - allowed:
            yield found.line, f"{module.package} may import {sorted(allowed)} of ours, found {found.name}"


def _pure_domain(module: Module) -> Iterator[tuple[int, str]]:
    if module.package == "feature_mapper":
        for found in module.imports:
            if found.top in third_parties(module) - PURE:
                yield found.line, f"the pure domain may import {sorted(PURE)}, found {found.name}"


def _model_folders(module: Module) -> Iterator[tuple[int, str]]:
    if module.package == "training":
        own = module.name.split(".")[1:2]
        for found in module.imports:
            folder = found.name.split(".")[1:2]
            if found.top == "training" and folder not in ([], own, ["kit"]):
                yield found.line, f"a folder below training may import itself and training.kit, found {found.name}"


def _heavy(module: Module) -> Iterator[tuple[int, str]]:
    for found in module.imports:
        if found.on_load and found.top in HEAVY:
            yield found.line, f"import {found.top} in the function that uses it"


def _length(module: Module) -> Iterator[tuple[int, str]]:
    lines = module.source.count("\n")
    if lines > MAX_LINES:
        yield MAX_LINES, f"expected at most {MAX_LINES} lines, found {lines}; split by idea"


CODE_LOADERS = frozenset({"cloudpickle", "dill", "marshal", "pickle", "shelve"})
BANNED_CALLS = {
    "eval": "executes what it is given",
    "exec": "executes what it is given",
    "joblib.dump": "writes a pickle",
    "joblib.load": "executes what it is given",
    "os.popen": "runs a shell",
    "os.system": "runs a shell",
    "sys.path.append": "the editable install makes every module importable",
    "sys.path.insert": "the editable install makes every module importable",
    "time.time": "jumps with the wall clock; use time.perf_counter for a duration, datetime.now(UTC) for a date",
}
BANNED_ARGUMENTS = {"allow_pickle": "executes what it is given", "shell": "runs a shell"}


def _dangerous(module: Module) -> Iterator[tuple[int, str]]:
    for found in module.imports:
        if found.top in CODE_LOADERS:
            yield found.line, f"{found.top} executes what it is given"
        elif found.name in BANNED_CALLS:
            yield found.line, f"{found.name} {BANNED_CALLS[found.name]}"
    for call in (node for node in ast.walk(module.tree) if isinstance(node, ast.Call)):
        called = ast.unparse(call.func)
        if called in BANNED_CALLS:
            yield call.lineno, f"{called} {BANNED_CALLS[called]}"
        for argument in call.keywords:
            off = isinstance(argument.value, ast.Constant) and not argument.value.value
            if argument.arg in BANNED_ARGUMENTS and not off:
                yield call.lineno, f"{argument.arg} {BANNED_ARGUMENTS[argument.arg]}"


RULES = (
    Rule("arrows", "Packages import each other in one direction only.", _arrows),
    Rule("pure-domain", "feature_mapper knows arrays and nothing else.", _pure_domain),
    Rule("model-folders", "A model folder stands alone on the kit.", _model_folders),
    Rule("heavy", "Heavy libraries are imported where they are used.", _heavy),
    Rule("length", "A file tells one story.", _length),
    Rule(
        "dangerous",
        "Nothing executes what it reads, runs a shell, bends the path or trusts the wall clock.",
        _dangerous,
    ),
)

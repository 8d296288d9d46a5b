"""Results of long work, kept in files that are named by all that they depend on: bars, code, libraries and rows."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from data.disk import write_at_once
from feature_mapper.typing import FloatArray
from skill.universe import Universe
from training.kit.source import source_fingerprint
from training.kit.splits import Fold

CODE: Final = ("feature_mapper", "models", "training/kit", "skill/fits", "skill/rivals")
"""Folders whose source decides what a fit or a rival says: what is kept is of exactly this code. What a folder of
`training` declares is in the names of its fits."""

LIBRARIES: Final = (
    "arch",
    "hmmlearn",
    "lightgbm",
    "numpy",
    "pandas",
    "prophet",
    "scikit-learn",
    "scipy",
    "statsmodels",
    "xgboost",
)
"""Packages whose version may change what a fit or a rival says."""


@dataclass(frozen=True, slots=True)
class Shelf:
    """Arrays in files of one folder; None keeps nothing."""

    folder: Path | None
    stamp: str

    @classmethod
    def of(cls, folder: Path | None, universe: Universe) -> "Shelf":
        """Return the shelf for these bars, this code and these libraries."""
        return cls(folder, universe.fingerprint() + code_fingerprint() + library_versions())

    def kept(self, key: object, make: Callable[[], dict[str, FloatArray]]) -> dict[str, FloatArray]:
        """Return what is kept under ``key``, or make and keep it."""
        if self.folder is None:
            return make()
        name = hashlib.sha256(msgspec.json.encode((self.stamp, key), order="sorted")).hexdigest()[:32]
        path = self.folder / f"{name}.npz"
        if path.exists():
            with np.load(path) as file:
                return dict(file)
        arrays = make()
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]  # its stub takes the names for its own options
        self.folder.mkdir(parents=True, exist_ok=True)
        write_at_once(path, buffer.getvalue())
        return arrays


def code_fingerprint() -> str:
    """Return the SHA-256 of the source that fits."""
    return source_fingerprint(CODE)


def library_versions() -> str:
    """Return the versions of `LIBRARIES`; one that is not installed has none."""
    installed = {found.name: found.version for found in metadata.distributions() if found.name in LIBRARIES}
    return ";".join(f"{name}={installed.get(name, 'none')}" for name in LIBRARIES)


def fold_key(fold: Fold) -> str:
    """Return the SHA-256 of the rows that a fold trains on, asks about and keeps apart."""
    digest = hashlib.sha256(repr(fold.apart).encode())
    for rows in (fold.train, fold.test):
        digest.update(f"{len(rows)};".encode() + rows.tobytes())
    return digest.hexdigest()

"""What a long fit has so far, on disk, so that a killed one goes on instead of beginning anew.

A checkpoint is two files: the weights in their family's own format, which is no pickle, and a record with a SHA-256
over weights, progress and everything that the fit depends on. Each is put in place at once, the record last. Weights
without their record, or with another digest, are never parsed. The digest guards against damage, not against somebody
who may write to the folder.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from data.disk import write_at_once
from models.families.base import Parameters, TrainingRows

EVERY: Final = 20
"""Iterations, or trees, between checkpoints. Shorter fits keep none."""

KEPT: Final = 2
"""Newest checkpoints that stay: where the newest is damaged, the one before it serves."""

_WEIGHTS: Final = ".weights"
_RECORD: Final = ".json"

_logger = logging.getLogger(__name__)


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What lies beside the weights: iterations that they hold, and the digest of `_digest`."""

    done: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Verified weights of a part of a fit, and how many iterations or trees they hold."""

    done: int
    weights: bytes


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where one fit keeps its checkpoints; nobody else's are in that folder.

    Attributes
    ----------
    folder : Path
        Made with the first checkpoint, removed after success.
    every : int
        Iterations, or trees, between checkpoints.

    """

    folder: Path
    every: int = EVERY

    def newest(self, key: str, below: int) -> Checkpoint | None:
        """Return the newest sound checkpoint of a fit that holds fewer than ``below`` iterations; None: there is none.

        One that is damaged is left out, with a warning; its bytes meet no parser.
        """
        for path in sorted(self.folder.glob(f"{key[:12]}-*{_RECORD}"), reverse=True):
            try:
                record = msgspec.json.decode(path.read_bytes(), type=_Record)
                weights = path.with_suffix(_WEIGHTS).read_bytes()
            except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
                _logger.warning("the checkpoint %s can't be read and is left out: %s", path, error)
                continue
            if record.sha256 != _digest(key, record.done, weights) or record.done % self.every:
                _logger.warning("expected the checkpoint %s as it was written, found other bytes; it is left out", path)
                continue
            if 0 < record.done < below:
                return Checkpoint(record.done, weights)
        return None

    def save(self, key: str, done: int, weights: bytes) -> None:
        """Keep what is fitted so far. A full disk costs the checkpoint, not the fit: it is said, and no more."""
        stem = f"{key[:12]}-{done:06d}"
        record = msgspec.json.encode(_Record(done, _digest(key, done, weights)))
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_at_once(self.folder / f"{stem}{_WEIGHTS}", weights)
            write_at_once(self.folder / f"{stem}{_RECORD}", record)
            for old in sorted(self.folder.glob(f"{key[:12]}-*{_RECORD}"))[:-KEPT]:
                old.unlink(missing_ok=True)  # the record first: weights alone are none
                old.with_suffix(_WEIGHTS).unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("no checkpoint after %d iterations in %s: %s", done, self.folder, error)

    def clear(self) -> None:
        """Remove all checkpoints of the folder, those of fits on other rows too; and the folder, if that empties it."""
        with suppress(OSError):
            for ending in (_RECORD, _WEIGHTS):
                for path in self.folder.glob(f"*{ending}"):
                    path.unlink(missing_ok=True)
            for path in self.folder.glob(".staging-*"):  # of a fit that was killed while it wrote
                path.unlink(missing_ok=True)
            self.folder.rmdir()


def fit_key(rows: TrainingRows, parameters: Parameters, seed: int, libraries: tuple[str, ...]) -> str:
    """Return the SHA-256 of everything that a fit depends on: another fit never goes on from its checkpoints."""
    digest = sha256()
    for array in (rows.x, rows.y, rows.weight):
        if array is None:
            digest.update(b"none;")
        else:
            digest.update(f"{array.shape};".encode() + np.ascontiguousarray(array).tobytes())
    settings = sorted(parameters.items())
    digest.update(repr((rows.objective, settings, seed, [(name, version(name)) for name in libraries])).encode())
    return digest.hexdigest()


def _digest(key: str, done: int, weights: bytes) -> str:
    return sha256(f"{key}:{done}:".encode() + weights).hexdigest()

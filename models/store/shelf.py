"""One model's folder in the store: where everything lies and what it says now.

::

    <root>/<model>/
        CURRENT                 the ledger line of the promotion in force; absent: nothing was promoted
        ledger.jsonl            see models.store.ledger
        v000012/                a version, never changed
        v000012.quarantined     the ledger line of its quarantine
        .lock                   held by the one writer
        .staging-*              unfinished; removed by the next writer
"""

import re
from dataclasses import dataclass
from pathlib import Path

from models.errors import ArtifactMissing, LedgerInvalid, VersionUnknown
from models.store.ledger import CURRENT_NAME, LEDGER_NAME, Entry, Ledger, from_line, read_ledger

_MODEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"v[0-9]{6}")
LAST_VERSION = 999_999


@dataclass(frozen=True, slots=True)
class Quarantine:
    """A version that is refused, and why."""

    version: str
    why: str


@dataclass(frozen=True, slots=True)
class Shelf:
    """The folder of one model. Get it by `shelf`, which checks the name before a path is formed."""

    path: Path

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.path.name

    def folder(self, version: str) -> Path:
        """Return the folder of a version, which need not exist.

        Raises
        ------
        VersionUnknown
            The text is not a version at all, so it never becomes a path.

        """
        if not _VERSION.fullmatch(version):
            raise VersionUnknown(f"{self.model}: expected a version such as v000012, found {version[:40]!r}")
        return self.path / version

    def marker(self, version: str) -> Path:
        """Return the path of a version's quarantine marker."""
        return self.folder(version).with_name(f"{version}.quarantined")

    @property
    def lock(self) -> Path:
        """The file whose lock a writer holds."""
        return self.path / ".lock"

    @property
    def ledger_path(self) -> Path:
        """The file of the ledger."""
        return self.path / LEDGER_NAME

    @property
    def current_path(self) -> Path:
        """The file that names the champion."""
        return self.path / CURRENT_NAME

    def ledger(self) -> Ledger:
        """Read the ledger; an absent one is empty."""
        return read_ledger(self.ledger_path)

    def current(self) -> Entry | None:
        """Return the promotion in force, or None if nothing was promoted yet.

        Raises
        ------
        LedgerInvalid
            ``CURRENT`` is damaged.

        """
        try:
            line = self.current_path.read_bytes()
        except FileNotFoundError:
            return None
        entry = from_line(line.removesuffix(b"\n"))
        if entry is None or entry.event not in {"promote", "rollback"}:
            message = (
                f"{self.current_path}: expected the line of a promotion, found a damaged one; "
                f"put back the promote or rollback line of {LEDGER_NAME} that it should hold"
            )
            raise LedgerInvalid(message)
        return entry

    def folders(self) -> frozenset[str]:
        """Return the names of versions that have a folder, published or not."""
        return frozenset(path.name for path in self.path.iterdir() if _VERSION.fullmatch(path.name))

    def quarantine(self, version: str) -> Quarantine | None:
        """Return why a version is refused, or None if it is not. A marker that can't be read refuses too."""
        try:
            entry = from_line(self.marker(version).read_bytes().removesuffix(b"\n"))
        except FileNotFoundError:
            return None
        return Quarantine(version, entry.why if entry else "its quarantine marker is damaged")

    def published(self) -> dict[str, Entry]:
        """Return the publications of all versions that are there, by version, oldest first."""
        # Ledger after folders: a version that is published in between is then not seen half.
        try:
            folders = self.folders()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {entry.version: entry for entry in self.ledger().publications() if entry.version in folders}

    def publication(self, version: str) -> Entry:
        """Return the publication of a version.

        Raises
        ------
        VersionUnknown
            It was never published here: there is no folder, or one that the ledger doesn't know (a copy under way).

        """
        there = self.folder(version).exists()
        entry = self.ledger().publication(version) if there else None
        if entry is None:
            found = "a folder that the ledger does not announce" if there else "none"
            message = f"{self.model}: expected the published version {version}, found {found}"
            raise VersionUnknown(f"{message}; publish it, wait until its copy is complete, or ask for another")
        return entry

    def require_current(self) -> Entry:
        """Return the promotion in force.

        Raises
        ------
        ArtifactMissing
            There is none.

        """
        entry = self.current()
        if entry is None:
            message = f"expected a promoted version of {self.model}, found none; train it, or promote a candidate"
            raise ArtifactMissing(message)
        return entry


def shelf(root: Path, model: str) -> Shelf:
    """Return the folder of a model under ``root``, which need not exist.

    Raises
    ------
    ArtifactMissing
        The text is not a model's name at all, so it never becomes a path.

    """
    if not is_model_name(model):
        message = f"expected a model's name (a-z, 0-9, _ and -, at most 64 characters), found {model[:40]!r}"
        raise ArtifactMissing(f"{message}; look up the models that there are")
    return Shelf(root / model)


def is_model_name(text: str) -> bool:
    """Tell whether a text can be a model's name."""
    return _MODEL.fullmatch(text) is not None


def version_name(number: int) -> str:
    """Return the version of a number, counted from 1."""
    return f"v{number:06d}"


def version_number(version: str) -> int:
    """Return the number of a version."""
    return int(version[1:])

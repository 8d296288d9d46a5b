"""Reading a version: every byte is in memory and proven before anyone may parse it.

Order: the folder's own kind, the manifest against its anchor (the digest that the ledger and ``CURRENT`` hold), the
names of the files, their kinds and sizes, then their digests. What is handed out are the very bytes that were hashed,
so nothing can change between check and use.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from models.errors import FilesMismatch, HashMismatch, ManifestInvalid, VersionUnknown
from models.manifest import MANIFEST_NAME, FileEntry, Manifest, decode

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe in disguise must not make us wait


@dataclass(frozen=True, slots=True)
class Limits:
    """What an artifact may take: bytes of a file, of the manifest and of all together, and number of files."""

    file_bytes: int = 512 << 20
    manifest_bytes: int = 8 << 20
    total_bytes: int = 1 << 30
    files: int = 512


@dataclass(frozen=True, slots=True)
class Artifact:
    """A version in memory, proven: its manifest and the bytes of its files by name."""

    manifest: Manifest
    files: Mapping[str, bytes]

    @property
    def name(self) -> str:
        """Model and version, for messages."""
        return f"{self.manifest.model} {self.manifest.version}"


def read_manifest(folder: Path, anchor: str, limits: Limits) -> Manifest:
    """Read and prove the manifest of the version in ``folder``; the other files are not looked at.

    Parameters
    ----------
    folder : Path
        ``<root>/<model>/<version>``.
    anchor : str
        SHA-256 that the manifest had when the version was published.
    limits : Limits
        Sizes beyond which nothing is read.

    Raises
    ------
    VersionUnknown
        No such folder.
    FilesMismatch, HashMismatch, ManifestInvalid
        As `read_artifact`.

    """
    descriptor = _open_folder(folder)
    try:
        return _manifest(descriptor, folder, anchor, limits)
    finally:
        os.close(descriptor)


def read_artifact(folder: Path, anchor: str, limits: Limits, named: tuple[str, str] | None = None) -> Artifact:
    """Read and prove the version in ``folder``. Parameters as for `read_manifest`.

    ``named`` is the model and version that the manifest must state; by default those of the folder's path. A publisher
    gives it to prove its staging folder.

    Raises
    ------
    VersionUnknown
        No such folder.
    FilesMismatch
        A file, the manifest among them, is missing, extra, a link, not a plain file, or not of its stated size.
    HashMismatch
        The manifest or a file has other bytes than when it was published.
    ManifestInvalid
        The manifest can't be read, or speaks of another model or version.

    """
    descriptor = _open_folder(folder)
    try:
        manifest = _manifest(descriptor, folder, anchor, limits, named)
        _check_names(set(os.listdir(descriptor)), manifest, folder, limits)  # noqa: PTH208  of a descriptor, not a path
        for entry in manifest.files:
            _check_kind(descriptor, entry, folder)
        return Artifact(manifest, MappingProxyType({e.path: _proven(descriptor, e, folder) for e in manifest.files}))
    finally:
        os.close(descriptor)


def file_entry(name: str, data: bytes) -> FileEntry:
    """Describe a file for the manifest."""
    return FileEntry(path=name, size=len(data), sha256=digest(data))


def digest(data: bytes) -> str:
    """Return the SHA-256 of ``data`` in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def check_files(files: Mapping[str, int], weights: tuple[str, ...], limits: Limits, where: str) -> None:
    """Check names and sizes of an artifact's files, before they are written or read.

    Raises
    ------
    FilesMismatch
        A reserved name, two names that differ only in case (one file on some disks), too many or too large files, or
        weights that are not among them.

    """
    if MANIFEST_NAME in files:
        raise FilesMismatch(f"{where}: expected no file named {MANIFEST_NAME}, the store writes it; rename yours")
    seen: dict[str, str] = {}
    for name in files:
        if twin := seen.get(name.casefold()):
            raise FilesMismatch(f"{where}: expected names that differ in more than case, found {twin} and {name}")
        seen[name.casefold()] = name
    if len(files) > limits.files or sum(files.values()) > limits.total_bytes:
        found = f"{len(files)} files of {sum(files.values())} bytes"
        message = f"{where}: expected at most {limits.files} files of {limits.total_bytes} bytes in all, found {found}"
        raise FilesMismatch(f"{message}; publish a smaller model or raise the limits")
    for name, size in files.items():
        if size > limits.file_bytes:
            message = f"{where}: expected at most {limits.file_bytes} bytes in {name}, found {size}"
            raise FilesMismatch(f"{message}; publish a smaller model or raise the limits")
    if absent := sorted(set(weights) - set(files)):
        raise FilesMismatch(f"{where}: expected the weights {', '.join(absent)} among the files; add them")


def _open_folder(folder: Path) -> int:
    """Open a version's folder by way of its model's. Neither may be a link; only the latter is its fault."""
    try:
        shelf = os.open(folder.parent, _FOLDER)
        try:
            return _open_version(shelf, folder)
        finally:
            os.close(shelf)
    except FileNotFoundError as error:
        raise VersionUnknown(f"expected the folder {folder}, found none; publish it or ask for another") from error


def _open_version(shelf: int, folder: Path) -> int:
    try:
        return os.open(folder.name, _FOLDER, dir_fd=shelf)
    except OSError as error:
        if error.errno not in {errno.ELOOP, errno.ENOTDIR}:
            raise
        raise FilesMismatch(f"expected {folder} to be a folder, found a link or a file; publish again") from error


def _manifest(
    folder_fd: int, folder: Path, anchor: str, limits: Limits, named: tuple[str, str] | None = None
) -> Manifest:
    try:
        status = os.stat(MANIFEST_NAME, dir_fd=folder_fd, follow_symlinks=False)
    except FileNotFoundError as error:
        # A folder gets its name when it is whole, so this one has lost its manifest, or was copied in file by file.
        message = f"expected {folder / MANIFEST_NAME}, found none; restore the folder as a whole, or publish again"
        raise FilesMismatch(message) from error
    _check_plain(status, folder / MANIFEST_NAME)
    if status.st_size > limits.manifest_bytes:
        message = f"{folder / MANIFEST_NAME}: expected at most {limits.manifest_bytes} bytes, found {status.st_size}"
        raise FilesMismatch(f"{message}; publish again")
    data = _bytes(folder_fd, MANIFEST_NAME, status.st_size)
    if (found := digest(data)) != anchor:
        message = (
            f"{folder / MANIFEST_NAME}: expected SHA-256 {anchor}, found {found}; restore the file or publish again"
        )
        raise HashMismatch(message)
    manifest = decode(data)
    expected = named or (folder.parent.name, folder.name)
    if (manifest.model, manifest.version) != expected:
        stated = f"{manifest.model} {manifest.version}"
        raise ManifestInvalid(f"{folder}: expected the manifest of {' '.join(expected)}, found that of {stated}")
    sizes = {entry.path: entry.size for entry in manifest.files}
    if len(sizes) != len(manifest.files):
        raise ManifestInvalid(f"{folder / MANIFEST_NAME}: expected each file once, found one twice; publish again")
    check_files(sizes, tuple(tier.weights for tier in manifest.tiers), limits, str(folder))
    return manifest


def _check_names(found: set[str], manifest: Manifest, folder: Path, limits: Limits) -> None:
    expected = {MANIFEST_NAME, *(entry.path for entry in manifest.files)}
    for what, names in (("no other file", found - expected), ("every file of its manifest", expected - found)):
        if names:
            shown = ", ".join(ascii(name) for name in sorted(names)[: min(5, limits.files)])
            verb = "found" if what == "no other file" else "missing"
            raise FilesMismatch(f"{folder}: expected {what}, {verb} {shown}; restore the folder or publish again")


def _check_kind(folder_fd: int, entry: FileEntry, folder: Path) -> None:
    status = os.stat(entry.path, dir_fd=folder_fd, follow_symlinks=False)
    _check_plain(status, folder / entry.path)
    if status.st_size != entry.size:
        message = f"{folder / entry.path}: expected {entry.size} bytes, found {status.st_size}"
        raise FilesMismatch(f"{message}; restore the file or publish again")


def _check_plain(status: os.stat_result, path: Path) -> None:
    """Refuse what could be changed from outside the folder, or has no end."""
    if not stat.S_ISREG(status.st_mode):
        raise FilesMismatch(f"expected {path} to be a plain file, found another kind; publish again")
    if status.st_nlink != 1:
        message = f"expected {path} to have one name, found a hard link to a file of {status.st_nlink} names"
        raise FilesMismatch(f"{message}; copy the folder instead of linking it")


def _proven(folder_fd: int, entry: FileEntry, folder: Path) -> bytes:
    data = _bytes(folder_fd, entry.path, entry.size)
    if (found := digest(data)) != entry.sha256:
        message = f"{folder / entry.path}: expected SHA-256 {entry.sha256}, found {found}"
        raise HashMismatch(f"{message}; restore the file or publish again")
    return data


def _bytes(folder_fd: int, name: str, size: int) -> bytes:
    """Read at most one byte more than ``size``, so that a file that grew meanwhile fails its digest."""
    with os.fdopen(os.open(name, _FILE, dir_fd=folder_fd), "rb") as file:
        return file.read(size + 1)

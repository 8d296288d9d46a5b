"""The same estimator, the same archive: skops alone writes memory addresses and clocks into its files."""

import io
import itertools
import json
import zipfile
from collections import defaultdict
from typing import Final

import numpy as np

from models.typing import Json

SCHEMA: Final = "schema.json"


def canonical(archive: bytes) -> bytes:
    """Return an archive that loads as the given one does, and whose bytes depend on the estimator alone.

    Objects, which skops names after their addresses, are numbered in the order in which the schema comes to them;
    members carry no time; the gaps between the fields of a tree's nodes, which nobody ever sets, are 0.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as given:
        members = {name: given.read(name) for name in given.namelist()}
    count = itertools.count()
    numbers: defaultdict[str, int] = defaultdict(lambda: next(count))
    schema = json.dumps(_renumbered(json.loads(members.pop(SCHEMA)), numbers))
    renamed = {_renamed(name, numbers): _gapless(data) for name, data in members.items()}
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for name, data in [*sorted(renamed.items()), (SCHEMA, schema.encode())]:
            member = zipfile.ZipInfo(name)  # without a time given: 1980, where zip's calendar begins
            written.writestr(member, data, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _renumbered(node: Json, numbers: defaultdict[str, int]) -> Json:
    """Number ids and the files that are named after them, depth first."""
    if isinstance(node, dict):
        return {name: _value(name, part, numbers) for name, part in node.items()}
    if isinstance(node, list):
        return [_renumbered(part, numbers) for part in node]
    return node


def _value(name: str, part: Json, numbers: defaultdict[str, int]) -> Json:
    if name == "__id__":
        return numbers[str(part)]
    if name == "file" and isinstance(part, str):
        return _renamed(part, numbers)
    return _renumbered(part, numbers)


def _renamed(file: str, numbers: defaultdict[str, int]) -> str:
    stem, dot, suffix = file.partition(".")
    return f"{numbers[stem]}{dot}{suffix}"


def _gapless(data: bytes) -> bytes:
    """Return a .npy file whose structured array has zeros between its fields; other files as they are."""
    if not data.startswith(np.lib.format.MAGIC_PREFIX):
        return data
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    target = io.BytesIO()
    np.save(target, clean, allow_pickle=False)
    return target.getvalue()

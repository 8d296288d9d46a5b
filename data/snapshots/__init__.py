"""Raw snapshots: what a source said, byte for byte, written once and kept for ever.

A shelf is the folder of one symbol of one source, ``data/raw/<source>/<symbol>/``. A snapshot is two files in it: the
payload ``000001.csv``, and its entry ``000001.json``, which says when, why and how it was asked for. Each entry holds
the digest of its payload and of the entry before it.
"""

from data.snapshots.entry import About, Entry, Snapshot, SnapshotRef
from data.snapshots.store import Snapshots

__all__ = ["About", "Entry", "Snapshot", "SnapshotRef", "Snapshots"]

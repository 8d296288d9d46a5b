"""Retrainings on a disk that fills up, in a mount namespace of one's own: ``python -m tests.flows.full_disk ROOT``.

A small tmpfs is mounted below ROOT, where nobody else sees it. A first run fills part of it; then as much room is left
as that one took, times each of `SHARES`, and newer files are brought in. Prints what came of each run as JSON.
"""

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from data.disk import STAGING
from data.integrity import digest
from flows.pipeline import retrain
from models.store import ArtifactStore
from tests.flows.support import MODEL, Heard, plan_for, write_files

SIZE: Final = 64 << 20
SHARES: Final = (0.0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.5)


def tree(folder: Path) -> dict[str, str]:
    """Return the digest of each file below a folder."""
    return {str(path.relative_to(folder)): digest(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


@contextlib.contextmanager
def room(disk: Path, left: int) -> Iterator[None]:
    """Leave so many bytes of a disk free, until the block ends."""
    filler = disk / "filler"
    with filler.open("wb") as file:
        file.truncate(0)
        while (free := shutil.disk_usage(disk).free) > left:
            file.write(bytes(min(free - left, 1 << 20)))
            file.flush()
    try:
        yield
    finally:
        filler.unlink()


def run(root: Path) -> dict[str, object]:
    """Retrain on the files of ``root``, with everything that is written on the disk below it."""
    disk, heard = root / "disk", Heard()
    plan = plan_for(root, artifacts=disk / "artifacts", data=disk / "data")
    summary = retrain(plan, heard)
    store = ArtifactStore(plan.artifacts)
    version = store.current(MODEL)
    if version is not None:
        store.read(MODEL)  # each byte is proven
    return {
        "exit_code": summary.exit_code,
        "halted": summary.halted,
        "models": [(model.state, model.reason, list(model.tail)) for model in summary.models],
        "said": heard.lines,
        "serves": version,
        "raw": tree(disk / "data" / "raw"),
        "versions": [info.version for info in store.versions(MODEL)],
        "unfinished": [str(path) for path in plan.artifacts.rglob(f"{STAGING}*")],
    }


def main(root: Path) -> None:
    """Run them all."""
    disk = root / "disk"
    disk.mkdir()
    mount = shutil.which("mount") or "mount"
    subprocess.run([mount, "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(disk)], check=True)
    write_files(root / "files", less=60)
    first = run(root)
    taken = shutil.disk_usage(disk).used
    write_files(root / "files")
    full = []
    for share in SHARES:
        with room(disk, int(share * taken)):
            full.append(run(root))
    print(json.dumps({"first": first, "full": full, "last": run(root)}))  # noqa: T201  what the caller reads


if __name__ == "__main__":
    main(Path(sys.argv[1]))

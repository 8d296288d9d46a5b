"""Files that the pages load, read from the package on demand and kept."""

import functools
import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).with_name("static")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. ``gzipped``: it lies compressed in the folder, as ``<name>.gz``, and travels so to who takes it."""

    name: str
    media_type: str
    gzipped: bool

    def stored(self) -> bytes:
        """Return the bytes as they lie in the folder."""
        return _read(FOLDER / (f"{self.name}.gz" if self.gzipped else self.name))

    def content(self) -> bytes:
        """Return the bytes of the file itself."""
        return gzip.decompress(self.stored()) if self.gzipped else self.stored()

    @property
    def etag(self) -> str:
        """Return a validator that changes with the content; weak, as both encodings share it."""
        return f'W/"{hashlib.sha256(self.stored()).hexdigest()[:16]}"'


ASSETS: Final = (
    Asset("page.css", "text/css", gzipped=False),
    Asset("docs.js", "text/javascript", gzipped=False),
    Asset("icon.svg", "image/svg+xml", gzipped=False),
    Asset("swagger-ui.css", "text/css", gzipped=True),
    Asset("swagger-ui-bundle.js", "text/javascript", gzipped=True),
)


def find(name: str) -> Asset | None:
    """Return the asset of that name, or None."""
    return next((asset for asset in ASSETS if asset.name == name), None)


@functools.cache
def _read(path: Path) -> bytes:
    return path.read_bytes()

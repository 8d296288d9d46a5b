"""What `barcast audit` prints, for docs/operations.md."""

from typing import Final

from models.certificate import CERTIFICATE_NAME, decode
from models.store import ArtifactStore
from tests.docs.session import Session
from training.kit.audit_command import table

MODEL: Final = "lightgbm_direction"
COMMAND: Final = f".venv/bin/barcast audit {MODEL} --version v000001"


def blocks(store: ArtifactStore, served: Session) -> dict[str, str]:
    """Return the outputs by the names of their blocks: a folder's, from the certificate that it made; a version's."""
    certificate = decode(store.read(MODEL).files[CERTIFICATE_NAME], MODEL)
    told = {"model": MODEL, "version": None, "form": certificate.form, "data": certificate.data}
    return {
        "audit": _fenced(table(told, certificate.checks, {})),
        "audit of a version": _fenced(served.output(COMMAND)),
    }


def _fenced(text: str) -> str:
    return f"```text\n{text.strip()}\n```"

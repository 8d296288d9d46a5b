"""From a verified artifact to a model that answers."""

from typing import Protocol

from feature_mapper.bars import Bars
from models.answer import RowAnswer
from models.certificate import CERTIFICATE_NAME, passed
from models.golden import replay
from models.manifest import Manifest
from models.store import Artifact
from models.tasks.base import Fields
from models.typing import Json, JsonObject


class ServedModel(Protocol):
    """What every loaded model can do, whatever its task."""

    manifest: Manifest

    def golden_answer(self, case: JsonObject) -> dict[str, Json]:
        """Answer one golden case."""
        ...


class BarsModel(ServedModel, Protocol):
    """A loaded model that answers from a run of bars."""

    def answer(self, bars: Bars, rows: int = 1) -> list[RowAnswer]:
        """Answer as of each of the last ``rows`` bars, oldest first; each sees the bars up to its own only."""
        ...

    def explain(self, bars: Bars) -> Fields:
        """Say how the answer as of the last bar came about; raises ``Unexplained`` if its family can't."""
        ...


def load_model(artifact: Artifact) -> ServedModel:
    """Build the model of an artifact's task; nothing is proven yet, see `prove`."""
    match artifact.manifest.task:
        case "regime":
            from models.regime import RegimeModel

            return RegimeModel.from_artifact(artifact)
        case "forecast":
            from models.forecast import ForecastModel

            return ForecastModel.from_artifact(artifact)
        case _:
            from models.tabular import TabularModel

            return TabularModel.from_artifact(artifact)


def certify(artifact: Artifact) -> None:
    """Look at the certificate; raises ``ArtifactUncertified`` if there is none by which the artifact may serve."""
    digests = {entry.path: entry.sha256 for entry in artifact.manifest.files}
    passed(artifact.manifest, digests, artifact.files.get(CERTIFICATE_NAME))


def prove(model: ServedModel, artifact: Artifact) -> None:
    """Look at the certificate and replay the golden examples.

    Raises
    ------
    ArtifactUncertified
        No audit vouches for the artifact.
    GoldenMismatch
        At the first difference.

    """
    certify(artifact)
    replay(model, artifact.files["golden.json"])

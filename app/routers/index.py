"""The routes that need models or bars."""

from app.operations import Operation
from app.routers import batch, lifecycle, models, predict
from app.serving import served_models
from app.settings import Settings
from models.store import ArtifactStore


def operations(settings: Settings) -> list[Operation]:
    """Return them: a route for each model that is expected, or published under the artifacts of the settings."""
    names = served_models(ArtifactStore(settings.artifacts_dir))
    return [*predict.operations(names), *batch.OPERATIONS, *models.OPERATIONS, *lifecycle.OPERATIONS]

"""What there is: models, one model, its versions, stored symbols; each answer exactly of its struct."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from app.schemas.status import Health, ModelDetail, ModelList, ModelVersions, Replay, StatusCard, Symbols
from models.manifest import Manifest
from models.tasks.registry import EXPECTED_MODELS, route_of
from tests.app.broken import publish, store_at
from tests.app.served import SAMPLE, found, service_of, strictly
from tests.support.in_process import InProcess
from training.kit.discover import model_names


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models."""
    with service_of(trained_store, tmp_path_factory.mktemp("service")) as started:
        yield started


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", StatusCard),
        ("/health", Health),
        ("/health/", Health),
        ("/models", ModelList),
        ("/symbols", Symbols),
        *((f"/models/{model}", ModelDetail) for model in model_names()),
        *((f"/models/{model}/versions", ModelVersions) for model in model_names()),
        *((f"/health/models/{model}", Replay) for model in model_names()),
    ],
)
def test_an_answer_holds_exactly_the_fields_of_its_struct(
    service: InProcess, path: str, kind: type[msgspec.Struct]
) -> None:
    """Every field, none besides, at every depth."""
    answer = service.get(path)
    assert answer.status == 200
    strictly(kind, answer.body)


def test_every_model_is_listed_with_its_route(service: InProcess) -> None:
    """Those of a complete installation first, in order, then others; each serves, with the paths of the document."""
    listed = found(service.get("/models"))["models"]
    names = [entry["model"] for entry in listed]
    assert names[: len(EXPECTED_MODELS)] == list(EXPECTED_MODELS)
    assert sorted(names) == list(model_names())
    paths = found(service.get("/openapi.json"))["paths"]
    for entry in listed:
        assert (entry["state"], entry["reason"]) == ("serving", None)
        assert entry["path"] == route_of(entry["model"])
        assert entry["path"] in paths


def test_a_model_shows_its_manifest_evaluation_and_card(service: InProcess, trained_store: Path) -> None:
    """The very files of the version that serves."""
    for model in model_names():
        detail = found(service.get(f"/models/{model}"))
        folder = trained_store / model / detail["health"]["version"]
        assert msgspec.convert(detail["manifest"], Manifest) == store_at(trained_store).manifest(model)
        assert detail["evaluation"] == json.loads((folder / "evaluation.json").read_bytes())
        assert detail["card"] == (folder / "card.md").read_text()


def test_versions_tell_what_serves_and_what_would(trained_store: Path, tmp_path: Path) -> None:
    """A version promoted while the service runs is the champion of the store; the old one serves until a reload."""
    model = "lightgbm_direction"
    root = Path(shutil.copytree(trained_store, tmp_path / "artifacts"))
    with service_of(root, tmp_path) as service:

        def versions() -> list[tuple[str, str, bool]]:
            told = found(service.get(f"/models/{model}/versions"))["versions"]
            return [(one["version"], one["state"], one["serves"]) for one in told]

        first = versions()[0][0]
        assert versions() == [(first, "champion", True)]
        artifact = store_at(root).read(model)
        publish(store_at(root), artifact.manifest, artifact.files)
        assert versions() == [(first, "archived", True), ("v000002", "champion", False)]
        service.desk.serving.reload(model)
        assert versions() == [(first, "archived", False), ("v000002", "champion", True)]
        info = [line for line in service.get("/metrics").body.decode().splitlines() if "barcast_model_info{" in line]
        assert sum(f'model="{model}"' in line for line in info) == 1


def test_symbols_are_those_that_are_stored(service: InProcess) -> None:
    """Every series of the sample, with its span, calendar and adjustment."""
    told = {entry["symbol"]: entry for entry in found(service.get("/symbols"))["symbols"]}
    assert set(told) == {info.symbol for info in SAMPLE.symbols()}
    for info in SAMPLE.symbols():
        entry = told[info.symbol]
        assert (entry["first"], entry["last"], entry["bars"]) == (str(info.first), str(info.last), info.bars)
        assert (entry["adjustment"], entry["calendar"]) == ("split+dividend", "XNYS")

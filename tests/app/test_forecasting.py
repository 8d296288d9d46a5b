"""Price paths: on which bars, on which prices, with which regressors, and how far."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from data.bar_store import BarStore
from tests.app.served import SAMPLE, as_csv, as_file, as_rows, ask, service_of
from tests.support.in_process import InProcess

PATH = "/forecast/price"
IBM = SAMPLE.bars("IBM")


@pytest.fixture(scope="module")
def service(trained_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    """Serve the trained models over the sample and an import whose adjustment nobody stated."""
    folder = tmp_path_factory.mktemp("service")
    lines = [line.partition(",")[2] for line in as_csv(IBM)]
    BarStore((folder / "data" / "processed",)).import_csv(as_file(lines), "OTHER")
    with service_of(trained_store, folder) as started:
        yield started


def test_no_symbol_means_the_first_of_training(service: InProcess) -> None:
    """`{"periods": 5}` answers about a symbol that has a path of its own, and names it."""
    loaded = service.desk.serving.slot("prophet_forecast").loaded
    assert loaded is not None
    said = ask(service, PATH, {"periods": 5})
    assert said["symbol"] == loaded.manifest.symbols[0]
    assert said == ask(service, PATH, {"periods": 5, "symbol": said["symbol"]})


def test_an_unknown_basis_of_prices_is_said(service: InProcess) -> None:
    """Stored bars whose file did not state their adjustment: the answer says that nobody knows."""
    warnings = ask(service, PATH, {"periods": 5, "symbol": "OTHER"})["warnings"]
    basis = service.desk.serving.bars.info("OTHER").adjustment.value
    words = {"unknown": "on an unknown basis", "raw": "as traded"}[basis]
    assert [warning for warning in warnings if warning.startswith("stored prices of OTHER") and words in warning]


def test_a_symbol_without_a_path_is_told_whose_it_is_given(service: InProcess) -> None:
    """The pooled path serves strangers, with a warning; a trained symbol's own path has none."""
    history = as_rows(IBM.tail(300), date="ds", close="y")
    stranger = ask(service, PATH, {"periods": 5, "history": history})
    assert any("average path" in warning for warning in stranger["warnings"])
    own = ask(service, PATH, {"periods": 5, "history": history, "symbol": "IBM"})
    assert not any("average path" in warning for warning in own["warnings"])
    assert own["forecast"] != stranger["forecast"]


def test_a_model_far_behind_as_of_says_so(service: InProcess) -> None:
    """A history that ends years after training is answered, with a warning of the days between."""
    loaded = service.desk.serving.slot("prophet_forecast").loaded
    assert loaded is not None
    said = ask(
        service, PATH, {"periods": 5, "history": [{"ds": "2020-01-02", "y": 100}, {"ds": "2020-01-03", "y": 101}]}
    )
    days = (np.datetime64("2020-01-03") - np.datetime64(loaded.manifest.last_date)).astype(int)
    assert any(f"{days} days before as_of" in warning for warning in said["warnings"])


def test_a_wider_level_gives_a_wider_band_around_the_same_path(service: InProcess) -> None:
    """The level moves the band, not the path; the default is 80 %."""
    bands = {level: ask(service, PATH, {"periods": 20, "symbol": "IBM", "level": level}) for level in (0.5, 0.8, 0.9)}
    for step in range(20):
        points = [bands[level]["forecast"][step] for level in (0.5, 0.8, 0.9)]
        assert len({point["yhat"] for point in points}) == 1
        widths = [point["yhat_upper"] / point["yhat_lower"] for point in points]
        assert widths == sorted(set(widths))
    assert ask(service, PATH, {"periods": 20, "symbol": "IBM"}) == bands[0.8]


def test_a_longer_path_begins_with_the_shorter_one(service: InProcess) -> None:
    """Asking for more sessions changes none of the first ones."""
    short, long = (ask(service, PATH, {"periods": periods, "symbol": "IBM"})["forecast"] for periods in (5, 60))
    assert long[:5] == short


def test_regressors_are_filled_and_named(service: InProcess) -> None:
    """Each regressor of the model has a value a session and says where it is from; one that is sent is used as sent."""
    loaded = service.desk.serving.slot("prophet_forecast").loaded
    assert loaded is not None
    filled = ask(service, PATH, {"periods": 3, "symbol": "IBM"})["regressors"]
    for name, values in filled.items():
        assert len(values["values"]) == 3
        assert values["source"] in {"history", "training", "zero"}
        sent = ask(service, PATH, {"periods": 3, "symbol": "IBM", "regressors": {name: [1e6, 2e6, 3e6]}})
        assert sent["regressors"][name] == {"values": [1e6, 2e6, 3e6], "source": "request"}

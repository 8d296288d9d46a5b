"""What only XGBoost's family has to prove: its C call against its Python, and that it shares a process in peace."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import xgboost
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from feature_mapper.typing import FloatArray
from models.families.base import Objective, Parameters
from models.families.xgboost import XGBoostTrees, fit, load
from tests.models.families.tabular_data import OBJECTIVES, ROOT, features, rows

PARAMETERS: Parameters = {"rounds": 25, "learning_rate": 0.2, "max_depth": 4, "subsample": 0.8}
FITTED = {objective: fit(rows(objective), PARAMETERS, 5) for objective in OBJECTIVES}
every_objective = pytest.mark.parametrize("objective", OBJECTIVES)


def margins(model: XGBoostTrees, x: FloatArray) -> FloatArray:
    """Return what our call says, shape (n, outputs)."""
    return model._margins.margins(np.ascontiguousarray(x))


@settings(max_examples=100)
@given(
    x=arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 70), st.just(5)),
        elements=st.one_of(
            st.just(np.nan), st.sampled_from([-0.0, 0.0, 1.0, 1.5, np.inf, -np.inf]), st.floats(-1e30, 1e30)
        ),
        fill=st.nothing(),
    ),
    objective=st.sampled_from(OBJECTIVES),
)
def test_our_call_gives_the_bits_of_theirs(x: FloatArray, objective: Objective) -> None:
    """Gaps, ties, infinities and numbers far outside of training: `inplace_predict` of the rows, and of each alone."""
    model = load(FITTED[objective].dump())
    own = model._booster.inplace_predict(x, predict_type="margin", strict_shape=True)
    assert np.array_equal(margins(model, x), own.astype(np.float64))
    assert np.array_equal(np.concatenate([margins(model, x[i : i + 1]) for i in range(len(x))]), own)


@every_objective
def test_rows_are_read_as_they_were_in_training(objective: Objective) -> None:
    """The training matrix itself, predicted by the booster that was fitted on it, has the bits of our call."""
    model, data = FITTED[objective], rows(objective)
    own = model._booster.predict(xgboost.DMatrix(data.x), output_margin=True, strict_shape=True)
    assert np.array_equal(margins(model, data.x), own)


def test_gaps_are_a_value_of_their_own() -> None:
    """A row's missing feature is no zero: it goes where the training rows without it went."""
    data = rows("regression", n=2000)
    data.y[:] = np.where(np.isnan(data.x[:, 3]), 5.0, 0.0)
    model = fit(data, {"rounds": 60, "max_depth": 2}, 1)
    gone, there = np.zeros((1, 5)), np.zeros((1, 5))
    gone[0, 3] = np.nan
    assert model.predict(gone)[0] == pytest.approx(5.0, abs=0.1)
    assert model.predict(there)[0] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize("strided", [features(200)[::2], np.asfortranarray(features(100))])
def test_rows_need_not_lie_in_a_row(strided: FloatArray) -> None:
    """Views and columns in Fortran's order are predicted as their copies."""
    model = FITTED["regression"]
    assert not strided.flags.c_contiguous
    assert np.array_equal(model.predict(strided), model.predict(strided.copy(order="C")))


def test_weights_are_a_document_and_no_program() -> None:
    """UBJSON of trees that JSON says as well; no pickle, no names of Python."""
    weights = FITTED["multiclass"].dump()
    assert weights.startswith(b"{L")
    booster = xgboost.Booster(model_file=bytearray(weights))
    document = json.loads(booster.save_raw("json"))
    assert document["learner"]["gradient_booster"]["name"] == "gbtree"
    assert b"builtins" not in weights


def test_a_refusal_of_the_library_is_an_error_in_its_words() -> None:
    """Not bits of a call that failed."""
    model = FITTED["regression"]
    with pytest.raises(RuntimeError, match=r"expected XGBoost to predict rows, found: .*[Ff]eature"):
        margins(model, features(3)[:, :4])


TOGETHER = """
import os, threading
import numpy as np
from models.families import lightgbm, xgboost
from tests.models.families.tabular_data import features, rows
x = features(20_000, seed=9)
data = rows("regression", n=20_000)
families = {
    lightgbm: {"rounds": 15, "num_leaves": 8},
    xgboost: {"rounds": 15, "max_depth": 3},
}
import lightgbm as first, sklearn.ensemble, xgboost as second  # their threads, if any, start before we count
before = len(os.listdir("/proc/self/task"))
alone = {family: family.fit(data, parameters, 5) for family, parameters in families.items()}
said = {family: family.load(model.dump()).predict(x) for family, model in alone.items()}
after = len(os.listdir("/proc/self/task"))
both = [threading.Thread(target=model.predict, args=(x,)) for model in alone.values() for _ in range(3)]
for thread in both:
    thread.start()
for thread in both:
    thread.join()
again = {family: family.fit(data, parameters, 5).predict(x) for family, parameters in families.items()}
same = all(np.array_equal(said[family], again[family]) for family in families)
print(after - before, same)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in /proc")
def test_it_shares_a_process_with_lightgbm() -> None:
    """Both fit and predict, in turns and at once, where OpenMP may have four threads: none is started, no bit moves."""
    env = {**os.environ, "OMP_NUM_THREADS": "4"}
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "True"]

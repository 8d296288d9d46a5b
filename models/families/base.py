"""What an estimator family is, and how one is found by its name.

A family is one module in this package. A tabular one offers ``fit``, ``load`` and ``SUFFIX`` (`TabularFamily`);
``hmm`` and ``prophet`` read sequences and dates instead of feature rows and have interfaces of their own. An estimator
that can say what each feature adds to its margins is an `AdditiveEstimator` as well.
Libraries that only fitting needs are imported inside ``fit``.
"""

import importlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, cast, runtime_checkable

import numpy as np

from feature_mapper.errors import BarcastError
from feature_mapper.typing import FloatArray

if TYPE_CHECKING:
    from models.families.checkpoints import Checkpoints

Objective = Literal["regression", "binary", "positive", "multiclass"]
"""What is fitted, and so what `TabularEstimator.predict` returns.

``regression``: the expected value, shape (n,). ``binary``: log odds of class 1, shape (n,).
``positive``: log of the expected value of a positive target, fitted by gamma deviance (QLIKE), shape (n,).
``multiclass``: probabilities, shape (n, classes), rows sum to 1.
"""

Parameters = Mapping[str, int | float | str | bool]
"""Settings of the estimator, as its library names them."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}\Z")


class FamilyError(BarcastError):
    """A family is unknown, or cannot do what was asked of it."""


class Unexplained(FamilyError):
    """An estimator answers, and can't say what each feature adds to that."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class TrainingRows:
    """Rows to fit on.

    Attributes
    ----------
    x : FloatArray of shape (n, k)
        Features; NaN where a row has no volume or no date.
    y : FloatArray of shape (n,)
        Target without NaN; class codes 0, 1, ... for ``binary`` and ``multiclass``.
    weight : FloatArray of shape (n,) or None
        Row weights.
    objective : Objective
        What is fitted.

    """

    x: FloatArray
    y: FloatArray
    weight: FloatArray | None
    objective: Objective


class TabularEstimator(Protocol):
    """One fitted estimator."""

    def predict(self, x: FloatArray) -> FloatArray:
        """Return what `Objective` says for each row; a row's result never depends on the other rows."""
        ...

    def dump(self) -> bytes:
        """Return the weights; ``load`` of the same family gives an estimator that predicts the same bits."""
        ...

    def importance(self) -> FloatArray:
        """Return total gain (or impurity decrease) a feature, shape (k,); 0 means that no split uses it."""
        ...


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Contributions:
    """What each feature adds to the margin of each row: Shapley values, by the training rows that each node saw.

    Attributes
    ----------
    values : FloatArray of shape (n, k), or (n, classes, k) for ``multiclass``
        Added to ``base`` they give the margin, within rounding.
    base : FloatArray of shape () or (classes,)
        What the estimator says where no feature is known: its mean over the rows of training. With an axis of n rows in
        front where a library's own sums are so coarse that what they round off has to be put somewhere.
    scores : bool
        Of ``multiclass`` only: they give logs of probabilities, up to one constant a row, and not probabilities.

    """

    values: FloatArray
    base: FloatArray
    scores: bool

    @property
    def margin(self) -> FloatArray:
        """What they add up to, shape (n,) or (n, classes)."""
        total: FloatArray = self.base + np.add.reduce(self.values, axis=-1)
        return total


@runtime_checkable
class AdditiveEstimator(TabularEstimator, Protocol):
    """An estimator whose margins are sums of what each feature adds.

    Apart from `TabularEstimator`, so that a family without it serves as well and says so where it is asked to explain.
    """

    def contributions(self, x: FloatArray) -> Contributions:
        """Return what each feature adds to ``predict`` of each row; a row's result never depends on the other rows.

        Raises
        ------
        Unexplained
            This estimator is of a kind that its library has no contributions for.

        """
        ...


class TabularFamily(Protocol):
    """A module of this package whose estimators read feature rows."""

    SUFFIX: str
    LIBRARIES: tuple[str, ...]

    def fit(
        self, rows: TrainingRows, parameters: Parameters, seed: int, checkpoints: "Checkpoints | None" = None
    ) -> TabularEstimator:
        """Fit one estimator; the same rows, parameters and seed give the same bits.

        A long fit with ``checkpoints`` goes on where a killed one stopped, and then gives the bits of one with
        checkpoints that nobody killed.
        """
        ...

    def load(self, weights: bytes) -> TabularEstimator:
        """Rebuild an estimator from `TabularEstimator.dump`; call it on verified bytes only."""
        ...


def tabular_family(name: str) -> TabularFamily:
    """Import the family ``name``.

    Raises
    ------
    FamilyError
        No module of that name here, or one that does not read feature rows.

    """
    module = f"{__package__}.{name}"
    if not _NAME.match(name) or importlib.util.find_spec(module) is None:
        message = f"expected an estimator family, a module in models/families, found {name!r}; check the model's spec"
        raise FamilyError(message)
    family = importlib.import_module(module)
    if not all(hasattr(family, part) for part in ("fit", "load", "SUFFIX", "LIBRARIES")):
        message = f"expected a family that reads feature rows, found {name!r}; see models/families/base.py"
        raise FamilyError(message)
    return cast("TabularFamily", family)

"""Exact Shapley values of a sum of trees, "path-dependent": a feature that is not known follows the training rows.

For one leaf of value ``v``, let ``d`` features be asked about on the way to it. For each of them ``o`` is 1 if the row
meets every condition on that feature, else 0, and ``z`` is the share of the training rows at those splits that went
the leaf's way. The leaf's part of the Shapley value of feature f is (Lundberg et al. 2020, "From local explanations to
global understanding with explainable AI for trees", algorithm 2)::

    v (o_f - z_f) sum over sets S of the other features  |S|! (d - 1 - |S|)! / d!  prod_S o  prod_not S z

As ``|S|! (d - 1 - |S|)! / d!`` is the integral of ``t^|S| (1 - t)^(d - 1 - |S|)`` over 0 to 1, the sum is::

    integral over t from 0 to 1 of  prod over j other than f of (o_j t + z_j (1 - t))

a polynomial in t of degree d - 1, which Gauss and Legendre's rule of ``ceil(d / 2)`` nodes integrates exactly. All
factors are positive and no subset is visited, so rounding stays at the last bits. A feature that a way asks about
several times is one condition: an interval. The base and the values of all features add up to the prediction.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from feature_mapper.typing import BoolArray, FloatArray, IntArray

BLOCK: Final = 4096
"""Leaves that are worked on at a time; it bounds memory, at some MB."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class Tree:
    """A binary tree by nodes, the root first.

    Attributes
    ----------
    left, right : IntArray of shape (nodes,)
        Children; negative for a leaf.
    feature, threshold : IntArray and FloatArray of shape (nodes,)
        A row goes left where its feature is at most the threshold.
    missing_left : BoolArray of shape (nodes,)
        Where a row goes whose feature is NaN.
    cover : FloatArray of shape (nodes,)
        Weight of the training rows that came by, above 0; that of a node is that of its children together.
    value : FloatArray of shape (nodes, outputs)
        What a leaf says.

    """

    left: IntArray
    right: IntArray
    feature: IntArray
    threshold: FloatArray
    missing_left: BoolArray
    cover: FloatArray
    value: FloatArray


@dataclass(frozen=True, slots=True)
class _Condition:
    """What a path asks of a feature: above ``low`` (NaN: no bound), at most ``high``, or NaN where that is let by."""

    low: float
    high: float
    missing: bool
    share: float


_FREE: Final = _Condition(low=np.nan, high=np.inf, missing=True, share=1.0)
"""Met by every row."""


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: holds arrays
class LeafPaths:
    """The ways to all leaves of some trees. Arrays are of shape (leaves, longest path), padded by what all rows meet.

    Attributes
    ----------
    features : int
        Width of a row.
    feature, low, high, missing, share
        The conditions, see `_Condition`.
    value : FloatArray of shape (leaves, outputs)
    base : FloatArray of shape (outputs,)
        The trees' sum over the rows of training, on average.

    """

    features: int
    feature: IntArray
    low: FloatArray
    high: FloatArray
    missing: BoolArray
    share: FloatArray
    value: FloatArray
    base: FloatArray

    @classmethod
    def of(cls, trees: Sequence[Tree], features: int) -> Self:
        """Walk trees that add up to a prediction from rows of so many features."""
        paths: list[dict[int, _Condition]] = []
        values: list[FloatArray] = []
        for tree in trees:
            for leaf, path in _leaves(tree):
                paths.append(path)
                values.append(tree.value[leaf])
        longest = max(1, *map(len, paths))
        asked = [[*path, *[0] * (longest - len(path))] for path in paths]
        conditions = [[*path.values(), *[_FREE] * (longest - len(path))] for path in paths]
        share = np.array([[each.share for each in path] for path in conditions])
        value = np.array(values, dtype=np.float64)
        return cls(
            features=features,
            feature=np.array(asked, dtype=np.int64),
            low=np.array([[each.low for each in path] for path in conditions]),
            high=np.array([[each.high for each in path] for path in conditions]),
            missing=np.array([[each.missing for each in path] for path in conditions]),
            share=share,
            value=value,
            base=np.add.reduce(np.multiply.reduce(share, axis=1)[:, np.newaxis] * value, axis=0),
        )

    def contributions(self, rows: npt.NDArray[np.floating[Any]]) -> FloatArray:
        """Return the Shapley values of each row, shape (n, outputs, features); each row is worked on by itself."""
        outputs = self.value.shape[1]
        result = np.zeros((len(rows), outputs, self.features))
        for row, x in zip(result, rows, strict=True):
            for start in range(0, len(self.value), BLOCK):
                part = slice(start, start + BLOCK)
                weight = self._weights(x, part)
                at = self.feature[part].ravel()
                for output in range(outputs):
                    moved = (weight * self.value[part, output, np.newaxis]).ravel()
                    row[output] += np.bincount(at, weights=moved, minlength=self.features)
        return result

    def _weights(self, x: npt.NDArray[np.floating[Any]], part: slice) -> FloatArray:
        """Return what stands beside ``v`` in the module's formula, for each leaf and condition of a part."""
        seen, share = x[self.feature[part]], self.share[part]
        met = np.where(np.isnan(seen), self.missing[part], (seen <= self.high[part]) & ~(seen <= self.low[part]))
        nodes, weights = np.polynomial.legendre.leggauss((share.shape[1] + 1) // 2)
        t = (nodes + 1.0) / 2.0
        factor = share[:, :, np.newaxis] * (1.0 - t) + met[:, :, np.newaxis] * t  # above 0, as covers and nodes are
        whole = np.multiply.reduce(factor, axis=1) * (weights / 2.0)
        result: FloatArray = (met - share) * np.add.reduce(whole[:, np.newaxis, :] / factor, axis=2)
        return result


def _leaves(tree: Tree) -> Iterator[tuple[int, dict[int, _Condition]]]:
    """Yield each leaf with its conditions by feature, from left to right."""
    left, right, cover = tree.left.tolist(), tree.right.tolist(), tree.cover.tolist()
    feature, threshold = tree.feature.tolist(), tree.threshold.tolist()
    waiting: list[tuple[int, dict[int, _Condition]]] = [(0, {})]
    while waiting:
        node, path = waiting.pop()
        if left[node] < 0:
            yield node, path
            continue
        known = path.get(feature[node], _FREE)
        for child, missing in ((right[node], not tree.missing_left[node]), (left[node], bool(tree.missing_left[node]))):
            narrower = replace(
                known,
                low=known.low if child == left[node] else float(np.fmax(known.low, threshold[node])),
                high=min(known.high, threshold[node]) if child == left[node] else known.high,
                missing=known.missing and missing,
                share=known.share * cover[child] / cover[node],
            )
            waiting.append((child, {**path, feature[node]: narrower}))

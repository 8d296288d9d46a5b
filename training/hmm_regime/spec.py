"""Three Gaussian states of a session's return and size, relative to the symbol's habit, pooled over the symbols."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(
    family="hmm",
    options={"states": 3, "starts": 4, "covariance": "full", "weight": 30.0, "stickiness": 0.7},
)

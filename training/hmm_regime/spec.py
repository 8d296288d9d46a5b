"""Three Gaussian states of return and range, pooled over the symbols."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(family="hmm", options={"states": 3, "starts": 4, "covariance": "full", "stickiness": 0.35})

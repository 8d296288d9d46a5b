"""Prophet on the log close of each symbol; the stiffness of the trend is chosen by rolling validation."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(family="prophet", options={"priors": (0.002, 0.01, 0.05), "history": 750, "step": 126})

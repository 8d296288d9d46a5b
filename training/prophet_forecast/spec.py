"""Prophet on the log close of each symbol, with a trend so stiff that it hardly bends."""

from training.kit.spec import ModelSpec

SPEC = ModelSpec(family="prophet", options={"prior": 0.002, "history": 750, "step": 189})

"""AutoETS, Theta and AutoARIMA of statsforecast, in the environment that ``requirements/rivals.txt`` locks.

Statsforecast wants pandas below 3, so it cannot be imported beside ours: `skill.rivals.elsewhere` starts this file with
the interpreter of that environment. It reads and writes NumPy's arrays, and imports nothing of ours.
"""

import sys
from typing import Final

import numpy as np
from numpy.typing import NDArray

SEASON: Final = 1
"""Daily closes have no season that five sessions a week could show."""


def main(request: str, answer: str) -> None:
    """Forecast each row of the request's ``windows`` by each model, ``steps`` ahead, with bands of ``levels``.

    The answer holds ``<model>/centre`` of shape (n, steps), less the last value of the row, and ``<model>/lower`` and
    ``<model>/upper`` of shape (n, levels, steps), so too.
    """
    from statsforecast.models import AutoARIMA, AutoETS, Theta

    with np.load(request) as file:
        windows, steps, levels = file["windows"], file["steps"], file["levels"]
    said: dict[str, NDArray[np.float64]] = {}
    for model in (AutoETS, Theta, AutoARIMA):
        centre = np.empty((len(windows), len(steps)))
        bands = {side: np.empty((len(windows), len(levels), len(steps))) for side in ("lower", "upper")}
        for row, window in enumerate(windows):
            known = window[~np.isnan(window)]
            ahead = model(season_length=SEASON).forecast(y=known, h=int(steps.max()), level=levels.tolist())
            centre[row] = ahead["mean"][steps - 1] - known[-1]
            for column, level in enumerate(levels.tolist()):
                bands["lower"][row, column] = ahead[f"lo-{level}"][steps - 1] - known[-1]
                bands["upper"][row, column] = ahead[f"hi-{level}"][steps - 1] - known[-1]
        said |= {f"{model.__name__}/centre": centre}
        said |= {f"{model.__name__}/{side}": values for side, values in bands.items()}
    np.savez(answer, **said)  # type: ignore[arg-type]  # its stub takes the names for its own options


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Rivals whose library cannot be installed beside ours: asked in an environment of their own, by files of arrays."""

import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

import skill
from feature_mapper.errors import BarcastError
from feature_mapper.typing import FloatArray
from skill.rivals.prices import LEVELS, SHOWN, Fan

ROOT: Final = Path(skill.__file__).parents[1]
PYTHON: Final = ROOT / ".venv-rivals" / "bin" / "python"
"""The interpreter beside ``requirements/rivals.txt``, which ``make skill`` sets up."""

CHILD: Final = Path(__file__).with_name("statsforecast_child.py")
NAMES: Final = ("AutoETS", "Theta", "AutoARIMA")


class RivalFault(BarcastError):
    """A rival in another process gave no answer."""


def absent() -> tuple[str, ...]:
    """Return the rivals that can't be asked as their environment is not there."""
    return () if PYTHON.exists() else NAMES


def lock() -> str:
    """Return what the environment is made of: part of the name of what it said."""
    return (ROOT / "requirements" / "rivals.txt").read_text(encoding="utf-8")


def ask(windows: FloatArray, python: Path = PYTHON, child: Path = CHILD) -> dict[str, Fan]:
    """Return what each of `NAMES` says from the end of each row of log closes, shape (n, width), NaN before they begin.

    Raises
    ------
    RivalFault
        The process failed, or answered something else.

    """
    with tempfile.TemporaryDirectory() as folder:
        request, answer = Path(folder) / "request.npz", Path(folder) / "answer.npz"
        levels = np.array([round(100 * level) for level in LEVELS])
        np.savez(request, windows=windows, steps=np.array(SHOWN), levels=levels)
        # -I: neither our folders nor settings of Python reach it. One thread, as several of these run side by side.
        done = subprocess.run(
            [str(python), "-I", str(child), str(request), str(answer)],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 or not answer.exists():
            told = done.stderr.strip().splitlines()[-1:] or ["nothing"]
            message = f"expected forecasts from {python}, found exit {done.returncode}: {told[0]}; run `make skill`"
            raise RivalFault(message)
        with np.load(answer) as file:
            found = dict(file)
    shape = (len(windows), len(LEVELS), len(SHOWN))
    for name in NAMES:
        for part in ("centre", "lower", "upper"):
            values = found.get(f"{name}/{part}")
            wanted = shape if part != "centre" else (shape[0], shape[2])
            if values is None or values.shape != wanted:
                message = f"expected {name}/{part} of shape {wanted}, found {None if values is None else values.shape}"
                raise RivalFault(f"{message}; run `make skill`")
    return {
        name: Fan.unpacked({part: found[f"{name}/{part}"] for part in ("centre", "lower", "upper")}) for name in NAMES
    }

"""Promotions that are made while the service runs: each worker looks for them, and loads what it finds."""

import asyncio
import gc
import logging
from functools import partial
from typing import Final

from app.loader import Loader
from app.serving import Serving

INTERVAL_SECONDS: Final = 0.5
"""Time between two looks. A look is one system call a model; loading takes tenths of a second on top."""

LONGEST_PAUSE_SECONDS: Final = 30.0
"""Most time between two tries to load what the machine would not load."""

log = logging.getLogger(__name__)


def freeze() -> None:
    """Take what is loaded out of the sight of the garbage collector, after it had a look.

    Models never become garbage by themselves, and walking them is what makes the slowest requests slow.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def watch(serving: Serving, loader: Loader, interval: float = INTERVAL_SECONDS) -> None:
    """Load every promotion that is made from now on, until cancelled.

    A version that can't be loaded is not tried again before the next promotion: it is quarantined by then, and the
    version that served goes on serving. Where the machine is at fault, it is tried again, ever more seldom.
    """
    pauses: dict[str, float] = {}
    failures: dict[str, int] = {}
    while True:
        await asyncio.sleep(interval)
        loaded = False
        for model in serving.changed():
            pause = pauses.get(model, 0.0)
            if pause > interval:
                pauses[model] = pause - interval
                continue
            try:
                slot = await loader.run(partial(serving.reload, model))
            except Exception:  # the watch must outlive whatever goes wrong with one model
                log.exception("%s could not be looked at again", model)
                continue
            failures[model] = 0 if slot.reason is None else failures.get(model, 0) + 1
            pauses[model] = min(interval * 2 ** failures[model], LONGEST_PAUSE_SECONDS) if failures[model] else 0.0
            if slot.loaded is not None and slot.reason is None:
                loaded = True
                log.info("%s %s serves", model, slot.loaded.version)
        if loaded:
            freeze()

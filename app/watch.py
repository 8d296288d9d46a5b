"""Promotions and imports that are made while the service runs: each worker looks, and takes up what it finds."""

import asyncio
import gc
import logging
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from app.loader import Loader
from app.serving import Serving

INTERVAL_SECONDS: Final = 0.5
"""Time between two looks. A look is one system call a model and a stored series; loading takes tenths of a second on
top."""

LONGEST_PAUSE_SECONDS: Final = 30.0
"""Most time between two tries to load what the machine would not load."""

STORED: Final = "stored histories"

log = logging.getLogger(__name__)


def freeze() -> None:
    """Take what is loaded out of the sight of the garbage collector, after it had a look.

    Models never become garbage by themselves, and walking them is what makes the slowest requests slow.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@dataclass(slots=True)
class _Try:
    """The last try of something: the stamp that it had then, the pause after it, and how much of that is left."""

    stamp: Hashable
    pause: float
    left: float


class Patience:
    """Says when to try what has changed: at once, and ever more seldom while it goes on being named as it was."""

    def __init__(self, interval: float, longest: float = LONGEST_PAUSE_SECONDS) -> None:
        """Store the time between two looks, and the longest pause."""
        self._interval = interval
        self._longest = longest
        self._tries: dict[str, _Try] = {}

    def due(self, changed: Mapping[str, Hashable]) -> Iterator[str]:
        """Yield the names that are to be tried at this look, of those that have changed, with their stamps.

        What is named by the stamp that it was tried with failed, and waits; another stamp is tried at once; what is not
        named any more is settled, and begins anew when it is.
        """
        self._tries = {name: tried for name, tried in self._tries.items() if name in changed}
        for name, stamp in changed.items():
            tried = self._tries.get(name)
            if tried is None or tried.stamp != stamp:
                pause = self._interval
            else:
                tried.left -= self._interval
                if tried.left > 0:
                    continue
                pause = tried.pause
            pause = min(2 * pause, self._longest)
            self._tries[name] = _Try(stamp, pause, pause)
            yield name


async def watch(serving: Serving, loader: Loader, interval: float = INTERVAL_SECONDS) -> None:
    """Take up every promotion and every import that is made from now on, until cancelled.

    A version that can't be loaded is not tried again before the next promotion: it is quarantined by then, and the
    version that served goes on serving. Where the machine is at fault, it is tried again, ever more seldom. So are
    stored series that can't be read, while those that were read before go on serving.
    """
    models, stored = Patience(interval), Patience(interval)
    while True:
        await asyncio.sleep(interval)
        try:
            # In the loader's thread from the first look on, as there may be many series, and a slow disk.
            stamp = await loader.run(serving.histories.changed)
            for _ in stored.due({} if stamp is None else {STORED: stamp}):
                await loader.run(serving.histories.renew)
        except Exception:  # the watch must outlive whatever goes wrong with the bars
            log.exception("the %s could not be looked at again", STORED)
        loaded = False
        for model in models.due({model: serving.promoted(model) for model in serving.changed()}):
            try:
                slot = await loader.run(partial(serving.reload, model))
            except Exception:  # the watch must outlive whatever goes wrong with one model
                log.exception("%s could not be looked at again", model)
                continue
            if slot.loaded is not None and slot.reason is None:
                loaded = True
                log.info("%s %s serves", model, slot.loaded.version)
        if loaded:
            freeze()

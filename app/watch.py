"""Promotions that are made while the service runs: each worker looks for them, and loads what it finds."""

import asyncio
import gc
import logging
from typing import Final

from starlette.concurrency import run_in_threadpool

from app.serving import Serving

INTERVAL_SECONDS: Final = 0.5
"""Time between two looks. A look is one system call a model; loading takes tenths of a second on top."""

log = logging.getLogger(__name__)


def freeze() -> None:
    """Take what is loaded out of the sight of the garbage collector, after it had a look.

    Models never become garbage by themselves, and walking them is what makes the slowest requests slow.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


async def watch(serving: Serving, interval: float = INTERVAL_SECONDS) -> None:
    """Load every promotion that is made from now on, until cancelled.

    A version that can't be loaded is not tried again before the next promotion: it is quarantined by then, or the
    machine is at fault, and the version that served goes on serving either way.
    """
    while True:
        await asyncio.sleep(interval)
        for model in serving.changed():
            try:
                slot = await run_in_threadpool(serving.reload, model)
                freeze()
            except Exception:  # the watch must outlive whatever goes wrong with one model
                log.exception("%s could not be looked at again", model)
                continue
            if slot.loaded is not None and slot.reason is None:
                log.info("%s %s serves", model, slot.loaded.version)

"""All that is proven of Barcast, and what measures it."""

import os

# Tests run side by side, so each process has one thread: pools of threads spin while they wait, which costs a suite of
# small fits up to four times its CPU. This is read before numpy is, and inherited by every process that a test starts.
# The server of `tests/smoke` runs without it, as it does for people.
POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
for pool in POOLS:
    os.environ.setdefault(pool, "1")

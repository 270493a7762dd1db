"""Who runs the block tasks: a pool of threads."""

from __future__ import annotations

import os
from concurrent.futures import Executor, ThreadPoolExecutor


def available_workers() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return max(1, os.cpu_count() or 1)


def open_executor(workers: int) -> Executor:
    """A pool of ``workers`` threads: codecs and NumPy let go of the interpreter lock."""
    return ThreadPoolExecutor(workers, thread_name_prefix="spconvert")

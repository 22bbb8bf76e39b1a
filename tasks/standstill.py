"""Work in a process that others wait for: where all of it stands still, the process ends itself, and says where it was.

A lock that is never let go, a download without an end, a library that waits for itself: Dask notices none of them, for
its own thread goes on. A worker that ends is replaced, and what it held is done again.
"""

import faulthandler
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TypeVar

STILL = 300.0  # seconds without any on a processor that no storage keeps a reader waiting for
LOOKS = 30  # within the patience: time in which the whole machine slept is one look
LEAST = 0.05  # seconds on a processor that are some progress
Answer = TypeVar("Answer")


def watched(patience: float, work: Callable[..., Answer], *given: object) -> Answer:
    """Do something, and end this process where nothing at all is done in it for so long meanwhile.

    What counts is time on a processor, of all threads but the main one, which in a worker is Dask's. The stacks of all
    threads go to standard error.

    Args:
        patience: seconds.
    """
    done = threading.Event()
    threading.Thread(target=_watch, args=(patience, done), name="standstill", daemon=True).start()
    try:
        return work(*given)
    finally:
        done.set()


def _watch(patience: float, done: threading.Event) -> None:
    seen, still = _worked(), 0
    while not done.wait(patience / LOOKS):
        now = _worked()
        seen, still = (now, 0) if now - seen > LEAST else (seen, still + 1)
        if still >= LOOKS:
            sys.stderr.write(f"Nothing was done in this worker for {patience:g} s; it ends. Where it stood:\n")
            sys.stderr.flush()
            faulthandler.dump_traceback()
            os._exit(1)


def _worked() -> float:
    """Seconds on a processor so far, without the main thread's and this one's."""
    main = threading.main_thread().ident
    if main is None or not hasattr(time, "pthread_getcpuclockid"):  # macOS: the main thread's count as well
        return time.process_time()
    return time.process_time() - time.clock_gettime(time.pthread_getcpuclockid(main)) - time.thread_time()

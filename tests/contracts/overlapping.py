"""What a worker does while a lot is read, fitted and written, and when; for workers to import."""

import os
import time

from tasks.lot_job import COMPUTING

Moments = tuple[float, float]


def seeming_lot(seconds: float) -> tuple[int, str, Moments, Moments]:
    """Pretend to restore a lot. Returns the process, its GPUs, and from when to when it held the lot and fitted it."""
    began = time.monotonic()
    time.sleep(seconds)
    with COMPUTING:
        fitting = time.monotonic()
        time.sleep(seconds)
        fitted = time.monotonic()
    time.sleep(seconds)
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), (began, time.monotonic()), (fitting, fitted)


def at_once(moments: list[Moments]) -> int:
    """How many of these spans of time there were at once, at most."""
    events = sorted([(start, 1) for start, _ in moments] + [(stop, -1) for _, stop in moments])
    under_way = most = 0
    for _, change in events:
        under_way += change
        most = max(most, under_way)
    return most

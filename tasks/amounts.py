"""Numbers of things, and times, as people say them."""

from datetime import timedelta

SOON = 60.0  # seconds up to which they are told as such


def amount(count: int, noun: str) -> str:
    """So many of something whose plural ends in s: 1 tile, 2 tiles."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def clock(seconds: float) -> str:
    """A time: 4.2 s, or 1:02:03 from a minute on."""
    return f"{seconds:.1f} s" if seconds < SOON else str(timedelta(seconds=round(seconds)))

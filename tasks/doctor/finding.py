"""What a check found: good, worth a look, or in the way."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """what: that was looked at. found: in a few words. advice: what to do, as a sentence; empty if all is well."""

    level: Level
    what: str
    found: str
    advice: str = ""


def good(what: str, found: str) -> Finding:
    """All is well."""
    return Finding("ok", what, found)


def doubtful(what: str, found: str, advice: str) -> Finding:
    """It works, but somebody should look at it."""
    return Finding("warn", what, found, advice)


def bad(what: str, found: str, advice: str) -> Finding:
    """It will not work."""
    return Finding("fail", what, found, advice)

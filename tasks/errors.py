"""What can go wrong for a user. Each message is one sentence: what happened, where, what was expected, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class RequestError(ValueError):
    """The request cannot be carried out as it stands. Nothing was touched. The command line ends with code 2."""


class InputError(ValueError):
    """One input cannot be read or restored. The others go on, and the report lists it."""


def nearest(word: str, known: Iterable[str]) -> str:
    """' Did you mean 'x'?' for the known word that is nearest, or nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f" Did you mean '{close[0]}'?" if close else ""

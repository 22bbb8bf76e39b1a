"""Whether a start may be used: a small file beside the artifact, which itself never changes."""

import getpass
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal, get_args

from pydantic import TypeAdapter, ValidationError

from tasks.errors import RequestError
from tasks.stores.place import Place

State = Literal["candidate", "active", "quarantined", "retired"]
FOLLOWING: dict[State, tuple[State, ...]] = {
    "candidate": ("active", "quarantined", "retired"),
    "active": ("quarantined", "retired"),
    "quarantined": ("active", "retired"),
    "retired": (),
}
_END = ".state.json"


@dataclass(frozen=True)
class Change:
    """What a start became, by whom, why and when (ISO, UTC)."""

    state: State
    who: str
    why: str
    when: str


def history(place: Place, id_: str) -> tuple[Change, ...]:
    """The changes of a start, the first one first; none of one that nobody has touched.

    Raises:
        RequestError: its file is broken.
    """
    try:
        return TypeAdapter(tuple[Change, ...]).validate_json(place.read(f"{id_}{_END}"))
    except FileNotFoundError:
        return ()
    except ValidationError as error:
        raise RequestError(
            f"'{place.uri}/{id_}{_END}' does not say what became of the start ({error.errors()[0]['msg']}); mend or "
            "remove it."
        ) from error


def state_of(place: Place, id_: str, first: State) -> State:
    """The state of a start. first: that of one that nobody has touched."""
    changes = history(place, id_)
    return changes[-1].state if changes else first


def change_state(place: Place, id_: str, to: State, why: str, first: State) -> Change:
    """Make a start active, quarantined or retired, and note who did it and why.

    Args:
        place: the registry.
        id_: of the start.
        to: one of FOLLOWING of its state.
        why: a sentence.
        first: its state if nobody has touched it.

    Raises:
        RequestError: it cannot become that from what it is, or there is no reason.
    """
    if not why.strip():
        raise RequestError(f"The start {id_} is not made {to} without a reason; give one in a few words.")
    with place.lock():
        changes = history(place, id_)
        now = changes[-1].state if changes else first
        if to not in FOLLOWING[now]:
            allowed = " or ".join(FOLLOWING[now]) or "nothing else any more"
            raise RequestError(f"The start {id_} is {now} and cannot become {to}; from there it becomes {allowed}.")
        change = Change(to, _who(), why, datetime.now(UTC).isoformat(timespec="seconds"))
        place.write(f"{id_}{_END}", (json.dumps([asdict(each) for each in (*changes, change)], indent=1)).encode())
    return change


def states() -> tuple[State, ...]:
    """All states, in the order of a start's life."""
    return get_args(State)


def is_state_file(name: str) -> bool:
    """Whether a file of the registry holds the state of a start."""
    return name.endswith(_END)


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user data base
        return "unknown"

"""Whether a start may be used: a small file beside the artifact, which itself never changes."""

import getpass
import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args

from pydantic import TypeAdapter, ValidationError

from tasks.errors import RequestError
from tasks.stores.leases import locked
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
    """What a start became, by whom, why and when (ISO, UTC).

    collection: the only one for which that holds; empty: everywhere. evidence: numbers behind it.
    """

    state: State
    who: str
    why: str
    when: str
    collection: str = ""
    evidence: dict[str, float] = field(default_factory=dict)


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
    changes = _everywhere(history(place, id_))
    return changes[-1].state if changes else first


def quarantined_for(place: Place, id_: str) -> dict[str, Change]:
    """The collections for which a start is not used, and why; whatever its state is everywhere else."""
    last = {change.collection: change for change in history(place, id_) if change.collection}
    return {collection: change for collection, change in last.items() if change.state == "quarantined"}


def quarantine_for(
    place: Place, id_: str, collection: str, why: str, evidence: dict[str, float] | None = None
) -> Change:
    """Keep a start from being used for one collection.

    Raises:
        OSError, RequestError: that cannot be noted.
    """
    return _noted(place, id_, Change("quarantined", _who(), why, _now(), collection, evidence or {}))


def allow_for(place: Place, id_: str, collection: str, why: str) -> Change:
    """Take such a quarantine back.

    Raises:
        RequestError: there is none.
    """
    known = quarantined_for(place, id_)
    if collection not in known:
        told = f"it is so for {', '.join(known)}" if known else "it is so for none"
        raise RequestError(f"The start {id_} is not quarantined for the collection '{collection}'; {told}.")
    return _noted(place, id_, Change("active", _who(), why, _now(), collection))


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
    with locked(place):
        changes = history(place, id_)
        now = state_of(place, id_, first)
        if to not in FOLLOWING[now]:
            allowed = " or ".join(FOLLOWING[now]) or "nothing else any more"
            raise RequestError(f"The start {id_} is {now} and cannot become {to}; from there it becomes {allowed}.")
        change = Change(to, _who(), why, _now())
        _write(place, id_, (*changes, change))
    return change


def states() -> tuple[State, ...]:
    """All states, in the order of a start's life."""
    return get_args(State)


def is_state_file(name: str) -> bool:
    """Whether a file of the registry holds the state of a start."""
    return name.endswith(_END)


def _everywhere(changes: tuple[Change, ...]) -> tuple[Change, ...]:
    return tuple(change for change in changes if not change.collection)


def _noted(place: Place, id_: str, change: Change) -> Change:
    with locked(place):
        _write(place, id_, (*history(place, id_), change))
    return change


def _write(place: Place, id_: str, changes: tuple[Change, ...]) -> None:
    place.write(f"{id_}{_END}", json.dumps([asdict(each) for each in changes], indent=1).encode())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without a user data base
        return "unknown"

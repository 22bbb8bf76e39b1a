"""The learned start of a method: read once in a process, and held against the network that the method fits."""

from collections.abc import Mapping
from functools import lru_cache

from il_models.method import Fitted
from tasks.errors import RequestError
from tasks.registry.artifact import LearnedStart, read_start
from tasks.registry.loading import Known, find_start, known_starts, registry_place
from tasks.registry.states import quarantined_for
from tasks.stores.place import Place

BUNDLED = "grey"  # the start of methods that cannot do without one


def start_for(method: Fitted, reference: str, factor: int | None = None) -> LearnedStart:
    """A start whose weights are those of the method's network.

    Args:
        method: what is to begin from it.
        reference: name, id, path or URI, as load_start takes it.
        factor: by which images are to be enlarged; None: whatever the start was learned for.

    Raises:
        RequestError: there is no such start, it is broken, or it is for another network or none that the method has, or
            for another factor.
    """
    if method.start_network is None:
        raise RequestError(f"{method.name} always begins at random weights; leave `start` out, or set it to random.")
    found = find_start(reference)  # anew, for a name may stand for another start by now
    start = _read(found.place, found.stem, found.id)
    # how many channels there are is known only once an input is open: see begun_at
    if {key: value for key, value in start.card.network.items() if key != "channels"} != dict(method.start_network):
        told, wanted = (_words(network) for network in (start.card.network, method.start_network))
        raise RequestError(
            f"The start '{start.card.name}' ({start.card.id}) is for {told}, and {method.name} fits {wanted}; give a "
            "start for that, or the method the fields of this one."
        )
    if factor is not None:
        _require_factor(start, factor)
    return start


def _require_factor(start: LearnedStart, factor: int) -> None:
    """A start that has learned to enlarge does it by one factor.

    Raises:
        RequestError: another one is asked for.
    """
    learned = start.card.spread.get("factor")
    if learned is not None and learned != factor:
        wanted = f"x{factor}" if factor > 1 else "not at all"
        raise RequestError(
            f"The start '{start.card.name}' ({start.card.id}) enlarges x{learned:g}, and the recipe {wanted}; set "
            f"zoom: {learned:g}, or learn one (selfmend learn --what mzsr-x{max(2, factor)} ...)."
        )


def start_instead(start: LearnedStart, collection: str) -> LearnedStart | None:
    """The best suited start in place of one that is quarantined for a collection; None: there is no other.

    It must be active, of the same network, for as many channels, and not quarantined for the collection itself: of the
    same name the one that was made last, otherwise any that was made last, at the end those that ship.
    """
    registry = registry_place()
    fitting = [
        known
        for known in known_starts()
        if known.card is not None
        and known.state == "active"
        and known.id != start.card.id
        and known.card.network == start.card.network
        and known.card.channels == start.card.channels
        and collection not in quarantined_for(registry, known.id)
    ]
    if not fitting:
        return None
    best = max(fitting, key=lambda known: _suits(known, start.card.name))
    return _read(best.place, best.stem, best.id)


def _suits(known: Known, name: str) -> tuple[bool, bool, str]:
    return (known.name == name, not known.bundled, known.card.made if known.card else "")


@lru_cache(maxsize=8)
def _read(place: Place, stem: str, id_: str) -> LearnedStart:
    del id_  # tells apart what a path held before and holds now
    return read_start(place, stem)


def _words(network: Mapping[str, object]) -> str:
    return ", ".join(f"{key} {value}" for key, value in network.items())

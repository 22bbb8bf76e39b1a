"""Finding starts: those that ship with the package, those of the registry, and any by path or URI."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import RequestError, nearest
from tasks.registry.card import CARD, WEIGHTS, Card, read_card
from tasks.registry.states import State, is_state_file, state_of
from tasks.stores.place import Place

if TYPE_CHECKING:
    from tasks.registry.artifact import LearnedStart

FOLDER = "SELFMEND_STARTS"  # environment variable: folder or URI of the registry
DEFAULT = "~/.local/share/selfmend/starts"
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib")


@dataclass(frozen=True)
class Known:
    """A start that can be found. card: None where it cannot be read; `problem` says why."""

    name: str
    id: str
    state: State
    place: Place
    stem: str
    bundled: bool = False
    card: Card | None = None
    problem: str = ""

    @property
    def first(self) -> State:
        """Its state before anybody has touched it."""
        return "active" if self.bundled else "candidate"

    @property
    def uri(self) -> str:
        """Where its card lies."""
        return f"{self.place.uri}/{self.stem}{CARD}"


def registry_place() -> Place:
    """The folder of the starts that were learned here."""
    return Place(os.environ.get(FOLDER) or DEFAULT)


def bundled_place() -> Place:
    """The folder of the starts that ship with the package."""
    return Place(str(Path(__file__).parents[2] / "il_models" / "starts"))


def known_starts() -> tuple[Known, ...]:
    """All starts that have a name here: the bundled ones, then those of the registry, each sorted by name and id."""
    return (*_listed(bundled_place(), bundled=True), *_listed(registry_place(), bundled=False))


def find_start(reference: str) -> Known:
    """A start by its bundled name, a name or an id (or the beginning of one) in the registry, or a path or URI.

    By name it is an active start: the one that ships, otherwise the one that was made last. By id or path it may have
    any state, which the answer tells.

    Raises:
        RequestError: nothing or several things are called so, none of that name is active, or its card is broken.
    """
    if "/" in reference or reference.endswith((CARD, WEIGHTS, *_PICKLES)):
        return _by_path(reference)
    known = known_starts()
    found = _by_name(reference, known) or _by_id(reference, known)
    if found is None:
        words = [word for each in known for word in dict.fromkeys((each.name, each.id))]
        raise RequestError(
            f"There is no start '{reference}' among those that ship or in '{registry_place().uri}'; known: "
            f"{', '.join(words) or 'none'}; or give the path of a {WEIGHTS} file.{nearest(reference, words)}"
        )
    if found.card is None:
        raise RequestError(found.problem)
    return found


def load_start(reference: str) -> "LearnedStart":
    """A start with its weights, float32, without a tile axis.

    Args:
        reference: as find_start takes it. By name only an active start is loaded, by id or path any.

    Raises:
        RequestError: there is no such start, or it is broken, was changed, or fits no network that is known.
    """
    from tasks.registry.artifact import read_start

    found = find_start(reference)
    return read_start(found.place, found.stem)


def _by_name(name: str, known: tuple[Known, ...]) -> Known | None:
    named = [each for each in known if each.name == name and each.card]
    active = [each for each in named if each.state == "active"]
    if named and not active:
        listed = ", ".join(f"{each.id} ({each.state})" for each in named)
        raise RequestError(
            f"No start of the name '{name}' is active: there is {listed}; promote one, or call one by its id."
        )
    return max(active, key=lambda each: (each.bundled, each.card.made if each.card else ""), default=None)


def _by_id(text: str, known: tuple[Known, ...]) -> Known | None:
    found = {each.id: each for each in reversed(known) if text and each.id.startswith(text)}
    if len(found) > 1:
        raise RequestError(f"'{text}' begins the ids of several starts: {', '.join(found)}; give more digits.")
    return next(iter(found.values()), None)


def _by_path(reference: str) -> Known:
    folder, _, file = reference.rpartition("/")
    if file.endswith(_PICKLES):
        raise RequestError(
            f"'{reference}' has the ending of a pickle, which could run anything when it is opened; expected is a "
            f"{WEIGHTS} file with its {CARD} beside it, as `selfmend learn` writes them."
        )
    stem = file.removesuffix(WEIGHTS).removesuffix(CARD)
    place = Place(folder or ("/" if reference.startswith("/") else "."))
    if not stem or not (place.exists(f"{stem}{CARD}") or place.exists(f"{stem}{WEIGHTS}")):
        raise RequestError(f"There is no start '{reference}'; expected is a {WEIGHTS} file with its {CARD} beside it.")
    card, _ = read_card(place, stem)
    bundled = place == bundled_place()
    known = Known(card.name, card.id, "candidate", place, stem, bundled, card)
    return Known(card.name, card.id, state_of(registry_place(), card.id, known.first), place, stem, bundled, card)


def _listed(place: Place, bundled: bool) -> list[Known]:
    cards = [name for name in place.names() if name.endswith(CARD) and not is_state_file(name)]
    names = [name for name in cards if "/" not in name and not name.startswith(".")]  # neither lessons nor locks
    known = [_known(place, name.removesuffix(CARD), bundled) for name in names]
    return sorted(known, key=lambda each: (each.name, each.id))


def _known(place: Place, stem: str, bundled: bool) -> Known:
    first: State = "active" if bundled else "candidate"
    try:
        card, _ = read_card(place, stem)
        return Known(
            card.name, card.id, state_of(registry_place(), card.id, first), place, stem, bundled=bundled, card=card
        )
    except RequestError as error:
        return Known(stem, stem, first, place, stem, bundled=bundled, problem=str(error))

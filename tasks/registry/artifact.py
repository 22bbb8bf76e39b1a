"""A learned start as two files, weights and card: written once, and checked whenever it is read."""

import json
from dataclasses import asdict, dataclass, replace

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from tasks.errors import RequestError
from tasks.registry.card import CARD, WEIGHTS, Card, checked_name, identity, read_card
from tasks.registry.networks import network_of
from tasks.stores.place import Place

_DTYPES = {"float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class LearnedStart:
    """Weights of one network, float32, without a tile axis, by the names that the network gives them; and its card."""

    card: Card
    weights: dict[str, Tensor]


def make_start(card: Card, weights: dict[str, Tensor]) -> LearnedStart:
    """A start as it will be read again: weights rounded as they are stored, and the id.

    Args:
        card: its id does not matter.
        weights: by the names of the network's parameters.

    Raises:
        RequestError: weights that are not finite, or not those of the network.
    """
    checked_name(card.name)
    rounded = {name: value.detach().cpu().to(_DTYPES[card.stored]) for name, value in weights.items()}
    blank = LearnedStart(card, {name: value.float().contiguous() for name, value in sorted(rounded.items())})
    _require_fit(blank, f"The start '{card.name}'")
    told = json.loads(json.dumps(asdict(card)))
    return replace(blank, card=replace(card, id=identity(_stored(blank), told)))


def save_start(start: LearnedStart, place: Place, stem: str | None = None) -> str:
    """Write a start. One that is there already is left as it is; the URI of its card.

    Args:
        start: as make_start gives it.
        place: a folder or URI.
        stem: of the two files; None: the id.

    Raises:
        RequestError: another start has these files.
        OSError: they cannot be written.
    """
    stem = stem or start.card.id
    uri = f"{place.uri}/{stem}{CARD}"
    if place.exists(f"{stem}{CARD}"):
        there, _ = read_card(place, stem)
        if there.id != start.card.id:
            raise RequestError(
                f"'{uri}' is the start {there.id}, and starts are never overwritten; give {start.card.id} another name "
                "or folder, or remove the old files."
            )
        return uri
    place.write(f"{stem}{WEIGHTS}", _stored(start))
    place.write(f"{stem}{CARD}", start.card.to_json())  # last: a start without its card is none
    return uri


def read_start(place: Place, stem: str) -> LearnedStart:
    """A start, checked against its id and its network.

    Raises:
        RequestError: a file is missing, broken, not what its card says, or of a network that is not known.
    """
    card, raw = read_card(place, stem)
    uri = f"{place.uri}/{stem}{WEIGHTS}"
    try:
        data = place.read(f"{stem}{WEIGHTS}")
    except FileNotFoundError:
        raise RequestError(f"The start '{card.name}' has a card, but no weights '{uri}'; fetch both files.") from None
    if data[8:9] != b"{" and data.startswith((b"PK", b"\x80")):  # a zip of torch.save, or a bare pickle
        raise RequestError(f"'{uri}' is a pickle, which could run anything when it is opened; {_WANTED}")
    if (found := identity(data, raw)) != card.id:
        raise RequestError(
            f"'{uri}' or its card was changed or is broken: the card says {card.id}, the files make {found}; fetch "
            "both again."
        )
    try:
        weights = load_tensors(data)
    except SafetensorError as error:
        raise RequestError(f"'{uri}' cannot be read as safetensors ({error}); {_WANTED}") from error
    start = LearnedStart(card, {name: value.float().contiguous() for name, value in sorted(weights.items())})
    _require_fit(start, f"'{uri}'")
    return start


_WANTED = "expected is a .safetensors file as `selfmend learn` writes it."


def _stored(start: LearnedStart) -> bytes:
    dtype = _DTYPES[start.card.stored]
    return save_tensors({name: value.to(dtype) for name, value in start.weights.items()})


def _require_fit(start: LearnedStart, what: str) -> None:
    """Weights must be those of the network, name by name, and finite."""
    expected = {name: value.shape for name, value in network_of(start.card).named_parameters()}
    network = ", ".join(str(value) for value in start.card.network.values())
    if missing := sorted(expected.keys() - start.weights.keys()):
        raise RequestError(f"{what} lacks '{missing[0]}' ({len(missing)} of the weights of {network}).")
    if more := sorted(start.weights.keys() - expected.keys()):
        raise RequestError(f"{what} has '{more[0]}', which {network} has not ({len(more)} such weights).")
    for name, value in start.weights.items():
        if value.shape != expected[name]:
            raise RequestError(
                f"{what}: '{name}' has the shape {tuple(value.shape)}, and {network} wants {tuple(expected[name])}."
            )
        if not torch.isfinite(value).all():
            raise RequestError(f"{what}: '{name}' holds numbers that are not finite; learn or fetch the start again.")

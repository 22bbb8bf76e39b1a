"""What the adaptation of an input came to, kept small beside the images: a later run takes it again."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from il_models.fitting import FitRecord, Status
from tasks.catalog.facts import Facts
from tasks.plan import PIXELS_VERSION, InputPlan
from tasks.registry.artifact import LearnedStart
from tasks.stores.place import Place
from tasks.treatment import Treatment

FOLDER = "adapted"  # beside the images of a collection
Weights = dict[str, Tensor]  # each begins with the axis of the networks


@dataclass(frozen=True)
class Adapted:
    """An adaptation as it is read back. told: its card. id: as tiles that went on from it have it."""

    weights: Weights  # those that differ from the start's, or stand beside them
    told: dict[str, object]
    id: str


def own_weights(weights: Weights, start: LearnedStart | None) -> Weights:
    """The weights that differ from those of a start: gains, or adapters; nothing of a start that was left as it is."""
    if start is None:
        return weights
    return {
        name: value
        for name, value in weights.items()
        if name not in start.weights or not bool((value == start.weights[name]).all())
    }


def whole_weights(own: Weights, networks: int, start: LearnedStart | None) -> Weights:
    """All weights of so many networks, from those that differ from the start's."""
    if start is None:
        return own
    return {name: value.expand(networks, *value.shape).contiguous() for name, value in start.weights.items()} | own


def record_told(record: FitRecord) -> str:
    """A record as text."""
    return json.dumps(asdict(record))


def record_from(text: str) -> FitRecord:
    """A record from text."""
    told = json.loads(text)
    return FitRecord(**{**told, "status": Status(told["status"]), "curve": tuple(map(tuple, told["curve"]))})


def adaptation_of(
    entry: InputPlan | None, facts: Facts, treatment: Treatment, seed: int, threads: int
) -> dict[str, object] | None:
    """All that an adaptation to an input depends on, as JSON has it; None where no learned start is adapted.

    That to a whole collection (entry: None) does not depend on which inputs it was learned from: inputs come and go,
    and what one night was restored with is what the next one goes on with.

    What does not bear on it, such as how results are stored or how much of the control they get, is not in it: another
    recipe that adapts alike finds what is there.
    """
    if treatment.start is None or not treatment.input_methods or treatment.instrument is not None:
        return None
    methods = {"rungs": treatment.input_methods, "controls": treatment.controls}
    told: dict[str, object] = {
        "start": treatment.start.card.id,
        "scope": "collection" if entry is None else "input",
        "input": "" if entry is None else entry.name,
        "facts": facts.bearing(),
        **{word: [{"name": each.name, **asdict(each)} for each in some] for word, some in methods.items()},
        "stopper": repr(treatment.input_stopper),
        "seed": seed,
        "device": treatment.device.type,
        "threads": threads,
        "pixels": PIXELS_VERSION,
    }
    if entry is not None:
        told |= {"fingerprint": entry.fingerprint, "survey": asdict(entry.survey)}
        told |= {"stabilised": entry.stabilised, "together": entry.grid.core[1]}
    plain: dict[str, object] = json.loads(json.dumps(told))
    return plain


def keep_adapted(place: Place, told: dict[str, object], record: FitRecord, id_: str, own: Weights) -> None:
    """Keep an adaptation, in the place of an older one of the same input, start and rungs."""
    networks = next(iter(own.values())).shape[0]
    card = {**told, "rung": record.rung, "networks": networks}
    texts = {"adaptation": json.dumps(card, sort_keys=True), "record": record_told(record), "id": id_}
    place.write(_file(told), save_tensors(own, texts))


def kept_adapted(place: Place, told: dict[str, object]) -> tuple[Weights, FitRecord, str, int] | None:
    """Weights that differ from the start's, record, id and number of networks; None where nothing fits what is asked.

    A file that is broken, or of another survey, is none: it will be written anew.
    """
    name = _file(told)
    if not place.exists(name):
        return None
    try:
        own, texts = read_tensors(place.read(name))
        card = json.loads(texts["adaptation"])
        networks = card.pop("networks")
        del card["rung"]
        return (own, record_from(texts["record"]), texts["id"], networks) if card == told else None
    except (ValueError, KeyError, TypeError, SafetensorError):
        return None


def adaptations(place: Place, start: str) -> Iterator[Adapted]:
    """What is kept of the adaptations of a start, by id, one after the other; broken files are passed over."""
    for name in sorted(each for each in place.names() if each.endswith(".safetensors")):
        try:
            own, texts = read_tensors(place.read(name))
            told, id_ = json.loads(texts["adaptation"]), texts["id"]
        except (ValueError, KeyError, SafetensorError):
            continue
        if told.get("start") == start and all(bool(torch.isfinite(value).all()) for value in own.values()):
            yield Adapted(own, told, id_)


def read_tensors(data: bytes) -> tuple[Weights, dict[str, str]]:
    """The tensors and the texts of a safetensors file.

    Raises:
        SafetensorError, ValueError: it is none.
    """
    weights = load_tensors(data)
    length = int.from_bytes(data[:8], "little")
    texts: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return weights, texts


def _file(told: dict[str, object]) -> str:
    kept = {name: told[name] for name in ("start", "scope", "input", "rungs", "seed")}
    return f"{hashlib.blake2b(json.dumps(kept, sort_keys=True).encode(), digest_size=8).hexdigest()}.safetensors"

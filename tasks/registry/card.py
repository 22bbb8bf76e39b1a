"""The card of a learned start: what it is, what it was learned from, and what it has shown. Needs no torch."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from tasks.errors import RequestError
from tasks.stores.place import Place

WEIGHTS, CARD = ".safetensors", ".json"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_UNSIGNED = ("id", "made")  # the identity itself, and the day, on which no weight depends


@dataclass(frozen=True)
class TrainingInput:
    """One picture or input that was learned from. hash: BLAKE2b of its pixels as read, 16 digits."""

    name: str
    shape: tuple[int, ...]
    hash: str


@dataclass(frozen=True)
class CurvePoint:
    """The held-out pictures after so many steps. loss: of training. psnr: dB, mean, at each level of `Card.levels`."""

    steps: int
    loss: float
    psnr: tuple[float, ...]


@dataclass(frozen=True)
class Shown:
    """Mean squared errors on one held-out picture at one level of noise: of the measurement and of two restorations."""

    image: str
    level: float
    measured: float
    referee: float
    candidate: float


@dataclass(frozen=True)
class Evidence:
    """What the gate judges. referee: id of the parent, or the method that the candidate was held against."""

    referee: str
    rows: tuple[Shown, ...]


@dataclass(frozen=True)
class Card:
    """What is true of a learned start.

    name: what people call it. id: 12 digits of a hash of the weights' file and all of this card but `made`.
    network: its kind and fields, such as {"kind": "SharedDenoiser", "size": "small"}.
    channels: of an image that it restores; "any" where planes are treated one at a time.
    normalisation: what is done to pixels before it sees them, in words.
    sigma: lowest and highest standard deviation that it has seen, of an image whose range is 1.
    schedule: optimiser, steps, rate, crops of a step and what else decides the weights.
    spread: of the degradations, as il_models.meta.corruption.Spread has it.
    inputs: what was learned from. held_out: what the curve was measured on, in words.
    levels: of noise, of 255, at which the curve has its PSNR; of starts that enlarge variances of kernels, in px^2.
    parent: id of the start that it was learned from, if any.
    licence: of the weights and of what they were learned from. code: versions that learned it. made: the day, ISO.
    stored: how weights lie on disk; in memory they are float32.
    evidence: for the gate. adaptation: steps, rates and step sizes that suit it, where they were learned.
    """

    name: str
    id: str
    network: dict[str, str | int | float | bool]
    channels: Literal["any"] | int
    normalisation: str
    sigma: tuple[float, float]
    schedule: dict[str, str | bool | int | float]
    spread: dict[str, float]
    inputs: tuple[TrainingInput, ...]
    held_out: str
    levels: tuple[float, ...]
    curve: tuple[CurvePoint, ...]
    parent: str | None
    licence: str
    code: dict[str, str]
    made: str
    stored: Literal["float16", "float32"] = "float32"
    evidence: Evidence | None = None
    adaptation: dict[str, float | int | dict[str, float]] | None = None

    def to_json(self) -> bytes:
        """The card as a file, the same bytes for the same card."""
        return (json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n").encode()


def checked_name(name: str) -> str:
    """A name that can stand in a path and on a command line.

    Raises:
        RequestError: it cannot.
    """
    if not _NAME.fullmatch(name):
        raise RequestError(f"'{name}' cannot name a start; use small letters, digits, '-' and '_', such as cells-2.")
    return name


def identity(weights: bytes, card: dict[str, Any]) -> str:
    """The id of a start: 12 hexadecimal digits.

    Args:
        weights: the bytes of its file.
        card: the card as JSON has it. Whatever keys it has count, so that cards stay valid when fields are added.
    """
    signed = {key: value for key, value in card.items() if key not in _UNSIGNED}
    digest = hashlib.blake2b(weights, digest_size=6)
    digest.update(json.dumps(signed, sort_keys=True).encode())
    return digest.hexdigest()


def read_card(place: Place, stem: str) -> tuple[Card, dict[str, Any]]:
    """A card, and the same as JSON has it.

    Raises:
        RequestError: it is missing, or not a card.
    """
    uri = f"{place.uri}/{stem}{CARD}"
    try:
        raw = json.loads(place.read(f"{stem}{CARD}"))
        return TypeAdapter(Card).validate_python(raw), raw
    except FileNotFoundError:
        said = f"The start '{stem}' has no card '{uri}'; a start is a {WEIGHTS} file with its {CARD} beside it."
    except ValidationError as error:
        first = error.errors()[0]
        said = f"'{uri}' is not the card of a start: {'.'.join(map(str, first['loc']))}: {first['msg']}."
    except (ValueError, RecursionError) as error:
        said = f"'{uri}' is not the card of a start: it is not valid JSON ({error})."
    raise RequestError(said)

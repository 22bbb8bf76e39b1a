"""What a start is to be learned from, how long and how, checked; and where it is kept until it is done."""

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import get_args

import torch
from torch import Tensor, nn

from il_models.meta.joint import Schedule
from il_models.networks.denoiser import Size
from tasks.errors import RequestError
from tasks.learning.collection import EVERY
from tasks.learning.enlarging import enlarging
from tasks.learning.external import external_material
from tasks.learning.material import CROPS, SIDE, Material
from tasks.learning.reading import Source, find_source
from tasks.learning.subjects import Denoising, Subject
from tasks.plan import PIXELS_VERSION
from tasks.registry.artifact import LearnedStart
from tasks.registry.card import CARD, checked_name
from tasks.registry.loading import load_start, registry_place
from tasks.stores.place import Place

RATE, ROUGH = 1e-3, 0.75
TUNING = 1e-4  # of a start that knows much already
INITIAL = 1  # seed of the weights that a network without a parent begins with
PACKAGED = "packaged pictures"


@dataclass(frozen=True)
class Lesson:
    """A start to be learned.

    what: lite, small or base for a shared denoiser of that size; or as `enlarging` takes it.
    source: a collection; None stands for the packaged pictures. seed: of crops and noise. parent: the start to go on
    from. out: where the start goes; None: to the registry, as a candidate. rate, rough: as Schedule has them. every:
    one of so many inputs is held out. moved: weights to begin with in place of the parent's, by name, some of them.
    frame: clean images to learn from, where the source is only to judge.
    """

    name: str
    what: str
    steps: int
    seed: int
    source: Source | None = None
    parent: LearnedStart | None = None
    out: Place | None = None
    rate: float = RATE
    rough: float = ROUGH
    every: int = EVERY
    moved: dict[str, Tensor] = field(default_factory=dict)
    frame: Source | None = None

    @property
    def schedule(self) -> Schedule:
        """Steps and rate."""
        return Schedule(self.steps, self.rate, self.rough)

    @property
    def work(self) -> Place:
        """Where an unfinished one is kept. Another lesson has another place."""
        inputs, shown = (
            each and [(ref.uri, ref.fingerprint) for ref in each.inputs] for each in (self.source, self.frame)
        )
        parent = self.parent.card.id if self.parent else None
        plain = [self.what, self.steps, self.seed, inputs, parent, self.rate, self.rough, CROPS, SIDE, PIXELS_VERSION]
        told = [*plain, self.every, *([own_id(self.moved)] if self.moved else []), *([shown] if shown else [])]
        key = hashlib.blake2b(json.dumps(told).encode(), digest_size=8).hexdigest()
        return registry_place() / ".learning" / key

    def material(self) -> Material:
        """What is learned from, read.

        Raises:
            RequestError: there is nothing.
        """
        if self.source is not None and self.frame is not None:
            return external_material(self.source, self.frame)
        return self.subject.material(self.source, self.every)

    @property
    def subject(self) -> Subject:
        """What is learned."""
        return subject_of(self.what)

    def network(self) -> nn.Module:
        """The network as it begins."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(INITIAL)
            network = self.subject.network()
        if self.parent:
            network.load_state_dict({**self.parent.weights, **self.moved})
        return network

    def told(self) -> dict[str, str | int | float]:
        """The schedule as the card has it."""
        return {
            "optimiser": "Adam",
            "steps": self.steps,
            "rate": self.rate,
            "rough": self.rough,
            **self.subject.told(),
            "seed": self.seed,
            "source": self.source.collection if self.source else PACKAGED,
            **({"frame": self.frame.collection} if self.frame else {}),
            **({"moved": own_id(self.moved)} if self.moved else {}),
        }


def make_lesson(
    name: str,
    source: str | None = None,
    *,
    what: str = "small",
    steps: int = 60_000,
    seed: int = 17,
    parent: str | None = None,
    catalog: str | None = None,
    limit: int | None = None,
    out: str | None = None,
) -> Lesson:
    """Check what is asked for, by listing alone.

    Args:
        name: of the start.
        source: name of a collection, or a path, glob or URI; None: the pictures inside scikit-image and scikit-learn.
        what: lite, small or base, a shared denoiser of that size; or a start of zssr: zoom, kernels, mzsr or mlsr.
        steps: of the training. seed: of crops and noise.
        parent: the start to go on from, as load_start takes it.
        catalog, limit: as for a restoration.
        out: folder or URI for the start; None: the registry.

    Raises:
        RequestError: it cannot be learned as it stands.
    """
    checked_name(name)
    subject = subject_of(what)
    if steps < 1:
        raise RequestError(f"--steps {steps} learns nothing; give 1 or more, such as 60000.")
    begun = load_start(parent) if parent else None
    _require_alike(begun, parent, subject)
    place = Place(out) if out else None
    if place and place.exists(f"{name}{CARD}"):
        raise RequestError(f"'{place.uri}' has a start '{name}' already; give another name, or remove it first.")
    found = find_source(source, catalog, limit) if source else None
    return Lesson(name, what, steps, seed, found, begun, place, subject.rate, subject.rough)


def make_tuning(
    name: str, source: str, frame: str, parent: str, *, steps: int = 150, seed: int = 17, catalog: str | None = None
) -> Lesson:
    """Check what is asked for where a start is to be taught by a related clean frame, by listing alone.

    Args:
        name, parent, steps, seed, catalog: as for make_lesson.
        source: collection that the start is for, which only judges it.
        frame: path, glob or URI of clean images to learn from, at a tenth of the usual rate.

    Raises:
        RequestError: it cannot be learned as it stands.
    """
    begun = load_start(parent)
    size = str(begun.card.network.get("size"))
    lesson = make_lesson(name, source, what=size, steps=steps, seed=seed, parent=parent, catalog=catalog)
    return replace(lesson, rate=TUNING, rough=0.0, frame=find_source(frame, catalog))


def subject_of(what: str) -> Subject:
    """What a word of the command line stands for.

    Raises:
        RequestError: nothing.
    """
    return Denoising(what) if what in get_args(Size) else enlarging(what)  # type: ignore[arg-type]


def _require_alike(parent: LearnedStart | None, called: str | None, subject: Subject) -> None:
    """A parent is of the network that is learned, and for the same factor."""
    if parent is None:
        return
    if parent.card.network != subject.fields:
        raise RequestError(f"--parent {called} is of another network, {parent.card.network}; give --what as it has it.")
    factor = parent.card.spread.get("factor")
    if factor != subject.enlarges:
        raise RequestError(
            f"--parent {called} enlarges x{factor:g}, and x{subject.enlarges} is asked for; give one of that factor."
        )


def own_id(weights: dict[str, Tensor]) -> str:
    """Names weights by what they hold: 12 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=6)
    for name, value in sorted(weights.items()):
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """What a start was learned with."""
    return {"selfmend": version("selfmend"), "torch": version("torch"), "pixels": PIXELS_VERSION}


def today() -> str:
    """The day, ISO, UTC."""
    return datetime.now(UTC).date().isoformat()

"""Starts of `zssr`, the network that enlarges images: what is learned, and from what."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, get_args

import torch
from torch import nn

from il_models.meta.enlarging import ROUNDING, Shrinking, shrunk
from il_models.meta.maml import RATE, Inner, maml, starting_point
from il_models.meta.starting_point import StartingPoint
from il_models.meta.task import Tasks
from il_models.meta.training import Learned, Schedule
from il_models.networks.denoiser import Size
from il_models.networks.residual_stack import ResidualStack
from tasks.errors import RequestError, nearest
from tasks.learning.collection import held_apart
from tasks.learning.external import as_clean
from tasks.learning.material import Material
from tasks.learning.packaged import LICENCE, held_out_planes, packaged_planes
from tasks.learning.planes import SOFTEST, Plane, crops, resized, softened
from tasks.learning.reading import Source, read_units
from tasks.learning.subjects import Draw, Subject
from tasks.learning.zoom_trials import ADAPTED, SIDE, ZoomTrial, by_interpolation, by_scratch, by_start, zoom_trials
from tasks.registry.artifact import LearnedStart

CHANNELS = 1  # of the network: planes one by one
SPREAD = (1.0, 2.5)  # variances of kernels, the widest per factor: Soh, Cho and Cho, CVPR 2020
PLAIN, META = Inner(steps=0), Inner(steps=5, rate=0.1, first_order=True, annealed=0.2)
FACTORS = (2, 3, 4)
WAYS = ("zoom", "kernels", "mzsr", "mlsr")


@dataclass(frozen=True)
class Enlarging(Subject):
    """A start of `zssr` for a factor.

    zoom: plain training on the bicubic kernel. kernels: the same on Gaussians of all shapes. mzsr: from such a start,
    meta-learning over kernels (Soh, Cho and Cho, CVPR 2020). mlsr: over images alone, bicubic (Park et al., ECCV 2020).
    """

    way: str
    factor: int
    rough: ClassVar[float] = 0.9
    followed: ClassVar[int] = 2

    @property
    def shrinking(self) -> Shrinking:
        """What it sees of kernels."""
        lowest, per_factor = SPREAD if self.way in ("kernels", "mzsr") else (0.0, 0.0)
        return Shrinking(self.factor, lowest, per_factor * self.factor)

    @property
    def inner(self) -> Inner:
        """How weights are adapted to a task; K = 0: plain training."""
        return META if self.way in ("mzsr", "mlsr") else PLAIN

    @property
    def rate(self) -> float:  # type: ignore[override]
        """Of Adam."""
        return 4e-4 if self.inner.steps else 1e-3

    @property
    def fields(self) -> dict[str, str | int | float | bool]:
        """That of `zssr` by its defaults."""
        return {**ADAPTED.start_network, "channels": CHANNELS}

    @property
    def enlarges(self) -> int:
        """By its factor."""
        return self.factor

    @property
    def channels(self) -> int:
        """One: recipes set channels: separate."""
        return CHANNELS

    def network(self) -> nn.Module:
        """That of `zssr`."""
        return ResidualStack(CHANNELS, ADAPTED.width, ADAPTED.depth)

    def states(
        self, network: nn.Module, draw: Draw, schedule: Schedule, begun: Learned | None, every: int
    ) -> Iterator[Learned]:
        """On the CPU; leaves the network with the weights of each report."""
        method = replace(ADAPTED, projections=0)  # what is back-projected is no merit of the weights
        for learned in maml(network, draw, method, self.inner, schedule, begun, every):
            own = {name: value for name, value in learned.weights.items() if not name.startswith(RATE)}
            network.load_state_dict(own)
            yield learned

    def restored(self, network: nn.Module, learned: Learned) -> Any:
        """Adapted by the learned step sizes, or as it is after plain training."""
        weights = {name: value.detach() for name, value in network.named_parameters()}
        sizes = starting_point(learned, self.inner).sizes if self.inner.steps else {}
        return by_start(StartingPoint(weights, self.inner.steps, sizes))

    def referee(self, parent: LearnedStart | None) -> tuple[Any, str]:
        """Random weights with their full budget; of plain training, which only prepares, interpolation."""
        del parent
        return (by_scratch, "zssr fast") if self.inner.steps else (by_interpolation, "bicubic")

    def adaptation(self, learned: Learned) -> dict[str, Any] | None:
        """K and the step size of each tensor."""
        if not self.inner.steps:
            return None
        return {"steps": self.inner.steps, "sizes": starting_point(learned, self.inner).sizes}

    def told(self) -> dict[str, str | int | float]:
        """The way, and how tasks are adapted to."""
        tasks, side = self._crops
        told: dict[str, str | int | float] = {"way": self.way, "crops": tasks, "side": side, "softest": SOFTEST}
        if not self.inner.steps:
            return told
        inner = self.inner
        order = "first" if inner.first_order else "second"
        return told | {"inner steps": inner.steps, "inner rate": inner.rate, "order": order, "annealed": inner.annealed}

    def material(self, source: Source | None, every: int) -> Material:
        """What is learned from: the packaged pictures, or the images of a collection, as they are.

        Clean references where a collection has them; otherwise its inputs play the part of images that are fine enough.

        Raises:
            RequestError: there is nothing to learn from.
        """
        if source is None:
            planes, inputs = packaged_planes()
            names = held_out_planes()
            told = f"{', '.join(names)} of scikit-image, grey, the middle {SIDE} x {SIDE} px"
            trials = [trial for name, plane in names.items() for trial in zoom_trials(name, plane, self.shrinking)]
            return self._material(planes, trials, inputs, told, LICENCE, {})
        units, left_out = read_units(source if source.is_clean else as_clean(source))
        kept, held, told = held_apart(source, units, every)
        planes = [plane for unit in kept for seen in unit.planes for plane in resized(seen.plane)]
        if not planes:
            why = " ".join(left_out.values()) or "Its planes are smaller than 96 px."
            raise RequestError(f"Nothing can be learned from '{source.collection}'. {why}")
        trials = [
            trial
            for unit in held or kept
            for size in resized(unit.planes[0].plane)[:1]
            for trial in zoom_trials(unit.name, size, self.shrinking)
        ]
        origins = [unit.origin for unit in kept]
        return self._material(planes, trials, origins, told, source.facts.licence or "not stated", left_out)

    def _material(
        self,
        planes: list[Plane],
        trials: Sequence[ZoomTrial],
        inputs: Sequence[Any],
        told: str,
        licence: str,
        left_out: dict[str, str],
    ) -> Material:
        words = "range of the input to [0, 1]"
        level = ROUNDING / 12**0.5
        spread = {name: float(value) for name, value in asdict(self.shrinking).items()}
        return Material(
            self._drawer(planes), tuple(trials), tuple(inputs), told, words, licence, (level, level), spread, left_out
        )

    @property
    def _crops(self) -> tuple[int, int]:
        """Crops of a step, and their side: meta-learning shrinks them twice."""
        side = 48 * self.factor if self.inner.steps else 64
        return (2, side) if self.inner.steps else (4, side // self.factor * self.factor)

    def _drawer(self, planes: list[Plane]) -> Callable[[torch.Generator], Tasks]:
        count, side = self._crops
        large = [plane for plane in planes if min(plane.shape) >= side]

        def draw(random: torch.Generator) -> Tasks:
            return shrunk(softened(crops(large, count, side, random), random), self.shrinking, random)

        return draw


def enlarging(what: str) -> Enlarging:
    """What a name such as mzsr or mzsr-x3 stands for.

    Raises:
        RequestError: nothing.
    """
    found = re.fullmatch(r"(\w+?)(?:-x(\d+))?", what)
    way, factor = (found[1], int(found[2] or FACTORS[0])) if found else (what, FACTORS[0])
    if way not in WAYS or factor not in FACTORS:
        sizes = get_args(Size)
        raise RequestError(
            f"--what {what} is not known; known: {', '.join(sizes)}, a shared denoiser; {', '.join(WAYS)}, a start of "
            f"zssr for x2, or followed by -x3 or -x4.{nearest(way, (*sizes, *WAYS))}"
        )
    return Enlarging(way, factor)

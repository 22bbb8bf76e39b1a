"""What can be learned: the shared denoiser, or a start of the network that enlarges images."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from il_models.meta.corruption import Corrupted
from il_models.meta.joint import joint
from il_models.meta.training import Learned, Schedule
from il_models.networks.denoiser import SharedDenoiser, Size
from tasks.learning.collection import collection_material
from tasks.learning.material import CROPS, SIDE, Material
from tasks.learning.packaged import packaged_material
from tasks.learning.reading import Source
from tasks.learning.trials import by_network, by_nlm
from tasks.registry.artifact import LearnedStart

Draw = Callable[[int], Any]  # what a step learns from, by its number


class Subject(ABC):
    """What a lesson teaches.

    rate, rough: as Schedule has them. followed: trials at most behind a point of the curve, so that it costs little.
    """

    rate: ClassVar[float] = 1e-3
    rough: ClassVar[float] = 0.75
    followed: ClassVar[int] = 24

    @property
    def device(self) -> torch.device:
        """Where it is learned."""
        return torch.device("cpu")

    @property
    @abstractmethod
    def fields(self) -> dict[str, str | int | float | bool]:
        """Kind and fields of the network, as a card has them."""

    @property
    def enlarges(self) -> int | None:
        """The factor that it is learned for; None: it enlarges nothing."""
        return None

    @property
    @abstractmethod
    def channels(self) -> Any:
        """Of an image that it restores, as a card has them."""

    @abstractmethod
    def network(self) -> nn.Module:
        """The network, with random weights from torch's global state."""

    @abstractmethod
    def material(self, source: Source | None, every: int) -> Material:
        """What is learned from: a collection, of which one of so many inputs is held out, or the packaged pictures.

        Raises:
            RequestError: there is nothing.
        """

    @abstractmethod
    def states(
        self, network: nn.Module, draw: Draw, schedule: Schedule, begun: Learned | None, every: int
    ) -> Iterator[Learned]:
        """Take the steps that are left; a report every so many."""

    @abstractmethod
    def restored(self, network: nn.Module, learned: Learned) -> Any:
        """What the network makes of trials, as training stands."""

    @abstractmethod
    def referee(self, parent: LearnedStart | None) -> tuple[Any, str]:
        """Whom a candidate is held against, and its name."""

    def adaptation(self, learned: Learned) -> dict[str, Any] | None:
        """Steps and step sizes that suit the start, where they were learned."""
        del learned
        return None

    @abstractmethod
    def told(self) -> dict[str, str | int | float]:
        """What decides the weights beside steps, rate and seed, for the card."""


@dataclass(frozen=True)
class Denoising(Subject):
    """The shared denoiser, by plain training on crops with noise."""

    size: Size

    @property
    def device(self) -> torch.device:
        """A GPU where there is one."""
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def fields(self) -> dict[str, str | int | float | bool]:
        """Its size."""
        return {"kind": SharedDenoiser.__name__, "size": self.size}

    @property
    def channels(self) -> str:
        """Any number, for planes go through it one by one."""
        return "any"

    def network(self) -> SharedDenoiser:
        """The shared denoiser of this size."""
        return SharedDenoiser(self.size)

    def material(self, source: Source | None, every: int) -> Material:
        """Clean crops that get noise, or noisy ones that are recorrupted."""
        return packaged_material() if source is None else collection_material(source, every)

    def states(
        self, network: nn.Module, draw: Draw, schedule: Schedule, begun: Learned | None, every: int
    ) -> Iterator[Learned]:
        """Changes the network in place; on its device."""
        device = next(network.parameters()).device

        def sample(step: int) -> Corrupted:
            drawn = draw(step)
            return Corrupted(
                y=drawn.y.to(device),
                target=drawn.target.to(device),
                sigma=drawn.sigma.to(device),
                correlation=drawn.correlation.to(device),
            )

        return joint(network, sample, schedule, _moved(begun, device), every=every)

    def restored(self, network: nn.Module, learned: Learned) -> Any:
        """By one pass."""
        del learned
        return by_network(network)

    def told(self) -> dict[str, str | int | float]:
        """The crops of a step."""
        return {"crops": CROPS, "side": SIDE}

    def referee(self, parent: LearnedStart | None) -> tuple[Any, str]:
        """The parent, or the classical control where it has none."""
        if parent is None:
            return by_nlm, "nlm"
        network = SharedDenoiser(self.size)
        network.load_state_dict(parent.weights)
        return by_network(network), parent.card.id


def _moved(begun: Learned | None, device: torch.device) -> Learned | None:
    """A state on the device of the network, but for Adam's count of steps, which stays on the CPU."""
    if begun is None:
        return None
    moments = {name: value if name.endswith(".step") else value.to(device) for name, value in begun.moments.items()}
    weights: dict[str, Tensor] = {name: value.to(device) for name, value in begun.weights.items()}
    return replace(begun, weights=weights, moments=moments)

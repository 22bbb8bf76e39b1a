"""What a restoration method must say."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from il_models.average import Average
from il_models.degradations import Degradation, Identity
from il_models.draw import Draw
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.stopper import Stopper


@dataclass(frozen=True, kw_only=True)
class Method(ABC):
    """A frozen set of hyper-parameters. Its file in il_models/methods is its registration, its name the file's name."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    name: ClassVar[str]
    summary: ClassVar[str]  # one line for `selfmend methods`
    source: ClassVar[str]  # paper, licence notes
    serves: ClassVar[tuple[type[Degradation], ...]] = (Identity,)  # the degradations that it inverts
    stabilises: ClassVar[bool] = True  # wants signal-dependent noise stabilised to unit variance first
    assumes_white_noise: ClassVar[bool] = False
    needs_noise_level: ClassVar[bool] = False  # it takes sigma from the problem, and can do nothing where that is 0
    needs_start: ClassVar[bool] = False  # its network is worth nothing until it was learned elsewhere
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # fields by the name of a preset, such as "fast"
    preset_starts: ClassVar[Mapping[str, str]] = {}  # of presets that go on from a learned start, its name
    multiple: ClassVar[int] = 1  # sides of a tile must be a multiple of this; tasks/problems.py pads by reflection

    @property
    @abstractmethod
    def reach(self) -> int | None:
        """How many pixels away an input pixel can change an output pixel; None: the whole tile."""

    @abstractmethod
    def work(self, pixels: int, channels: int) -> float:
        """Rough multiply-adds to restore one tile of so many pixels. Fixes the size of lots, so never measured."""

    def enlarging(self, factor: int) -> "Method":
        """The method for images so many times as fine as what was measured by plain shrinking."""
        del factor
        return self


@dataclass(frozen=True, kw_only=True)
class Direct(Method):
    """A method without a fit: identity, and the classical controls."""

    @abstractmethod
    def estimate(self, problem: Problem) -> Float[Tensor, "b c *s"]:
        """The image of each tile, in the units of problem.y."""


@dataclass(frozen=True, kw_only=True)
class Fitted(Method):
    """A method that fits one network per tile. Written for a batch; nothing in it may look at two tiles at once."""

    fits_measurement: ClassVar[bool] = True  # whether a loss asks for y, so that weights may learn its noise by heart
    reads_measurement: ClassVar[bool] = True  # whether `estimate` feeds y to the networks; if not, see `withheld`

    steps: int
    rate: float

    def __post_init__(self) -> None:
        """Refuse numbers that no fit can use."""
        if self.steps < 0 or self.rate <= 0:
            raise ValueError(f"steps = {self.steps} and rate = {self.rate}: steps must be 0 or more, the rate above 0.")

    @property
    def can_share(self) -> bool:
        """Whether one network can serve all tiles of an input (see `on_input`)."""
        return type(self).on_input is not Fitted.on_input

    @property
    def start_network(self) -> Mapping[str, str | int] | None:
        """Kind and fields of the network that a learned start must be of; None: the method begins at random weights."""
        return None

    @property
    def average(self) -> Average | None:
        """How estimates along the fit are averaged; None: a tile gets one of them, the last or the best."""
        return None

    @property
    def weight_average(self) -> float:
        """What the exponential mean of the weights keeps of itself at each step; its networks make the estimates.

        0: the weights of the last step do. Where the rate does not fall these wander from step to step, and their mean
        does not (Polyak and Juditsky, SIAM J. Control Optim. 1992).
        """
        return 0.0

    def from_scratch(self) -> "Fitted | None":
        """What restores a tile that a learned start does not suit, from random weights; None: the start is kept."""
        return None

    @property
    def stopper(self) -> Stopper | None:
        """What ends a tile early unless the recipe says otherwise; None: its steps alone."""
        return None

    @property
    def withheld(self) -> float:
        """Share of the measured pixels that are kept from the fit, so that its risk can be told from them.

        A method whose networks do not read the measurement has no other risk: nothing in it answers to a probe.
        """
        return 0.0

    @abstractmethod
    def network(self, problem: Problem) -> nn.Module:
        """The network of ONE tile: takes (n, c, *s), returns (n, d, *s). Initialised from torch's global state."""

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """Inputs that stay fixed during the fit but for `carried_on`; each leaf starts with the tile axis b."""
        del problem, draw
        return {}

    @abstractmethod
    def loss(
        self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int
    ) -> Float[Tensor, " b"]:
        """One number per tile. No `.item()`, nothing random but through `draw`, masked pixels take no part."""

    @abstractmethod
    def estimate(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> Float[Tensor, "b c *s"]:
        """The image of each tile, in the units of problem.y."""

    def spread(
        self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw
    ) -> Float[Tensor, "b c *s"] | None:
        """Standard deviation of the estimate per pixel, in the units of problem.y, where the method knows one."""
        del nets, inputs, problem, draw
        return None

    def after_step(self, nets: Nets, draw: Draw, step: int) -> None:
        """Changes the weights in place after the update of a step (Langevin noise). Gradients are off."""
        del nets, draw, step

    def carried_on(
        self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int
    ) -> dict[str, Tensor]:
        """The inputs of the next step: what an outer iteration moves between updates (ADMM). Gradients are off."""
        del nets, problem, draw, step
        return inputs

    def is_tuned(self, name: str) -> bool:
        """Whether the fit moves the weight of this name; the others stay as they began."""
        del name
        return True

    def rate_at(self, step: int) -> float:
        """Learning rate of a step; `step` counts from 0."""
        del step
        return self.rate

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """Adam, whose arithmetic is elementwise: no tile's step sees another's gradient."""
        return torch.optim.Adam(weights, lr=self.rate)

    def on_input(self) -> "Fitted":
        """The method for fitting one network to a whole input, on random crops of it."""
        raise NotImplementedError(f"{self.name} cannot share a network between tiles; use scope: tile.")

    def own_steps(self, steps: int) -> "Fitted":
        """The method for so many steps of one tile from a start that fits already: whole tile, gentle rate."""
        raise NotImplementedError(f"{self.name} cannot go on from a start; use scope: tile.")

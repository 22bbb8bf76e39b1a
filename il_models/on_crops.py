"""What methods have in common that fit a network of short reach on random crops of a tile, or of a whole input."""

from abc import ABC
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from il_models.crops import counted, crop_sides, cut, random_corners
from il_models.draw import Draw
from il_models.method import Fitted
from il_models.problem import Problem
from il_models.schedules import cosine

Decay = Literal["cosine", "halving", "none"]


@dataclass(frozen=True, kw_only=True)
class OnCrops(Fitted, ABC):
    """A method whose steps see one crop of each tile. Small crops at a high rate save nine tenths of the arithmetic."""

    crop: int = 0  # side of the random crop of a step, even; 0: the whole tile
    squares: float = 0.999  # Adam's memory of squared gradients; 0.95 bears a higher rate
    decay: Decay = "cosine"  # of the rate along the steps; halving: by each fifth of them
    last_rate: float = 1e-5  # where the cosine ends; without decay the mean drifts by grey levels
    own_rate: float = 1e-3  # for own steps from a start
    views: Literal[1, 8] = 1  # flips and turns averaged in the estimate

    def optimiser(self, weights: list[Tensor]) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(weights, lr=self.rate, betas=(0.9, self.squares))

    def rate_at(self, step: int) -> float:
        """A cosine down to `last_rate`, or halved by each fifth of the steps, or the same all along."""
        if self.decay == "cosine":
            return cosine(step, self.steps, self.rate, self.last_rate)
        return self.rate * 0.5 ** (5 * step // max(1, self.steps)) if self.decay == "halving" else self.rate

    def prepare(self, problem: Problem, draw: Draw) -> dict[str, Tensor]:
        """How many pixels were measured above and left of each, to know it of any crop."""
        del draw
        return {"measured": counted(problem.mask)} if crop_sides(problem, self.crop) else {}

    def on_input(self) -> "OnCrops":
        """Random crops of it, and a cosine: an undecayed rate leaves the mean off by grey levels."""
        return replace(self, decay="cosine", crop=self.crop or 64)

    def own_steps(self, steps: int) -> "OnCrops":
        """Cosine from a rate that does not undo the start."""
        return replace(self, steps=steps, rate=self.own_rate, decay="cosine")

    def seen(self, pixels: int) -> int:
        """How many of a tile's pixels one step sees."""
        return min(pixels, self.crop**2) if self.crop else pixels

    def sample(self, planes: list[Tensor], inputs: dict[str, Tensor], problem: Problem, draw: Draw) -> list[Tensor]:
        """The same crop of each stack of planes (b, c, h, w): what a step sees of them."""
        sides = crop_sides(problem, self.crop)
        if sides is None:
            return planes
        corners = random_corners(inputs["measured"], draw, *sides)
        return [cut(plane, *corners, *sides) for plane in planes]

"""The problem of a batch of tiles: recover x from y = A x + noise."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from il_models.degradations import Degradation
from il_models.noise import Noise


@dataclass(frozen=True)
class Problem:
    """b tiles that are fitted together, each on its own.

    y: measurements in problem units (stabilised and scaled, see tasks/problems.py), invalid pixels filled.
    A: the degradation. noise: in the units of y. mask: True where a pixel was measured, one plane for all channels.
    seeds: one per tile, from (run seed, collection, input, tile), so that a retry draws the same numbers.
    """

    y: Float[Tensor, "b c *s"]
    A: Degradation
    noise: Noise
    mask: Bool[Tensor, "b 1 *s"]
    seeds: Int64[Tensor, " b"]

    @property
    def b(self) -> int:
        """Number of tiles."""
        return self.y.shape[0]

    @property
    def channels(self) -> int:
        """Number of channels or bands."""
        return self.y.shape[1]

    def take(self, index: Tensor) -> "Problem":
        """The same problem for some of the tiles; index is a 1-D tensor of tile numbers or a boolean mask."""
        return Problem(
            self.y[index],
            self.A.take(index),
            self.noise.take(index),
            self.mask[index],
            self.seeds[index.to(self.seeds.device)],
        )

    def to(self, device: torch.device) -> "Problem":
        """The problem on a device."""
        return Problem(
            self.y.to(device), self.A.to(device), self.noise.to(device), self.mask.to(device), self.seeds.to(device)
        )

    def fallback(self) -> Float[Tensor, "b c *s"]:
        """What a tile gets when its fit failed: no noise in it is larger than measured. For A = I the measurement."""
        return self.A.guess(self.y)

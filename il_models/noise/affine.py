"""Data as they are: around methods that invert a degradation, which no transform may bend."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.noise.model import Noise


@dataclass(frozen=True)
class Affine:
    """No transform of b tiles. Where the noise depends on the image it still does, and the method is told how.

    raw: the noise of the data, in data units.
    """

    raw: Noise

    def forward(self, y: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """The same."""
        return y

    def backward(self, d: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """The same."""
        return d

    def steepness(self, d: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """1 everywhere."""
        return torch.ones_like(d)

    def noise(
        self, offset: Float[Tensor, "b c"], scale: Float[Tensor, "b c"], correlation: Float[Tensor, "b 2"]
    ) -> Noise:
        """The noise of (y - offset) / scale."""
        return Noise(self.raw.gain / scale, (self.raw.gain * offset + self.raw.variance) / scale**2, correlation)

    def take(self, index: Tensor) -> "Affine":
        """That of some of the tiles."""
        return Affine(self.raw.take(index))

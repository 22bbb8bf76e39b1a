"""Transforms around a method, so that it sees noise that is the same everywhere: what they do, and the one for photons.

The one for speckle is in speckle.py.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.noise.anscombe import inverse_stabilised, stabilised
from il_models.noise.few_photons import StabilisedNoise
from il_models.noise.model import Noise


class Stabiliser(Protocol):
    """A frozen transform of b tiles, from data units to units in which the noise does not depend on the image."""

    def forward(self, y: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """Measurements, pixel by pixel."""
        ...

    def backward(self, d: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """The image in data units, from an estimate of E[forward(y)]."""
        ...

    def steepness(self, d: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """By how much each pixel of the image changes with its own d."""
        ...

    def noise(
        self, offset: Float[Tensor, "b c"], scale: Float[Tensor, "b c"], correlation: Float[Tensor, "b 2"]
    ) -> Noise:
        """The noise of (forward(y) - offset) / scale."""
        ...

    def take(self, index: Tensor) -> "Stabiliser":
        """That of some of the tiles."""
        ...


@dataclass(frozen=True)
class Anscombe:
    """The generalised Anscombe transform of b tiles; see anscombe.py.

    raw: the noise of the data where it is stabilised; gain 0 and variance 1 where it is not, which leaves values alone.
    variance: that is left behind the transform, 1 where it is stabilised.
    """

    raw: Noise
    variance: Float[Tensor, "b c"]

    def forward(self, y: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """Stabilised measurements."""
        return stabilised(y, self.raw)

    def backward(self, d: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """The image, by the exact unbiased inverse."""
        return inverse_stabilised(d, self.raw)

    def steepness(self, d: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """The derivative of that inverse."""
        return torch.func.jvp(self.backward, (d,), (torch.ones_like(d),))[1]

    def noise(
        self, offset: Float[Tensor, "b c"], scale: Float[Tensor, "b c"], correlation: Float[Tensor, "b 2"]
    ) -> StabilisedNoise:
        """The noise of (forward(y) - offset) / scale."""
        return StabilisedNoise(torch.zeros_like(scale), self.variance / scale**2, correlation, self.raw, offset, scale)

    def take(self, index: Tensor) -> "Anscombe":
        """That of some of the tiles."""
        return Anscombe(self.raw.take(index), self.variance[index])

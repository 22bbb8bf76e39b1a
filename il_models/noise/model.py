"""The noise of b tiles: variance affine in the image, and a colour."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Noise:
    """Noise of b tiles whose variance is affine in the image: Var[y | x] = gain x + variance.

    gain = 0 is Gaussian noise of standard deviation sqrt(variance). Photon noise has gain > 0, and a camera's offset
    and read noise meet in the one number variance = read_noise^2 - gain * offset, which may be negative.
    All in the units of the data that the noise belongs to.
    """

    gain: Float[Tensor, "b c"]
    variance: Float[Tensor, "b c"]
    correlation: Float[Tensor, "b 2"]  # lag-1 correlation along y and along x; 0 for white noise

    @property
    def colour(self) -> Float[Tensor, " b"]:
        """How far the noise is from white: its correlation along y or x, whichever is of larger magnitude."""
        return self.correlation.gather(1, self.correlation.abs().argmax(1, keepdim=True))[:, 0]

    def sigma(self, x: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """Standard deviation of the noise at image values x, in the units of x."""
        return self.nominal(x)

    def nominal(self, x: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"]:
        """The same by the affine model alone, whatever else is known."""
        shape = (*self.gain.shape, *[1] * (x.ndim - 2))
        return torch.sqrt((self.gain.reshape(shape) * x + self.variance.reshape(shape)).clamp(min=1e-12))

    def importance(self, x: Float[Tensor, "b c *s"]) -> Float[Tensor, "b c *s"] | None:
        """How much a squared error in x counts in the image that a person gets, by a factor; None: everywhere alike."""
        del x
        return None

    def take(self, index: Tensor) -> "Noise":
        """The noise of some of the tiles."""
        return Noise(self.gain[index], self.variance[index], self.correlation[index])

    def to(self, device: torch.device) -> "Noise":
        """The noise on a device."""
        return Noise(self.gain.to(device), self.variance.to(device), self.correlation.to(device))


def is_signal_dependent(gain: float, variance: float, low: float, high: float, ratio: float = 1.5) -> bool:
    """Whether the noise differs so much between dark and bright that it should be stabilised.

    Args:
        gain, variance: Var = gain x + variance, in data units.
        low, high: intensities of the 1 % and the 99 % quantile of the data.
        ratio: of the two variances, above which noise counts as signal-dependent. At 1.5 a constant sigma would be
            wrong by 10 % at either end, about what a blind estimate is wrong by anyway.
    """
    dark, bright = gain * low + variance, gain * high + variance
    return gain > 0 and bright > ratio * max(dark, 0.0)

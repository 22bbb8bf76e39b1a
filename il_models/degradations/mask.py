"""A = looking at some pixels only: gaps, clouds, dead pixels, lines that were lost."""

from dataclasses import dataclass

import torch
from jaxtyping import Bool
from torch import Tensor

from il_models.degradations.base import Degradation
from il_models.interpolation import interpolated


@dataclass(frozen=True)
class Mask(Degradation):
    """y = measured * x: the image where it was measured, and 0 elsewhere.

    Every problem has a mask, whose other pixels no method looks at; this says that they are wanted as well. Measured
    pixels are pixels of the image, so that all that is known of their noise and their risk holds as it is.

    measured: (b, 1, h, w), True where a pixel was measured.
    """

    measured: Bool[Tensor, "b 1 h w"]

    @property
    def keeps_values(self) -> bool:
        """A measured pixel is a pixel of the image."""
        return True

    def __call__(self, x: Tensor) -> Tensor:
        """y = measured * x."""
        return torch.where(self.measured, x, torch.zeros_like(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y = A y."""
        return self(y)

    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """A+ y = A y / (1 + damp)."""
        return self(y) / (1 + damp)

    def guess(self, y: Tensor) -> Tensor:
        """The measurement, and a smooth surface between its pixels."""
        return interpolated(y, self.measured)

    def image_size(self, measured: tuple[int, ...]) -> tuple[int, ...]:
        """The same size."""
        return measured

    def take(self, index: Tensor) -> "Mask":
        """The masks of some of the tiles."""
        return Mask(self.measured[index])

    def to(self, device: torch.device) -> "Mask":
        """The masks on a device."""
        return Mask(self.measured.to(device))

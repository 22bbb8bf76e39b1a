"""A = shrinking by a whole factor with a kernel that lets nothing alias."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.degradations.base import Degradation
from il_models.resampling import Kernel, resampling, resampling_adjoint, resized

RANK = 1e-10  # singular values below this share of the largest count as 0


@dataclass(frozen=True)
class Downsample(Degradation):
    """Each measured pixel is a weighted mean around its place, and lies in the middle of factor x factor image pixels.

    bicubic: MATLAB's imresize(x, 1 / factor), the "ideal" degradation of super-resolution's literature. average: the
    mean of the pixels that a measured one covers, as a detector with larger pixels. Measurement and image have the same
    borders (grid `centre`), so the image's pixel (i, j) lies at ((i + 1/2) / factor - 1/2) of the measurement. Turns
    and flips commute with it. Beyond its border the image is its own reflection.

    Raises:
        ValueError: a factor below 1, or an image whose sides the factor does not divide.
    """

    factor: int
    kernel: Kernel = "bicubic"

    def __post_init__(self) -> None:
        """Refuse what does not shrink."""
        if self.factor < 1:
            raise ValueError(f"A factor of {self.factor}: an image is shrunk by a whole number of 1 or more.")

    @property
    def turns(self) -> bool:
        """Whether turning and flipping the image turns and flips the measurement."""
        return True

    def __call__(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h / factor, w / factor)."""
        return resized(x, self.measured_size(tuple(x.shape[-2:])), 1 / self.factor, self.kernel)

    def adjoint(self, y: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, factor h, factor w)."""
        for axis in (-2, -1):
            side = y.shape[axis]
            y = resampling_adjoint(side * self.factor, side, 1 / self.factor, self.kernel)(y, axis)
        return y

    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """A^T (A A^T + damp)^-1 y, in closed form by the singular values of both axes.

        With damp = 0 it agrees with y exactly and makes noise larger; `guess` does neither.
        """
        (u, s, v), (p, r, q) = (_decomposed(side, self.factor, self.kernel) for side in y.shape[-2:])
        product = (s[:, None] * r).to(y)
        gain = product / (product**2 + damp)
        gain = torch.where(product > RANK * product.max(), gain, torch.zeros_like(gain))
        return v.to(y) @ ((u.T.to(y) @ y @ p.to(y)) * gain) @ q.T.to(y)

    def guess(self, y: Tensor) -> Tensor:
        """Bicubic interpolation onto the grid of the image."""
        return resized(y, self.image_size(tuple(y.shape[-2:])), float(self.factor))

    def image_size(self, measured: tuple[int, ...]) -> tuple[int, int]:
        """`factor` times the sides."""
        return measured[0] * self.factor, measured[1] * self.factor

    def measured_size(self, image: tuple[int, ...]) -> tuple[int, int]:
        """The sides of the measurement of an image of these sides."""
        if any(side % self.factor for side in image):
            raise ValueError(
                f"An image of {image[0]} x {image[1]} px, factor of {self.factor}: it must divide both "
                "sides. Crop the image."
            )
        return image[0] // self.factor, image[1] // self.factor


@lru_cache(maxsize=64)
def _decomposed(
    side: int, factor: int, kernel: Kernel
) -> tuple[Float[Tensor, "m m"], Float[Tensor, " m"], Float[Tensor, "n m"]]:
    """Singular vectors and values of the shrinking along one axis, for a measurement of this side."""
    matrix = resampling(side * factor, side, 1 / factor, kernel).matrix(side * factor)
    u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    return u, s, vh.T

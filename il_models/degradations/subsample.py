"""A = convolution with a kernel, of which every so-manieth pixel is kept."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from il_models.degradations.base import Degradation
from il_models.degradations.solving import conjugate_gradients
from il_models.resampling import Grid, reflection, reflection_adjoint, resized

ITERATIONS, EXACT = 1000, 1e-9  # of the pseudo-inverse


@dataclass(frozen=True)
class Subsample(Degradation):
    """y[i] = sum_u kernel[u] x[factor i + o - u]: "direct" subsampling with a known kernel, which may alias.

    On the grid `centre` a measured pixel lies in the middle of factor x factor image pixels, so the kernel's sides are
    as even or odd as the factor; on the grid `corner` it lies on the first of them, and the kernel's sides are odd. One
    grid taken for the other shifts the image by (factor - 1) / 2 of its pixels. Beyond its border the image is its own
    reflection.

    kernel: (b or 1, c or 1, k, l), sum 1, a PSF sampled on the grid of the image, its middle in the middle.

    Raises:
        ValueError: kernel and grid contradict each other, or the factor does not divide the sides of an image.
    """

    kernel: Float[Tensor, "b c k l"]
    factor: int
    grid: Grid = "centre"

    def __post_init__(self) -> None:
        """Refuse a kernel that has no middle on this grid."""
        sides = tuple(self.kernel.shape[2:])
        if self.factor < 1 or self.kernel.ndim != 4 or not bool(self.kernel.isfinite().all()):
            raise ValueError(
                f"A kernel of shape {tuple(self.kernel.shape)} and a factor of {self.factor}: expected numbers of "
                "shape (tiles, channels, height, width) and a whole factor of 1 or more."
            )
        parity = self.factor % 2 if self.grid == "centre" else 1
        if any(side % 2 != parity for side in sides):
            raise ValueError(
                f"A kernel of {sides[0]} x {sides[1]} on the grid {self.grid} with a factor of {self.factor}: its "
                f"middle would lie half a pixel beside the measured one. Expected {'odd' if parity else 'even'} sides; "
                "choose the other grid if the kernel was sampled on that, or resample it."
            )

    @property
    def turns(self) -> bool:
        """Whether turning and flipping the image turns and flips the measurement."""
        return False

    def __call__(self, x: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h / factor, w / factor)."""
        if any(side % self.factor for side in x.shape[-2:]):
            raise ValueError(
                f"An image of {x.shape[-2]} x {x.shape[-1]} px, a factor of {self.factor}: the factor must divide both "
                "sides. Crop the image."
            )
        for axis in (-2, -1):
            x = reflection(x.shape[axis], *self._margins(axis))(x, axis)
        b, c, height, width = x.shape
        flat = x.reshape(1, b * c, height, width)
        seen = functional.conv2d(flat, self._each(b, c, x), stride=self.factor, groups=b * c)
        return seen.unflatten(1, (b, c))[0]

    def adjoint(self, y: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, factor h, factor w)."""
        b, c, height, width = y.shape
        flat = y.reshape(1, b * c, height, width)
        spread = functional.conv_transpose2d(flat, self._each(b, c, y), stride=self.factor, groups=b * c)
        x = spread.unflatten(1, (b, c))[0]
        for axis, side in zip((-2, -1), self.image_size((height, width)), strict=True):
            before, after = self._margins(axis)
            missing = side + before + after - x.shape[axis]
            x = functional.pad(x, (0, missing) if axis == -1 else (0, 0, 0, missing))
            x = reflection_adjoint(side, before, after)(x, axis)
        return x

    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """A^T (A A^T + damp)^-1 y, by conjugate gradients."""
        inner = conjugate_gradients(
            lambda v: self(self.adjoint(v)) + damp * v, y, torch.zeros_like(y), ITERATIONS, EXACT
        )
        return self.adjoint(inner)

    def guess(self, y: Tensor) -> Tensor:
        """Bicubic interpolation onto the grid of the image."""
        return resized(y, self.image_size(tuple(y.shape[-2:])), float(self.factor), grid=self.grid)

    def image_size(self, measured: tuple[int, ...]) -> tuple[int, int]:
        """`factor` times the sides."""
        return measured[0] * self.factor, measured[1] * self.factor

    def take(self, index: Tensor) -> "Subsample":
        """The kernels of some of the tiles."""
        return self if len(self.kernel) == 1 else Subsample(self.kernel[index], self.factor, self.grid)

    def to(self, device: torch.device) -> "Subsample":
        """The kernels on a device."""
        return Subsample(self.kernel.to(device), self.factor, self.grid)

    def _margins(self, axis: int) -> tuple[int, int]:
        """By how much the image is reflected before and after: what the first and the last kept pixel see."""
        side, cell = self.kernel.shape[axis], self.factor
        before = (side - cell) // 2 if self.grid == "centre" else side // 2
        return max(0, before), max(0, side - cell - before)

    def _each(self, b: int, c: int, like: Tensor) -> Tensor:
        """The kernels as the weights of a correlation, no smaller than a cell."""
        low = [max(0, self.factor - side) for side in self.kernel.shape[2:]]
        first = [gap // 2 if self.grid == "centre" else 0 for gap in low]
        turned = functional.pad(
            self.kernel.flip(-1, -2).to(like), (first[1], low[1] - first[1], first[0], low[0] - first[0])
        )
        return turned.expand(b, c, *turned.shape[2:]).reshape(b * c, 1, *turned.shape[2:])

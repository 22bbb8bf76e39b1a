"""A = convolution with a PSF, of which only what lies wholly inside the image is measured."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from il_models.degradations.base import Degradation
from il_models.degradations.solving import conjugate_gradients

DIRECT = 9  # px; wider PSFs are applied in the frequency domain
ITERATIONS, EXACT = 1000, 1e-9  # of the pseudo-inverse


@dataclass(frozen=True)
class Blur(Degradation):
    """y = psf * x, a *valid* convolution: the image reaches beyond the measurement by half a PSF on every side.

    So nothing is said of what lies around a tile, and nothing wraps around: pixels beyond the border are unknowns like
    all others, seen by the light that they send in.

    psf: (b or 1, c or 1, k, l), odd sides, centred on the middle pixel, sum 1 to keep flux; the same for all tiles or
        channels where that axis is 1.

    Raises:
        ValueError: even sides, or a PSF that is no number somewhere.
    """

    psf: Float[Tensor, "b c k l"]

    def __post_init__(self) -> None:
        """Refuse what is no PSF."""
        if self.psf.ndim != 4 or not all(side % 2 for side in self.psf.shape[2:]):
            raise ValueError(
                f"A PSF of shape {tuple(self.psf.shape)}: expected (tiles, channels, height, width) with odd height "
                "and width, so that it has a middle pixel. Pad it by a row or column of zeros."
            )
        if not bool(self.psf.isfinite().all()):
            raise ValueError("The PSF holds values that are no numbers.")

    @property
    def border(self) -> tuple[int, int]:
        """By how many pixels the image reaches beyond the measurement: above as below, left as right."""
        return self.psf.shape[-2] // 2, self.psf.shape[-1] // 2

    def __call__(self, x: Tensor) -> Tensor:
        """(b, c, h + k - 1, w + l - 1) -> (b, c, h, w)."""
        if max(self.psf.shape[2:]) <= DIRECT:
            return self._direct(x, self.psf.flip(-1, -2))
        size = x.shape[-2:]
        seen = torch.fft.irfft2(torch.fft.rfft2(x) * torch.fft.rfft2(self.psf, s=size), s=size)
        return seen[..., self.psf.shape[-2] - 1 :, self.psf.shape[-1] - 1 :]

    def adjoint(self, y: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, h + k - 1, w + l - 1)."""
        down, across = self.psf.shape[-2] - 1, self.psf.shape[-1] - 1
        if max(self.psf.shape[2:]) <= DIRECT:
            return self._direct(functional.pad(y, (across, across, down, down)), self.psf)
        size = (y.shape[-2] + down, y.shape[-1] + across)
        padded = functional.pad(y, (across, 0, down, 0))
        return torch.fft.irfft2(torch.fft.rfft2(padded) * torch.fft.rfft2(self.psf, s=size).conj(), s=size)

    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """A^T (A A^T + damp)^-1 y, by conjugate gradients.

        With damp = 0 noise comes back as large as the PSF was broad: see `guess`.
        """
        inner = conjugate_gradients(
            lambda v: self(self.adjoint(v)) + damp * v, y, torch.zeros_like(y), ITERATIONS, EXACT
        )
        return self.adjoint(inner)

    def guess(self, y: Tensor) -> Tensor:
        """The measurement, its border repeated outwards."""
        down, across = self.border
        return functional.pad(y, (across, across, down, down), mode="replicate")

    def image_size(self, measured: tuple[int, ...]) -> tuple[int, ...]:
        """Larger by the sides of the PSF less one."""
        return measured[0] + self.psf.shape[-2] - 1, measured[1] + self.psf.shape[-1] - 1

    def take(self, index: Tensor) -> "Blur":
        """The PSFs of some of the tiles."""
        return self if len(self.psf) == 1 else Blur(self.psf[index])

    def to(self, device: torch.device) -> "Blur":
        """The PSFs on a device."""
        return Blur(self.psf.to(device))

    def _direct(self, x: Tensor, weights: Tensor) -> Tensor:
        """Valid correlation of each plane with its weights."""
        b, c, height, width = x.shape
        each = weights.expand(b, c, *weights.shape[2:]).reshape(b * c, 1, *weights.shape[2:])
        return functional.conv2d(x.reshape(1, b * c, height, width), each, groups=b * c).unflatten(1, (b, c))[0]


def gaussian_psf(width: float, axes: tuple[float, float] = (1.0, 1.0)) -> Float[Tensor, "1 1 k l"]:
    """A Gaussian of a full width at half maximum, in px, times a factor along y and along x; sum 1.

    Integrated over pixels, so that narrow ones keep their width; cut off where it falls below a thousandth.
    """
    planes = []
    for factor in axes:
        sigma = max(factor * width / 2.3548, 1e-3)
        half = max(1, round(3.7 * sigma + 0.5))
        edges = torch.arange(-half, half + 2, dtype=torch.float64) - 0.5
        planes.append(torch.special.erf(edges / (sigma * 2**0.5)).diff() / 2)
    psf = planes[0][:, None] * planes[1][None, :]
    return (psf / psf.sum()).float()[None, None]

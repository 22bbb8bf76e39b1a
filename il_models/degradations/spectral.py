"""A = mixing bands: what a detector of another spectral response, such as a panchromatic one, sees of a pixel."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.degradations.base import Degradation


@dataclass(frozen=True)
class Spectral(Degradation):
    """y[p] = sum_c weights[p, c] x[c], pixel by pixel.

    weights: (b or 1, bands seen, bands of the image).
    """

    weights: Float[Tensor, "b p c"]

    def __call__(self, x: Tensor) -> Tensor:
        """(b, c, *s) -> (b, p, *s)."""
        return torch.einsum("bpc,bc...->bp...", self._each(x), x)

    def adjoint(self, y: Tensor) -> Tensor:
        """(b, p, *s) -> (b, c, *s)."""
        return torch.einsum("bpc,bp...->bc...", self._each(y), y)

    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """A^T (A A^T + damp)+ y, by a small matrix per tile."""
        weights = self._each(y)
        square = weights @ weights.mT + damp * torch.eye(weights.shape[1]).to(weights)
        inner = torch.linalg.pinv(square, hermitian=True)
        return self.adjoint(torch.einsum("bpq,bq...->bp...", inner, y))

    @property
    def turns(self) -> bool:
        """It looks at one pixel at a time."""
        return True

    def image_size(self, measured: tuple[int, ...]) -> tuple[int, ...]:
        """The same size."""
        return measured

    def take(self, index: Tensor) -> "Spectral":
        """The weights of some of the tiles."""
        return self if len(self.weights) == 1 else Spectral(self.weights[index])

    def to(self, device: torch.device) -> "Spectral":
        """The weights on a device."""
        return Spectral(self.weights.to(device))

    def _each(self, like: Tensor) -> Tensor:
        return self.weights.to(like).expand(len(like), -1, -1)

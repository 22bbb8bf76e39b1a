"""A = one degradation after another: light that is blurred, then mixed, then taken by coarse pixels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from il_models.degradations.base import Degradation
from il_models.degradations.solving import conjugate_gradients

ITERATIONS, EXACT = 1000, 1e-9  # of the pseudo-inverse


@dataclass(frozen=True)
class Compose(Degradation):
    """y = last(first(x))."""

    first: Degradation
    last: Degradation

    def __call__(self, x: Tensor) -> Tensor:
        """Both, one after the other."""
        return self.last(self.first(x))

    def adjoint(self, y: Tensor) -> Tensor:
        """Both adjoints, in the other order."""
        return self.first.adjoint(self.last.adjoint(y))

    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """A^T (A A^T + damp)^-1 y by conjugate gradients: the product of pseudo-inverses is not that of the product."""
        inner = conjugate_gradients(
            lambda v: self(self.adjoint(v)) + damp * v, y, torch.zeros_like(y), ITERATIONS, EXACT
        )
        return self.adjoint(inner)

    def guess(self, y: Tensor) -> Tensor:
        """What each makes of what the other would have measured."""
        return self.first.guess(self.last.guess(y))

    @property
    def border(self) -> tuple[int, int]:
        """That of the first one; the last one's is measured through it.

        Raises:
            ValueError: the last one has a border, whose size on the grid of the image nobody knows.
        """
        if self.last.border != (0, 0):
            raise ValueError(
                f"{type(self.last).__name__} comes last and reaches beyond its measurement; let it come first, or take "
                "one degradation that is both (Subsample: a PSF, and coarser pixels)."
            )
        return self.first.border

    @property
    def turns(self) -> bool:
        """Whether both of them do."""
        return self.first.turns and self.last.turns

    @property
    def keeps_values(self) -> bool:
        """Whether both of them do."""
        return self.first.keeps_values and self.last.keeps_values

    def image_size(self, measured: tuple[int, ...]) -> tuple[int, ...]:
        """Of the first one's image, whose measurement is the last one's image."""
        return self.first.image_size(self.last.image_size(measured))

    def take(self, index: Tensor) -> "Compose":
        """The operators of some of the tiles."""
        return Compose(self.first.take(index), self.last.take(index))

    def to(self, device: torch.device) -> "Compose":
        """The operators on a device."""
        return Compose(self.first.to(device), self.last.to(device))

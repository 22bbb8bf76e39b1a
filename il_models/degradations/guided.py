"""A = coarser pixels, of a scene of which other bands were seen by finer ones."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.degradations.base import Degradation
from il_models.degradations.subsample import Subsample


@dataclass(frozen=True)
class Guided(Degradation):
    """`coarser` itself, with what helps to undo it beside it: finer bands of the same scene, the guide.

    coarser: Downsample or Subsample. guide: (b, g, v, u) on the grid of the image, where it was not measured filled.
    known: which of its pixels were. kept: measured pixels (b, 1, h, w) that are kept from learning, so that it can be
    judged by them.
    """

    coarser: Degradation
    guide: Float[Tensor, "b g v u"]
    known: Bool[Tensor, "b 1 v u"]
    kept: Bool[Tensor, "b 1 h w"]

    def __call__(self, x: Tensor) -> Tensor:
        """(b, c, v, u) -> (b, c, h, w)."""
        return self.coarser(x)

    def adjoint(self, y: Tensor) -> Tensor:
        """(b, c, h, w) -> (b, c, v, u)."""
        return self.coarser.adjoint(y)

    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """That of `coarser`: the guide is no part of it."""
        return self.coarser.pinv(y, damp)

    def guess(self, y: Tensor) -> Tensor:
        """Interpolation onto the grid of the image, without the guide."""
        return self.coarser.guess(y)

    def shrunk(self, planes: Tensor) -> Tensor:
        """Any bands as the coarse pixels would see them: where each band has its own PSF, through the mean of them."""
        A = self.coarser
        if isinstance(A, Subsample):
            A = replace(A, kernel=A.kernel.mean(1, keepdim=True))
        return A(planes)

    @property
    def turns(self) -> bool:
        """Turned alone it would no longer lie upon its guide."""
        return False

    def image_size(self, measured: tuple[int, ...]) -> tuple[int, ...]:
        """The size of the guide."""
        return self.coarser.image_size(measured)

    def take(self, index: Tensor) -> "Guided":
        """Those of some of the tiles."""
        return Guided(self.coarser.take(index), self.guide[index], self.known[index], self.kept[index])

    def to(self, device: torch.device) -> "Guided":
        """All of it on a device."""
        return Guided(self.coarser.to(device), *(each.to(device) for each in (self.guide, self.known, self.kept)))


def guided(A: Degradation, y: Tensor) -> Guided:
    """A with its guide; one without has a guide of no bands."""
    if isinstance(A, Guided):
        return A
    sides = A.image_size((y.shape[-2], y.shape[-1]))
    known = torch.ones(len(y), 1, *sides, dtype=torch.bool, device=y.device)
    return Guided(A, y.new_zeros(len(y), 0, *sides), known, torch.zeros_like(y[:, :1], dtype=torch.bool))

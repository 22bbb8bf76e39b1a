"""What a degradation must say."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Degradation(ABC):
    """A linear map from images x, shape (b, c, *s), to measurements y, the same operator or one per tile.

    Promises (tests/contracts/degradation.py): linear; <A u, v> = <u, A^T v> per tile; A A+ A = A for damp = 0;
    output i ignores tile j; `take` commutes with the map; picklable; never changes itself.
    """

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """y = A x."""

    @abstractmethod
    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y."""

    @abstractmethod
    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """A+ y, regularised: (A^T A + damp I)+ A^T y."""

    def guess(self, y: Tensor) -> Tensor:
        """An image to begin with, or to fall back on, that makes no noise larger: A+ y unless that would."""
        return self.pinv(y)

    @property
    def border(self) -> tuple[int, int]:
        """By how many px, of its own, an image reaches beyond the measurement above as below, and left as right."""
        return 0, 0

    @property
    def turns(self) -> bool:
        """Whether turning and flipping the image turns and flips the measurement, so that views may be averaged."""
        return False

    @property
    def keeps_values(self) -> bool:
        """Whether a measured pixel is a pixel of the image plus noise, so that its risk is that of the image."""
        return False

    @abstractmethod
    def image_size(self, measured: tuple[int, ...]) -> tuple[int, ...]:
        """Spatial size of x for a measurement of this spatial size."""

    def take(self, index: Tensor) -> "Degradation":
        """The operators of some of the tiles; operators without weights per tile return themselves."""
        del index
        return self

    def to(self, device: torch.device) -> "Degradation":
        """The operator on a device; operators without tensors return themselves."""
        del device
        return self

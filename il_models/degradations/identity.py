"""A = I: the measurement is the image plus noise."""

from torch import Tensor

from il_models.degradations.base import Degradation


class Identity(Degradation):
    """y = x. Pseudo-inverse y / (1 + damp)."""

    def __call__(self, x: Tensor) -> Tensor:
        """y = x."""
        return x

    def adjoint(self, y: Tensor) -> Tensor:
        """A^T y = y."""
        return y

    def pinv(self, y: Tensor, damp: float = 0.0) -> Tensor:
        """A+ y = y / (1 + damp)."""
        return y if damp == 0 else y / (1 + damp)

    @property
    def keeps_values(self) -> bool:
        """It does nothing."""
        return True

    @property
    def turns(self) -> bool:
        """It does nothing, whichever way up."""
        return True

    def image_size(self, measured: tuple[int, ...]) -> tuple[int, ...]:
        """The same size."""
        return measured

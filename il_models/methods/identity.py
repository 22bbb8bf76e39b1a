"""Identity: returns the measurement. The test double that makes the whole pipeline provable."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from il_models.method import Direct
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class Identity(Direct):
    """x = A+ y, which for A = I is the measurement."""

    name: ClassVar[str] = "identity"
    summary: ClassVar[str] = "returns its input: checks a whole pipeline without changing a pixel"
    source: ClassVar[str] = "none"
    stabilises: ClassVar[bool] = False

    @property
    def reach(self) -> int:
        """A pixel depends on itself alone."""
        return 0

    def work(self, pixels: int, channels: int) -> float:
        """One touch per pixel."""
        return float(pixels * channels)

    def estimate(self, problem: Problem) -> Tensor:
        """A+ y."""
        return problem.fallback()

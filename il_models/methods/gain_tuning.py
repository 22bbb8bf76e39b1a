"""GainTuning: one gain for each channel of each layer is adapted to a tile."""

from dataclasses import dataclass
from typing import ClassVar

from il_models.from_start import FromStart, is_gain


@dataclass(frozen=True, kw_only=True)
class GainTuning(FromStart):
    """Mohan et al., "Adaptive denoising via GainTuning", NeurIPS 2021.

    The paper adapts by SURE; R2R costs half of it and is as good.
    """

    name: ClassVar[str] = "gain_tuning"
    summary: ClassVar[str] = (
        "a learned start whose gains alone take some steps on the tile: few numbers, hard to over-fit"
    )
    source: ClassVar[str] = "Mohan et al., NeurIPS 2021, arXiv 2107.15815"

    steps: int = 40
    rate: float = 1e-2  # paper: 1e-4 for a network of 0.7 million weights

    def is_tuned(self, name: str) -> bool:
        """The gains."""
        return is_gain(name)

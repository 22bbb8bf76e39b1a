"""GainTuning: one gain for each channel of each layer is adapted to a tile."""

from dataclasses import dataclass
from typing import ClassVar

from il_models.from_start import FromStart, is_gain


@dataclass(frozen=True, kw_only=True)
class GainTuning(FromStart):
    """Mohan et al., "Adaptive denoising via GainTuning", NeurIPS 2021.

    The paper adapts by SURE; R2R costs half of it and is as good. On a few photons both lose decibels, and so it takes
    the guard of `tasks/adaptation.py`.
    """

    name: ClassVar[str] = "gain_tuning"
    summary: ClassVar[str] = "a learned start whose gains alone take some steps on the tile: 1120 numbers"
    source: ClassVar[str] = "Mohan et al., NeurIPS 2021, arXiv 2107.12815"

    steps: int = 40
    rate: float = 1e-2  # a third of it wins half as much on a lattice

    def is_tuned(self, name: str) -> bool:
        """The gains."""
        return is_gain(name)

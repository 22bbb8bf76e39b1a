"""SURE fine-tuning: all weights of a learned start take a few careful steps on a tile."""

from dataclasses import dataclass
from typing import ClassVar

from il_models.from_start import FromStart, Objective


@dataclass(frozen=True, kw_only=True)
class SureTuning(FromStart):
    """Soltanayev and Chun, "Training deep learning based denoisers without ground truth data", NeurIPS 2018.

    All weights can learn a tile's noise by heart: the rate is small, the steps are few.
    """

    name: ClassVar[str] = "sure_tuning"
    summary: ClassVar[str] = "a learned start all of whose weights take a few careful steps on the tile"
    source: ClassVar[str] = "Soltanayev and Chun, NeurIPS 2018, arXiv 1803.01314"

    steps: int = 20
    rate: float = 3e-5
    objective: Objective = "sure"

    def is_tuned(self, name: str) -> bool:
        """All but the factor on the noise level."""
        return name != "level"

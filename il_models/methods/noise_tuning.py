"""One number is adapted: the factor on the noise level that a learned start is told."""

from dataclasses import dataclass
from typing import ClassVar

from il_models.from_start import FromStart, Objective


@dataclass(frozen=True, kw_only=True)
class NoiseTuning(FromStart):
    """The noise level as the first thing to adapt: a denoiser that is told 15 % too little loses decibels.

    The factor's logarithm takes a few steps of Adam.
    """

    name: ClassVar[str] = "noise_tuning"
    summary: ClassVar[str] = (
        "a learned start and one number for each tile, the factor on the noise level that it is told"
    )
    source: ClassVar[str] = "own; the risk is that of Stein, Ann. Statist. 1981"

    steps: int = 12
    rate: float = 0.05
    objective: Objective = "sure"

    def is_tuned(self, name: str) -> bool:
        """The factor alone."""
        return name == "level"

"""Deep Image Prior: an untrained hourglass fits structure before it fits noise, and is stopped in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from il_models.average import Average
from il_models.degradations import Blur, Degradation, Identity, Mask
from il_models.draw import Draw
from il_models.fitting.held_out import Discrepancy
from il_models.fitting.variance import MovingVariance
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.priors import HourglassPrior, averaging, misfit, total_variation
from il_models.problem import Problem
from il_models.stopper import Stopper

LOOK = 5  # steps between two estimates that are compared; each costs a third of a step


@dataclass(frozen=True, kw_only=True)
class DeepImagePrior(HourglassPrior):
    """Ulyanov, Vedaldi and Lempitsky, "Deep Image Prior", CVPR 2018; with `tv` Liu et al., ICASSP 2019.

    Minimises |A f(code) - y|^2 over the measured pixels, plus `tv` sigma times the total variation of the image.

    `fast` is not the paper's method but DIP-TV by an hourglass of 120,000 weights: a tile of 128 x 128 px takes a CPU
    about a minute, a tenth of the paper's. Total variation holds the noise back; faint points and thin lines fade.
    """

    name: ClassVar[str] = "dip"
    summary: ClassVar[str] = "an untrained hourglass, stopped before it fits the noise"
    source: ClassVar[str] = "Ulyanov, Vedaldi and Lempitsky, CVPR 2018, arXiv 1711.10925; tv: Liu et al., 1810.12864"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Identity, Blur, Mask)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {"widths": (32, 32, 32, 32), "code": 16, "jitter": 0.003, "tv": 0.6, "steps": 1000},
    }

    steps: int = 3000
    rate: float = 0.01
    tv: float = 0.0  # weight of the total variation in units of the noise's sigma; arXiv 1810.12864 names none
    patience: int = 1000  # steps without a new minimum of the estimates' variance that end a tile with tv
    withheld: float = 0.02  # paper: 0; share of the pixels kept from the fit, by which its risk is known

    @property
    def average(self) -> Average:
        """Exponential, 0.99 per step, as in the paper."""
        return averaging()

    @property
    def stopper(self) -> Stopper:
        """Where the residual reaches the noise; the paper stops after so many steps, which fits one of its images.

        With total variation the residual is as large as the noise long before the image is good, so that the fit stops
        where the estimates change least (ES-EMV).
        """
        return MovingVariance(patience=self.patience, interval=LOOK) if self.tv else Discrepancy(interval=LOOK)

    def loss(self, nets: Nets, inputs: dict[str, Tensor], problem: Problem, draw: Draw, step: int) -> Tensor:
        """Mean squared misfit, plus total variation."""
        del step
        x = self.shaken(nets, inputs, draw)
        if not self.tv:
            return misfit(problem, x)
        sigma = mean(problem.noise.nominal(problem.y), problem.mask)
        return misfit(problem, x) + self.tv * sigma * total_variation(problem, x)

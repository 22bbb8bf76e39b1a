"""Deep Image Prior: an untrained hourglass fits structure before it fits noise, and is stopped in between."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from il_models.data_steps import passed
from il_models.degradations import Blur, Degradation, Downsample, Identity, Mask, Subsample
from il_models.priors import SMALL, misfit
from il_models.problem import Problem
from il_models.untrained import Untrained


@dataclass(frozen=True, kw_only=True)
class DeepImagePrior(Untrained):
    """Ulyanov, Vedaldi and Lempitsky, "Deep Image Prior", CVPR 2018; with `tv` Liu et al., ICASSP 2019.

    Minimises |A f(code) - y|^2 over the measured pixels, plus `tv` sigma times the total variation of the image.

    `fast` is not the paper's method but DIP-TV by an hourglass of 120,000 weights: a tile of 128 x 128 px takes a CPU
    about a minute, a tenth of the paper's: at sigma 25 it stops after 600 to 1100 steps, at sigma 15 after up to 1700.
    Total variation holds the noise back; faint points and thin lines fade. `sharpen` has the steps that it takes behind
    a blur, where what is blurred the more comes the later.
    """

    name: ClassVar[str] = "dip"
    summary: ClassVar[str] = "an untrained hourglass, stopped before it fits the noise"
    source: ClassVar[str] = "Ulyanov, Vedaldi and Lempitsky, CVPR 2018, arXiv 1711.10925; tv: Liu et al., 1810.12864"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Identity, Blur, Downsample, Subsample, Mask)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {**SMALL, "tv": 0.6, "steps": 2000},
        "sharpen": {**SMALL, "tv": 0.6, "steps": 4000},
    }

    steps: int = 3000
    rate: float = 0.01

    def fidelity(self, problem: Problem, x: Float[Tensor, "b c *s"]) -> Float[Tensor, " b"]:
        """Mean squared misfit."""
        return misfit(problem, x)

    def grip(self, problem: Problem) -> Float[Tensor, " b"]:
        """What A leaves of white noise: behind a blur little, and total variation would level all that it hides."""
        return passed(problem).mean(1)

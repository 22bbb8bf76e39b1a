"""Deep Image Prior with back-projection as its data term: weakly seen frequencies count as much as all others."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from il_models.data_steps import damping, projected_misfit
from il_models.degradations import Blur, Degradation, Downsample, Subsample
from il_models.priors import SMALL
from il_models.problem import Problem
from il_models.untrained import Untrained


@dataclass(frozen=True, kw_only=True)
class BackProjectionPrior(Untrained):
    """Zukerman, Tirer and Giryes, "BP-DIP: A backprojection based deep image prior", EUSIPCO 2020.

    Minimises |A+ (A f(code) - y)|^2 over the measured pixels, plus `tv` sigma times the total variation. As A+ A is a
    projection all that A lets through converges at one rate, where `dip` takes the longer for what is blurred the
    more; so it does for the noise, which A+ makes larger. |A+ r|^2 is taken as r (A A^T + d)^-1 r, as in the authors'
    programme, with d = `damp` times the noise variance + `floor`, in units of 0 to 255.
    """

    name: ClassVar[str] = "bp_dip"
    summary: ClassVar[str] = "an untrained hourglass held by back-projection: sharpens, enlarges"
    source: ClassVar[str] = "Zukerman, Tirer and Giryes, EUSIPCO 2020, arXiv 2003.05417"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Blur, Downsample, Subsample)
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "fast": {**SMALL, "tv": 0.6, "steps": 1500},
    }

    steps: int = 7000  # paper: at most 7000
    rate: float = 0.01
    jitter: float = 0.03
    damp: float = 0.01
    floor: float = 1e-3

    def fidelity(self, problem: Problem, x: Float[Tensor, "b c *s"]) -> Float[Tensor, " b"]:
        """Mean over the measured pixels of r (A A^T + d)^-1 r, where r = A x - y."""
        return projected_misfit(problem, x, damping(problem, self.damp, self.floor))

"""Detail injection: each coarse band takes so much of the guide's detail as it would have taken one scale lower."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from il_models.degradations import Degradation, Guided, guided
from il_models.detail import back_projected, detail_of, injected, regressed
from il_models.method import Direct
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.scale_below import Below, below


@dataclass(frozen=True, kw_only=True)
class LaplacianPyramid(Direct):
    """Aiazzi, Alparone, Baronti, Garzelli and Selva, PE&RS 2006; several guides as in Selva et al., JSTARS 2015.

    The guide's detail is what interpolating its coarse version leaves of it. Its gains are those of least squares one
    scale lower, where the measurement itself is what should come out: one per band and guide, for the whole tile.
    """

    name: ClassVar[str] = "glp"
    summary: ClassVar[str] = "the guide's detail, in the measure in which it explains each band one scale lower"
    source: ClassVar[str] = "Aiazzi et al., PE&RS 72 (2006); Selva et al., IEEE JSTARS 8 (2015)"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Guided,)

    projections: int = 3  # of what the measurement would then still miss

    @property
    def reach(self) -> None:
        """The whole tile: gains are its own."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """Interpolations of all bands, a few times."""
        return 200.0 * pixels * channels * (1 + self.projections)

    def estimate(self, problem: Problem) -> Float[Tensor, "b c v u"]:
        """The interpolated measurement with detail, back-projected."""
        return self._injected(problem, _gains(below(problem)))

    def rehearsed(self, problem: Problem, lower: Below, nets: Nets | None) -> Float[Tensor, "b c v u"]:
        """The same one scale lower, where the gains were learned."""
        del problem, nets
        return self._injected(lower.problem, _gains(lower))

    def _injected(self, problem: Problem, gains: Float[Tensor, "b c g"]) -> Float[Tensor, "b c v u"]:
        A = guided(problem.A, problem.y)
        x = A.guess(problem.y) + injected(detail_of(A), gains)
        return back_projected(x, problem.y, A, problem.mask, self.projections)


def _gains(lower: Below) -> Float[Tensor, "b c g"]:
    A = guided(lower.problem.A, lower.truth)
    return regressed(detail_of(A), lower.truth - A.guess(lower.problem.y), lower.learned)

"""Adaptive Gram-Schmidt: the part of the bands that the guide sees is put in place by the guide itself."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.degradations import Degradation, Guided, Spectral, guided
from il_models.detail import back_projected, injected, regressed
from il_models.method import Direct
from il_models.problem import Problem


@dataclass(frozen=True, kw_only=True)
class GramSchmidt(Direct):
    """Aiazzi, Baronti and Selva, "Improving component substitution pansharpening ...", IEEE TGRS 2007.

    What the guide would see of the bands is found by regression on the coarse grid (Spectral, with a constant). The
    guide takes its place: each band gets the difference, times its covariance with it. With several guides the gains
    are those of all of them together, which is ours.
    """

    name: ClassVar[str] = "gsa"
    summary: ClassVar[str] = "what the guide sees of the bands is replaced by the guide, the classical pan-sharpening"
    source: ClassVar[str] = "Aiazzi, Baronti and Selva, IEEE TGRS 45 (2007); Laben and Brower, US patent 6011875 (2000)"
    serves: ClassVar[tuple[type[Degradation], ...]] = (Guided,)

    projections: int = 0  # of what the measurement would then still miss

    @property
    def reach(self) -> None:
        """The whole tile: weights and gains are its own."""
        return

    def work(self, pixels: int, channels: int) -> float:
        """An interpolation, and two small regressions."""
        return 100.0 * pixels * channels * (1 + self.projections)

    def estimate(self, problem: Problem) -> Float[Tensor, "b c v u"]:
        """The interpolated measurement, with the guide in place of what it sees of it."""
        A = guided(problem.A, problem.y)
        enlarged = A.guess(problem.y)
        if A.guide.shape[1] == 0:
            return back_projected(enlarged, problem.y, A, problem.mask, self.projections)
        counts = problem.mask & (A.shrunk(A.known.to(problem.y)) > 1 - 1e-4)
        one = torch.ones_like(problem.y[:, :1])
        mixing = Spectral(regressed(torch.cat([problem.y, one], 1), A.shrunk(A.guide), counts))
        seen = mixing(torch.cat([problem.y, one], 1))
        middle, level = (_mean(each, counts) for each in (problem.y, seen))
        gains = _of_the_closest(seen - level, problem.y - middle, counts)
        whole = torch.cat([enlarged, torch.ones_like(enlarged[:, :1])], 1)
        missing = (A.guide - mixing(whole)).masked_fill(~A.known, 0.0)
        return back_projected(enlarged + injected(missing, gains), problem.y, A, problem.mask, self.projections)


def _of_the_closest(seen: Tensor, bands: Tensor, counts: Tensor) -> Float[Tensor, "b c g"]:
    """Regression of each band on that guide alone with which it is most correlated; both without their means."""
    kept = counts.to(seen)
    power, own = ((each**2 * kept).flatten(2).sum(2).clamp(min=1e-30) for each in (seen, bands))
    shared = (bands * kept).flatten(2) @ seen.flatten(2).mT
    alike = shared.abs() / (own[:, :, None] * power[:, None, :]).sqrt()
    chosen = torch.zeros_like(alike).scatter(2, alike.argmax(2, keepdim=True), 1.0)
    return chosen * shared / power[:, None, :]


def _mean(x: Float[Tensor, "b c h w"], counts: Tensor) -> Float[Tensor, "b c 1 1"]:
    """Of each channel, over the pixels that count."""
    kept = counts.expand_as(x)
    total = torch.where(kept, x, torch.zeros_like(x)).sum((-2, -1), keepdim=True)
    return total / kept.sum((-2, -1), keepdim=True).clamp(min=1)

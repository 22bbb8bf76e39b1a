"""Whether an adapted network may replace the one that it began from: two witnesses, on what neither was fitted to."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.draw import Draw
from il_models.fitting.withholding import from_neighbours
from il_models.method import Fitted
from il_models.metrics import mean, standard_error
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.risk import RESOLUTION, Estimate

SURE_OF = 2.0  # standard errors
LEAST = 0.0005  # of the noise variance: a gain that is worth the name, where weights cannot have learned the noise
MISJUDGED = 0.06  # of the noise variance: by so much its level may be wrong, which SURE multiplies with a slope
WHITE = 0.25  # correlation of neighbours up to which they tell nothing of each other's noise
STRIDE = 4
PLACES = ((0, 0), (2, 1), (1, 3), (3, 2))  # of the pixels in cells of 4 x 4 that are hidden in turn


@dataclass(frozen=True)
class Gain:
    """By how much the squared error fell, in units of the noise variance, and the standard error of that, per tile."""

    mean: Float[Tensor, " b"]
    error: Float[Tensor, " b"]

    def exceeds(self, margin: Float[Tensor, " b"]) -> Bool[Tensor, " b"]:
        """Whether it surely does; a number that is not finite does not."""
        return self.mean - SURE_OF * self.error > margin


def is_better(
    problem: Problem, method: Fitted, base: tuple[Nets, Estimate], adapted: tuple[Nets, Estimate]
) -> Bool[Tensor, " b"]:
    """Which tiles' adapted networks are surely better than those that they began from, by more than witnesses can err.

    Both witnesses must say so. SURE with fresh probes sees the tile as it is, but believes the noise level, as most
    adaptations do, and cannot see weights that have learned the noise. The other hides a quarter of the pixels in turn,
    and compares what the networks make of their surroundings with what was measured there: it believes no level, only
    that neighbours' noise is independent (Batson and Royer, "Noise2Self", ICML 2019). Where the noise is coloured
    neither can be believed, and nothing is better.

    Weights that were fitted to the measurement know its noise a little, which both witnesses take for a gain: all
    weights at a wild rate lose 0.3 dB and seem to win 0.03 of the noise variance. Others need less (`_bars`).

    Args:
        problem: of b tiles.
        method: whose networks they are.
        base, adapted: networks, and their estimates with slopes by the same probes.
    """
    power = mean(problem.noise.sigma(base[1].x) ** 2, problem.mask).clamp(min=1e-30)
    full = _gain(_stein(problem, base[1]) - _stein(problem, adapted[1]), problem.mask, power)
    least, least_where_hidden = _bars(problem, method, base[1], adapted[1], power)
    promised = full.exceeds(least) & (problem.noise.colour <= WHITE)
    if not bool(promised.any()):
        return promised  # the other witness takes eight times as long
    return promised & _gain_where_hidden(problem, method, base[0], adapted[0], power).exceeds(least_where_hidden)


def _bars(
    problem: Problem, method: Fitted, base: Estimate, adapted: Estimate, power: Tensor
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """What a gain must exceed by SURE, and where pixels are hidden, in units of the noise variance.

    Where weights cannot know the noise, hidden pixels decide, and SURE must not object by more than a misjudged level
    explains: the difference of the slopes, which it multiplies with that level. A network that lets more of the
    measurement through than the other needs so much more where pixels are hidden.
    """
    if method.fits_measurement:
        return torch.full_like(power, RESOLUTION), torch.full_like(power, RESOLUTION)
    doubt = MISJUDGED * mean(2 * (base.slope - adapted.slope), problem.mask) / power
    return -doubt.clamp(min=0), LEAST + (-doubt).clamp(min=0)


def _stein(problem: Problem, estimate: Estimate) -> Float[Tensor, "b c h w"]:
    """What SURE adds up, without the variance, which is the same for both."""
    return (problem.y - estimate.x) ** 2 + 2 * estimate.slope


def _gain_where_hidden(problem: Problem, method: Fitted, base: Nets, adapted: Nets, power: Tensor) -> Gain:
    fell, asked = torch.zeros_like(problem.y), torch.zeros_like(problem.mask)
    for row, column in PLACES:
        grid = torch.zeros_like(problem.mask)
        grid[..., row::STRIDE, column::STRIDE] = True
        seen = torch.where(grid, from_neighbours(problem.y, problem.mask & ~grid), problem.y)
        part = replace(problem, y=seen)
        errors = [(_image(method, nets, part) - problem.y) ** 2 for nets in (base, adapted)]
        fell, asked = torch.where(grid, errors[0] - errors[1], fell), asked | grid
    return _gain(fell, asked & problem.mask, power)


def _image(method: Fitted, nets: Nets, problem: Problem) -> Tensor:
    draw = Draw(problem.seeds)
    with torch.no_grad():
        return method.estimate(nets, method.prepare(problem, draw), problem, draw)


def _gain(fell: Float[Tensor, "b c h w"], mask: Bool[Tensor, "b 1 h w"], power: Float[Tensor, " b"]) -> Gain:
    return Gain(mean(fell, mask) / power, standard_error(fell, mask) / power)

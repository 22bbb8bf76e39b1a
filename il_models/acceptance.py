"""Whether an adapted network may replace the one that it began from: two witnesses, on what neither was fitted to."""

from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.diagonals import diagonals, measured_cells
from il_models.draw import Draw
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.noise import Noise
from il_models.problem import Problem
from il_models.risk import RESOLUTION, Estimate

SURE_OF = 2.0  # standard errors
WHITE = 0.25  # correlation of neighbours up to which a half-size pair counts as independent


@dataclass(frozen=True)
class Gain:
    """By how much the squared error fell, in units of the noise variance, and the standard error of that, per tile."""

    mean: Float[Tensor, " b"]
    error: Float[Tensor, " b"]

    def exceeds(self, margin: float) -> Bool[Tensor, " b"]:
        """Whether it surely does; a number that is not finite does not."""
        return self.mean - SURE_OF * self.error > margin


def is_better(
    problem: Problem, method: Fitted, base: tuple[Nets, Estimate], adapted: tuple[Nets, Estimate]
) -> Bool[Tensor, " b"]:
    """Which tiles' adapted networks are surely better than those that they began from.

    Both witnesses must say so. SURE with fresh probes sees the tile as it is, but believes the noise level, as most
    adaptations do; it must see more than it can be wrong by. The half-size pair of Zero-Shot Noise2Noise believes no
    level, but sees half of the resolution: one copy is restored and compared with the other, of independent noise.
    Under coloured noise it is not independent, and SURE decides alone.

    Args:
        problem: of b tiles.
        method: whose networks they are.
        base, adapted: networks, and their estimates with slopes by the same probes.
    """
    power = mean(problem.noise.sigma(base[1].x) ** 2, problem.mask).clamp(min=1e-30)
    full = _gain(_stein(problem, base[1]) - _stein(problem, adapted[1]), problem.mask, power)
    half = _half_gain(problem, method, base[0], adapted[0], power)
    believed = half.exceeds(0.0) | (problem.noise.colour > WHITE)
    return full.exceeds(RESOLUTION) & believed


def _stein(problem: Problem, estimate: Estimate) -> Float[Tensor, "b c h w"]:
    """What SURE adds up, without the variance, which is the same for both."""
    return (problem.y - estimate.x) ** 2 + 2 * estimate.slope


def _half_gain(problem: Problem, method: Fitted, base: Nets, adapted: Nets, power: Tensor) -> Gain:
    pair, cells = diagonals(problem.y), measured_cells(problem.mask)
    height, width = (side - side % method.multiple for side in pair.shape[-2:])
    if min(height, width) == 0:
        never = torch.full_like(power, -torch.inf)
        return Gain(never, torch.zeros_like(never))
    pair, cells = pair[..., :height, :width], cells[..., :height, :width]
    noise = Noise(problem.noise.gain / 2, problem.noise.variance / 2, problem.noise.correlation)
    fell = torch.zeros_like(pair[:, 0])
    for seen, kept in ((0, 1), (1, 0)):
        small = replace(problem, y=pair[:, seen], mask=cells, noise=noise)
        errors = [(_image(method, nets, small) - pair[:, kept]) ** 2 for nets in (base, adapted)]
        fell = fell + (errors[0] - errors[1]) / 2
    return _gain(fell, cells, power)


def _image(method: Fitted, nets: Nets, problem: Problem) -> Tensor:
    draw = Draw(problem.seeds)
    with torch.no_grad():
        return method.estimate(nets, method.prepare(problem, draw), problem, draw)


def _gain(fell: Float[Tensor, "b c h w"], mask: Bool[Tensor, "b 1 h w"], power: Float[Tensor, " b"]) -> Gain:
    centre = mean(fell, mask)
    spread = mean((fell - centre[:, None, None, None]) ** 2, mask).sqrt()
    count = (mask.flatten(1).sum(1) * fell.shape[1]).clamp(min=1)
    return Gain(centre / power, spread / count.sqrt() / power)

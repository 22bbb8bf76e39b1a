"""Each pixel as a mean of those whose surroundings look alike: a method of its own, and the prior of others."""

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor


def patch_means(
    y: Float[Tensor, "b c *s"], *, h: float, scale: float, patch_size: int, patch_distance: int
) -> Float[Tensor, "b c *s"]:
    """Non-local means of images whose noise has the standard deviation `scale`; channels decide together.

    Buades, Coll and Morel, "A non-local algorithm for image denoising", CVPR 2005; the noise's own part in the distance
    d of two patches is taken off, and one displacement is looked at after the other, for both pixels of each pair at
    once (Darbon et al., ISBI 2008). The weight is (1 - d / (2 h)^2)^4, which near 0 is the exponential exp(-d / h^2)
    and reaches 0 without a step (Goossens et al., "An improved non-local denoising algorithm", LNLA 2008).

    On a GPU the batch is filtered at once; on a CPU tile by tile, each of which stays in its cache. There it takes less
    than half the time of scikit-image's, at the same quality, and it need not leave the device
    (benchmarks/results/nonlocal_means.md).

    Args:
        y: measurements; beyond their borders they are continued by reflection.
        h: cut-off, in units of `scale`: of the root mean square by which patches differ beyond the noise.
        scale: in the units of y.
        patch_size: px, odd.
        patch_distance: px along each axis to the furthest patch that is compared.
    """
    run = _Means(h, scale, patch_size, patch_distance)
    return run(y) if y.is_cuda else torch.cat([run(one) for one in y.split(1)])


class _Means:
    """The filter with its settings, in units in which patches that do not count are 1 or more apart.

    Images are flat, so that a displacement is one step in memory. What lies across a border then belongs to the other
    end of a neighbouring row; but only pixels of the continuation, which are cut off in the end, meet such.
    """

    def __init__(self, h: float, scale: float, size: int, far: int) -> None:
        self.size, self.far, self.reach = size, far, far + size // 2
        self.unit, self.noise = 2 * h * scale, 2 / (2 * h) ** 2

    def __call__(self, y: Tensor) -> Tensor:
        sides = [side + 2 * self.reach for side in y.shape[2:]]
        steps = [math.prod(sides[axis + 1 :]) for axis in range(len(sides))]
        unit = self.unit * (y.shape[1] * self.size ** len(sides)) ** 0.5
        x = (_continued(y, self.reach) / unit).flatten(2)
        total, weight = x.clone(), torch.ones_like(x[:, :1])
        middle = self.size // 2 * sum(steps)  # of a patch, from its first pixel on
        for apart in _displacements(self.far, steps):
            share = self._alike(x, apart, steps)
            first, later = (slice(start, start + share.shape[2]) for start in (middle, middle + apart))
            total[..., first].addcmul_(share, x[..., later])
            total[..., later].addcmul_(share, x[..., first])
            weight[..., first].add_(share)
            weight[..., later].add_(share)
        found = total.div_(weight).mul_(unit).unflatten(2, sides)
        return found[(..., *[slice(self.reach, -self.reach)] * len(sides))]

    def _alike(self, x: Tensor, apart: int, steps: Sequence[int]) -> Tensor:
        """The weight of each pixel and the one so far behind it, (b, 1, n), from the middle of the first patch on."""
        distance = (x[..., :-apart] - x[..., apart:]).square_()
        distance = distance if x.shape[1] == 1 else distance.sum(1, keepdim=True)
        for step in steps:
            distance = _sums(distance, self.size, step)
        return torch.rsub(distance, 1 + self.noise).clamp_(0, 1).square_().square_()


def _displacements(far: int, steps: Sequence[int]) -> list[int]:
    """As steps in memory; of every two opposite ones the one ahead."""
    everywhere = product(range(-far, far + 1), repeat=len(steps))
    return [
        sum(along * step for along, step in zip(each, steps, strict=True))
        for each in everywhere
        if each > (0,) * len(steps)
    ]


def _continued(y: Tensor, reach: int) -> Tensor:
    """y with so many pixels more on each side, reflected as often as a small image needs it."""
    for axis in range(2, y.ndim):
        place = np.pad(np.arange(y.shape[axis]), reach, mode="reflect")
        y = y.index_select(axis, torch.from_numpy(place).to(y.device))
    return y


def _sums(x: Tensor, size: int, step: int) -> Tensor:
    """Sums of so many values, a step apart: each is that of two halves."""
    if size == 1:
        return x
    half, count = size // 2, x.shape[-1] - (size - 1) * step
    halves = _sums(x, half, step)
    found = halves[..., :count] + halves[..., half * step : half * step + count]
    return found if size % 2 == 0 else found.add_(x[..., (size - 1) * step :])

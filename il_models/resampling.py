"""Resampling along an axis as a sum of a few neighbours, with its exact adjoint.

Where the samples lie is said, never assumed: half a pixel costs a decibel. On the grid `centre` the borders of the
image are those of the measurement, and a coarse pixel lies in the middle of those that it covers; on the grid `corner`
the first pixels of both lie upon each other, as where every second pixel was kept.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

Grid = Literal["centre", "corner"]
Kernel = Literal["bicubic", "average"]
WIDTH = {"bicubic": 4.0, "average": 1.0}


@dataclass(frozen=True)
class Taps:
    """Each of n samples as a weighted sum of p old ones along an axis: new[i] = sum_p weight[i, p] old[index[i, p]]."""

    index: Int[Tensor, "n p"]
    weight: Float[Tensor, "n p"]

    def __call__(self, x: Tensor, axis: int) -> Tensor:
        """x resampled along an axis. Elementwise, so that no tile's sums depend on how many there are."""
        index, weight = self.index.to(x.device), self.weight.to(x)
        shape = [-1 if place == axis % x.ndim else 1 for place in range(x.ndim)]
        parts = (x.index_select(axis, index[:, p]) * weight[:, p].reshape(shape) for p in range(index.shape[1]))
        total = next(parts)
        for part in parts:
            total = total + part
        return total

    def matrix(self, n: int) -> Float[Tensor, "m n"]:
        """The same as a matrix that acts on n old samples, float64."""
        return torch.zeros(len(self.index), n, dtype=torch.float64).scatter_add_(1, self.index, self.weight)

    @staticmethod
    def of(matrix: Float[Tensor, "m n"]) -> "Taps":
        """The entries of a matrix that are not zero; rows with fewer than others are filled up with weights of 0."""
        most = max(1, int((matrix != 0).sum(1).max()))
        index = (matrix != 0).to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :most]
        return Taps(index.contiguous(), matrix.gather(1, index).contiguous())


@lru_cache(maxsize=256)
def resampling(old: int, new: int, scale: float, kernel: Kernel = "bicubic", grid: Grid = "centre") -> Taps:
    """From `old` samples to `new` ones, `scale` times as dense, as MATLAB's imresize does it.

    Bicubic: Keys' cubic convolution (IEEE TASSP 1981) with a = -0.5, stretched by 1 / scale where samples get sparser,
    so that nothing aliases. Average: the same with a box, which for whole factors is pooling. Borders are reflected,
    the border pixel included.
    """
    stretch = max(1.0, 1 / scale)
    place = torch.arange(new, dtype=torch.float64)
    middle = (place + 0.5) / scale - 0.5 if grid == "centre" else place / scale
    reach = WIDTH[kernel] * stretch / 2
    first = (middle - reach).floor()
    at = first[:, None] + torch.arange(math.ceil(2 * reach) + 2, dtype=torch.float64)
    weight = _height((middle[:, None] - at) / stretch, kernel)
    weight = weight / weight.sum(1, keepdim=True)
    index = reflected(at.long(), old)
    return Taps.of(torch.zeros(new, old, dtype=torch.float64).scatter_add_(1, index, weight))


@lru_cache(maxsize=256)
def resampling_adjoint(old: int, new: int, scale: float, kernel: Kernel = "bicubic", grid: Grid = "centre") -> Taps:
    """The transpose of `resampling` of the same arguments: from `new` samples to `old` ones."""
    return Taps.of(resampling(old, new, scale, kernel, grid).matrix(old).T)


@lru_cache(maxsize=64)
def reflection(side: int, before: int, after: int) -> Taps:
    """`side` samples, and so many more on both ends, reflected at the middle of the border pixel (numpy: reflect)."""
    at = torch.arange(-before, side + after)
    period = max(1, 2 * side - 2)
    index = at.remainder(period)
    index = torch.where(index >= side, period - index, index)
    return Taps(index[:, None], torch.ones(len(index), 1, dtype=torch.float64))


@lru_cache(maxsize=64)
def reflection_adjoint(side: int, before: int, after: int) -> Taps:
    """The transpose of `reflection`: what lies outside is added to where it came from."""
    return Taps.of(reflection(side, before, after).matrix(side).T)


def resized(
    x: Float[Tensor, "b c h w"], sides: tuple[int, int], scale: float, kernel: Kernel = "bicubic", grid: Grid = "centre"
) -> Float[Tensor, "b c v u"]:
    """Images of other sides, `scale` times as dense in both axes: imresize where the grid is `centre`."""
    for axis, side in zip((-2, -1), sides, strict=True):
        x = resampling(x.shape[axis], side, scale, kernel, grid)(x, axis)
    return x


def reflected(index: Int[Tensor, "..."], side: int) -> Int[Tensor, "..."]:
    """Places outside 0 ... side - 1 mirrored at the outer edge of the border pixel, however far they lie outside."""
    index = index.remainder(2 * side)
    return torch.where(index >= side, 2 * side - 1 - index, index)


def _height(distance: Tensor, kernel: Kernel) -> Tensor:
    """The kernel at a distance in old samples."""
    if kernel == "average":
        return ((distance >= -0.5) & (distance < 0.5)).to(distance)
    return cubic(distance)


def cubic(distance: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Keys' cubic convolution kernel, a = -0.5, at a distance in samples."""
    t = distance.abs()
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return torch.where(t <= 1, near, torch.where(t <= 2, far, torch.zeros_like(t)))

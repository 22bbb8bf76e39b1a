"""What can be believed of an image that undoes a degradation: does it keep the light, and does it ring?"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, max_pool2d, pad

from il_models.metrics import mean
from il_models.problem import Problem
from il_models.risk import Estimate
from tasks.problems import Intensity
from tasks.quality import rows_of
from tasks.tolerance import TOLERANCE

SURE = 4  # standard errors of the mean of a tile by which its flux must be known
AROUND = 2  # px of a measurement whose range an image is held against, at least


def sharpened_columns(problem: Problem, intensity: Intensity, own: Estimate, owned: Tensor) -> list[dict[str, Any]]:
    """The columns `flux` and `ringing`, one dict per tile; empty where A keeps values.

    Args:
        problem: as it was fitted.
        intensity: back to data units.
        own: its restoration.
        owned: (b, 1, h, w), the pixels that a tile owns; others are not looked at.
    """
    if own.image is None:
        return [{} for _ in range(problem.b)]
    seen = problem.mask & owned
    return rows_of({"flux": flux(problem, intensity, own.x, seen), "ringing": ringing(problem, own.image, seen)})


def flux(problem: Problem, intensity: Intensity, x: Tensor, seen: Tensor) -> Tensor:
    """By how much an image, measured again, has more light than its measurement, as a share of that, (b,).

    nan where the noise of so many pixels hides what a tile must not miss.

    Args:
        x: the image as it would be measured, (b, c, h, w).
        seen: pixels that count, (b, 1, h, w).
    """
    number = seen.flatten(1).sum(1).clamp(min=1)
    sigma = (mean(problem.noise.nominal(x) ** 2, seen) / (number * problem.channels)).sqrt()
    before, after, one = (
        intensity.backward(_channel_means(each, seen)).sum((1, 2, 3))
        for each in (problem.y, x, _channel_means(problem.y, seen) + sigma.reshape(-1, 1, 1, 1))
    )
    error = SURE * (one - before).abs() / before.abs().clamp(min=1e-30)
    share = (after - before) / before.abs().clamp(min=1e-30)
    return torch.where(error < TOLERANCE.flux, share, torch.nan)


def ringing(problem: Problem, image: Tensor, seen: Tensor) -> Tensor:
    """How far an image swings beyond what was measured around, both above and below, over the measured contrast, (b,).

    Every measured pixel is a mean of the image around it, so that near an edge the image should stay between what was
    measured on its two sides. Fine structure may leave that range, mostly to one side; ripples leave it to both. The
    root mean square of the lesser side tells them apart (benchmarks/results/ringing.md).

    Args:
        image: (b, c, v, u), with its border.
        seen: pixels of the measurement that count, (b, 1, h, w).
    """
    (down, across), (height, width) = problem.A.border, problem.y.shape[-2:]
    factor = max(1, round((image.shape[-2] - 2 * down) / height))
    inner = image[..., down : down + height * factor, across : across + width * factor]
    reach = max(AROUND, math.ceil(max(down, across) / factor))
    highest, lowest = (_finer(sign * _greatest(sign * problem.y, problem.mask, reach), factor) for sign in (1, -1))
    counted = _finer(seen, factor)
    over, under = (
        mean(torch.where(counted, beyond.clamp(min=0), 0) ** 2, counted) for beyond in (inner - highest, lowest - inner)
    )
    contrast = mean((problem.y - _channel_means(problem.y, seen)) ** 2, seen)
    return (torch.minimum(over, under) / contrast.clamp(min=1e-30)).sqrt()


def _greatest(y: Tensor, mask: Tensor, reach: int) -> Tensor:
    """The greatest value, smoothed a little for its noise, that was measured within `reach` pixels."""
    known = mask.to(y)
    smooth = avg_pool2d(y * known, 3, 1, 1) / avg_pool2d(known, 3, 1, 1).clamp(min=1e-6)
    most = torch.where(mask, smooth, -torch.inf)
    rows = max_pool2d(pad(most, (0, 0, reach, reach), value=-torch.inf), (2 * reach + 1, 1), 1)
    return max_pool2d(pad(rows, (reach, reach), value=-torch.inf), (1, 2 * reach + 1), 1)  # for PSFs are large


def _channel_means(y: Tensor, seen: Tensor) -> Tensor:
    counted = seen.to(y)
    return (y * counted).sum((2, 3), keepdim=True) / counted.sum((2, 3), keepdim=True).clamp(min=1)


def _finer(x: Tensor, factor: int) -> Tensor:
    return x.repeat_interleave(factor, -2).repeat_interleave(factor, -1)

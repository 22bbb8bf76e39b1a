"""Measured pixels that are kept from a fit, so that something is left to judge it by."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from il_models.draw import Draw
from il_models.method import Fitted
from il_models.problem import Problem
from il_models.stopper import Stopper

SALT = 0x0DD5  # which pixels are withheld must not depend on what a method draws


def withheld(method: Fitted, stopper: Stopper) -> float:
    """The share of the measured pixels that is kept from a fit; inference without a step has none to keep them from."""
    return max(method.withheld, stopper.withholds) if method.steps else 0.0


def without(problem: Problem, share: float) -> tuple[Problem, Bool[Tensor, "b 1 *s"]]:
    """The problem without a random share of its measured pixels, and which these are."""
    if share <= 0:
        return problem, torch.zeros_like(problem.mask)
    unseen = Draw(problem.seeds ^ SALT).keep(share, *problem.mask.shape[1:]) & problem.mask
    return hiding(problem, unseen), unseen


def hiding(problem: Problem, unseen: Bool[Tensor, "b 1 *s"]) -> Problem:
    """The problem without some pixels: they leave the mask, and in their place y is the mean of their neighbours."""
    mask = problem.mask & ~unseen
    return replace(problem, y=torch.where(unseen, from_neighbours(problem.y, mask), problem.y), mask=mask)


def from_neighbours(y: Float[Tensor, "b c h w"], mask: Bool[Tensor, "b 1 h w"]) -> Float[Tensor, "b c h w"]:
    """Mean of the measured pixels of the 3x3 neighbourhood, of 5x5 where there is none, otherwise 0."""
    known = mask.to(y)
    found = torch.zeros_like(y)
    for side in (5, 3):
        total, count = (functional.avg_pool2d(v, side, 1, side // 2) * side**2 for v in (y * known, known))
        found = torch.where(count > 0.5, total / count.clamp(min=1), found)
    return found

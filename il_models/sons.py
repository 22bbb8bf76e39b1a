"""How well networks enlarge, told one scale lower: the measurement is shrunk once more, and should come back."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.draw import Draw
from il_models.method import Fitted
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.scale_below import kept_back


def kept_apart(problem: Problem) -> tuple[Problem, Bool[Tensor, "b 1 h w"]]:
    """The problem without one block of 8 x 8 measured pixels in eight, which nothing is to be learned from; and these.

    They leave the mask alone: a network sees them in sons, and is never told what it should have made of them.
    """
    height, width = problem.mask.shape[-2:]
    kept = kept_back(0, 0, height, width).to(problem.mask.device) & problem.mask
    return replace(problem, mask=problem.mask & ~kept), kept


def errors_of(
    problem: Problem, method: Fitted, nets: Nets | None, kept: Bool[Tensor, "b 1 h w"]
) -> Float[Tensor, " b"]:
    """Mean absolute error at such pixels of what is made of the shrunken measurement.

    Args:
        problem: whose A shrinks; what the factor does not divide is left out at the ends.
        nets: the method's; None: interpolation.
    """
    cell = problem.A.image_size((1, 1))[0]
    height, width = (side // cell * cell for side in problem.y.shape[-2:])
    father, kept = problem.y[..., :height, :width], kept[..., :height, :width]
    son = problem.A(father)
    if nets is None:
        made = problem.A.guess(son)
    else:
        lower = replace(problem, y=son, mask=torch.ones_like(son[:, :1], dtype=torch.bool))
        with torch.no_grad():
            draw = Draw(problem.seeds)
            made = method.estimate(nets, method.prepare(lower, draw), lower, draw)
    return mean((made - father).abs(), kept)

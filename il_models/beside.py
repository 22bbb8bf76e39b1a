"""Estimates beside a control: what can be told of one that only withheld pixels tell of."""

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.metrics import mean, standard_error
from il_models.problem import Problem
from il_models.risk import Estimate, errors, held_out


def on_a_par(own: Estimate, control: Estimate) -> tuple[Estimate, Estimate]:
    """Two estimates as they can be compared: where withheld pixels alone tell of one, by what both make of these."""
    if own.where is None or control.blind is None:
        return own, control
    return held_out(own.unaided, own.where), held_out(control.blind, own.where)


def gap_error(problem: Problem, own: Estimate, control: Estimate, weight: Tensor | float = 1.0) -> Float[Tensor, " b"]:
    """Standard error of the difference of two risks over the same pixels, in the units of problem.y squared.

    Two good estimates err alike, and the noise that both are held against is the same, so that the difference of two
    risks is far surer than each of them; but a few withheld pixels tell little.
    """
    mask = own.known(problem.mask)
    one, other = on_a_par(own, control)
    apart = weight * (errors(problem, one) - errors(problem, other))
    return standard_error(apart, mask)


def risk_beside(
    problem: Problem, own: Estimate, control: Estimate | None, weight: Tensor | float = 1.0, chance: float = 0.0
) -> Float[Tensor, " b"]:
    """Mean squared error of an estimate, of which only withheld pixels may tell, beside a control that all tell of.

    A pixel that a fit has not seen it misses by up to twice as much as others (drp and dip on 128 x 128), and a few
    hundred of them leave much to chance. Both are the same for a control that is made without these pixels. So the risk
    is the control's over all pixels, and by how much more than it the estimate misses the withheld ones: the control is
    a control variate. Without one, or with slopes at all pixels, it is `sure`.

    Args:
        problem, own, control: estimates of b tiles.
        weight: of each pixel.
        chance: standard errors by which such an estimate must be better than the control before it counts as better.
    """
    mask = own.known(problem.mask)
    if control is None or control.blind is None or own.where is None:
        return mean(weight * errors(problem, own), mask)
    one, other = on_a_par(own, control)
    more = mean(weight * (errors(problem, one) - errors(problem, other)), mask)
    unsure = (more + chance * gap_error(problem, own, control, weight)).clamp(max=0)
    return mean(weight * errors(problem, control), problem.mask) + torch.where(more < 0, unsure, more)

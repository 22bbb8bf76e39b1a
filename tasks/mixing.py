"""How much of a tile's result is the method's and how much the control's."""

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.fitting import FitRecord, Status
from il_models.mixing import STARTED_SHARE, USUAL_SHARE, best_share
from il_models.problem import Problem
from il_models.risk import Estimate

FAILED = (Status.DIVERGED, Status.OUT_OF_MEMORY)


def share_of(
    problem: Problem,
    own: Estimate,
    control: Estimate,
    records: Sequence[FitRecord],
    wanted: Literal["auto"] | float | Tensor = "auto",
    started: bool = True,
) -> Float[Tensor, " b"]:
    """The weight of the method's estimate, per tile; 0 where its fit failed, for the control is there.

    Args:
        problem: of b tiles.
        own, control: estimates with slopes.
        records: of the fits behind `own`.
        wanted: auto: by risk. One for all, or one per tile, where they are known otherwise.
        started: whether the fits began at learned weights. Adapted ones that know the noise are not let in
            (il_models/acceptance.py), and a slope that is not finite tells that the weights are spoiled.
    """
    failed = torch.tensor([record.status in FAILED for record in records], device=problem.y.device)
    if isinstance(wanted, Tensor):
        share = wanted
    elif wanted != "auto":
        share = torch.full((problem.b,), float(wanted), device=problem.y.device)
    elif started:
        share = best_share(problem, own, control, STARTED_SHARE, knowing=False)
        failed = failed | ~own.slope.isfinite().flatten(1).all(1)
    else:
        share = best_share(problem, own, control, USUAL_SHARE)
    return torch.where(failed, torch.zeros_like(share), share)

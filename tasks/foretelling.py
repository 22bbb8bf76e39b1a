"""How good bands are that finer ones sharpened: told one scale lower, at pixels that nothing was learned from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from il_models.degradations import Guided
from il_models.detail import back_projected
from il_models.method import Direct, Method
from il_models.metrics import mse
from il_models.nets import Nets
from il_models.problem import Problem
from il_models.scale_below import Below, below, rehearsal, share_by_kept

ENOUGH = 64  # pixels of a tile, to tell anything by
PLAIN = 3  # back-projections of the interpolation that everything is held against


@dataclass(frozen=True)
class Foretold:
    """b tiles one scale lower, where the measurement is the truth. own, control: what was made of it."""

    lower: Below
    own: Float[Tensor, "b c v u"]
    control: Float[Tensor, "b c v u"] | None

    def share(self) -> Float[Tensor, " b"]:
        """The weight of the method that was best there; 1 without a control, 0 where its networks are spoiled."""
        if self.control is None:
            return torch.ones(len(self.own), device=self.own.device)
        sound = self.own.isfinite().flatten(1).all(1)
        own = torch.where(sound[:, None, None, None], self.own, self.control)
        return torch.where(sound, share_by_kept(self.lower, own, self.control), 0.0)

    def rows(self, share: Float[Tensor, " b"]) -> list[dict[str, Any]]:
        """The columns of the convergence table that tell of it, for so much of the method in the result."""
        lower, w = self.lower, share[:, None, None, None]
        A, y = lower.problem.A, lower.problem.y
        made = (
            self.own
            if self.control is None
            else torch.where(w > 0, w * self.own + (1 - w) * self.control, self.control)
        )
        plain = back_projected(A.guess(y), y, A, lower.problem.mask, PLAIN)
        others = {"guide_gain": plain} | ({} if self.control is None else {"guide_skill": self.control})
        error = mse(made, lower.truth, lower.kept)
        told = {"guide_psnr": -10 * torch.log10(error)}
        told |= {name: 10 * torch.log10(mse(x, lower.truth, lower.kept) / error) for name, x in others.items()}
        enough = (lower.kept.flatten(1).sum(1) >= ENOUGH).tolist()
        lists = {name: values.double().tolist() for name, values in told.items()}
        return [
            {name: each[i] if some and math.isfinite(each[i]) else None for name, each in lists.items()}
            for i, some in enumerate(enough)
        ]


def foretold(problem: Problem, method: Method, nets: Nets | None, controls: Sequence[Direct]) -> Foretold | None:
    """What method and control make of the measurement one scale lower; None where there is no guide.

    Args:
        nets: those that the method's fit ended with, if it has any.
    """
    if not isinstance(problem.A, Guided):
        return None
    lower = below(problem)
    own = rehearsal(problem, lower, method, nets)
    return Foretold(lower, own, rehearsal(problem, lower, controls[0]) if controls else None)

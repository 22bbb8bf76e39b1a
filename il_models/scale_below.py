"""A guided problem one scale lower, where the measurement itself is the image that should come out."""

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from il_models.degradations import guided
from il_models.method import Direct, Method
from il_models.metrics import mean
from il_models.nets import Nets
from il_models.problem import Problem

BLOCK, ONE_IN = 8, 8  # px; of so many blocks one is kept back


@dataclass(frozen=True)
class Below:
    """Wald, Ranchin and Mangolini, PE&RS 1997: measurement and guide are both made coarser once more.

    problem: of the coarser measurement, guided. truth: its image, the measurement; sides that the factor does not
    divide are continued by their last pixels. learned: its pixels that methods may learn from. kept: those that are
    kept from them.
    """

    problem: Problem
    truth: Float[Tensor, "b c v u"]
    learned: Bool[Tensor, "b 1 v u"]
    kept: Bool[Tensor, "b 1 v u"]


def below(problem: Problem) -> Below:
    """The problem one scale lower. Without a guide it has one of no bands.

    What takes part was measured, and so was all that lies in the same coarser pixel; its guide is known.
    """
    A = guided(problem.A, problem.y)
    cell = A.image_size((1, 1))[0]
    down, across = (-side % cell for side in problem.y.shape[-2:])
    truth, guide = (_continued(each, down, across) for each in (problem.y, A.shrunk(A.guide)))
    seen = A.shrunk(A.known.to(guide)) > 1 - 1e-4
    mask, seen, kept = (functional.pad(each, (0, across, 0, down)) for each in (problem.mask, seen, A.kept))
    whole = functional.avg_pool2d((mask & seen).to(truth), cell) > 1 - 1e-4
    known = whole.repeat_interleave(cell, -2).repeat_interleave(cell, -1)
    lower = replace(A, guide=guide, known=seen, kept=torch.zeros_like(whole))
    return Below(replace(problem, y=A.coarser(truth), A=lower, mask=whole), truth, known & ~kept, known & kept)


def _continued(x: Tensor, down: int, across: int) -> Tensor:
    """Planes with so many rows and columns more, each like the last one."""
    rows, columns = (
        torch.arange(side + more).clamp(max=side - 1) for side, more in zip(x.shape[-2:], (down, across), strict=True)
    )
    return x[..., rows.to(x.device)[:, None], columns.to(x.device)]


@runtime_checkable
class Rehearses(Protocol):
    """A method that learns one scale lower, and can be judged there."""

    def rehearsed(self, problem: Problem, lower: Below, nets: Nets | None) -> Float[Tensor, "b c v u"]:
        """The image one scale lower, by what it learned there without the pixels that are kept from it.

        Args:
            problem: of b tiles. lower: the same, one scale lower. nets: those that its fit ended with.
        """
        ...


def rehearsal(problem: Problem, lower: Below, method: Method, nets: Nets | None = None) -> Float[Tensor, "b c v u"]:
    """What a method makes one scale lower of the measurement. One that learns nothing there is simply asked.

    Args:
        nets: those that its fit ended with.
    """
    if isinstance(method, Rehearses):
        return method.rehearsed(problem, lower, nets)
    assert isinstance(method, Direct)
    return method.estimate(lower.problem)


def kept_back(top: int, left: int, height: int, width: int) -> Bool[Tensor, "h w"]:
    """Which pixels of a box are kept from learning: one block of 8 x 8 px in eight, by its place in the whole input.

    Args:
        top, left: of the box in the input, so that all tiles and whatever is learned from all of them agree.
    """
    rows, columns = torch.arange(top, top + height) // BLOCK, torch.arange(left, left + width) // BLOCK
    return (columns + 3 * rows[:, None]) % ONE_IN == 0


def share_by_kept(
    lower: Below, own: Float[Tensor, "b c v u"], control: Float[Tensor, "b c v u"]
) -> Float[Tensor, " b"]:
    """The weight of one estimate, the rest another's, with the least squared error where pixels were kept back.

    Half where they are the same, or nothing was kept back.
    """
    apart = own - control
    gain, power = mean((lower.truth - control) * apart, lower.kept), mean(apart**2, lower.kept)
    return torch.where(power > 0, (gain / power.clamp(min=1e-30)).clamp(0, 1), torch.full_like(power, 0.5))

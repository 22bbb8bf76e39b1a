"""The average of the estimates along a fit, which a tile may get in place of the last one."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

Moments = dict[str, Tensor]  # "count" (b), "mean" and, with spread, "square" (b c *s)


@dataclass(frozen=True)
class Average:
    """Every so many steps, from step `first` on, the estimate of each tile is averaged in.

    every: steps between two estimates, each of which costs a forward pass.
    keep: weight that the old mean keeps at each (exponential averaging); None: all estimates count alike.
    spread: whether the standard deviation of the estimates is wanted as well (samples of a posterior).
    """

    every: int
    keep: float | None = None
    first: int = 0
    spread: bool = False

    def is_due(self, step: int) -> bool:
        """Whether the estimate after this step (counted from 1) is averaged in."""
        return step >= self.first and step % self.every == 0

    def add(self, moments: Moments, x: Float[Tensor, "b c *s"]) -> Moments:
        """The moments with one estimate more; {} before the first. Welford's recursion."""
        if not moments:
            blank = {"count": torch.ones(len(x), device=x.device), "mean": x}
            return blank | ({"square": torch.zeros_like(x)} if self.spread else {})
        count = moments["count"] + 1
        weight = 1 / count if self.keep is None else torch.full_like(count, 1 - self.keep)
        weight = weight.reshape(-1, *[1] * (x.ndim - 1))
        apart = x - moments["mean"]
        mean = moments["mean"] + weight * apart
        found = {"count": count, "mean": mean}
        if self.spread:
            found["square"] = (1 - weight) * (moments["square"] + weight * apart**2)
        return found


def spread_of(moments: Moments) -> Float[Tensor, "b c *s"] | None:
    """Standard deviation of the averaged estimates per pixel; None where it was not asked for."""
    return moments["square"].clamp(min=0).sqrt() if "square" in moments else None

"""Detail that finer bands show and coarse ones do not, and how much of it each coarse band takes."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.degradations import Degradation, Guided

RIDGE = 1e-4  # of the mean power of what is regressed upon: guides that say the same share their weight


def detail_of(A: Guided) -> Float[Tensor, "b g v u"]:
    """What coarse pixels do not see of the guide; 0 where it was not measured."""
    if A.guide.shape[1] == 0:
        return A.guide
    missed = A.guide - A.guess(A.shrunk(A.guide))
    return missed.masked_fill(~A.known, 0.0)


def regressed(
    onto: Float[Tensor, "b g *s"], wanted: Float[Tensor, "b c *s"], weight: Bool[Tensor, "b 1 *s"]
) -> Float[Tensor, "b c g"]:
    """Weights W of the least sum of (wanted - W onto)^2 over the pixels that count, per tile; no constant."""
    kept = weight.flatten(2)
    x = torch.where(kept, onto.flatten(2), torch.zeros_like(onto.flatten(2)))
    z = torch.where(kept, wanted.flatten(2), torch.zeros_like(wanted.flatten(2)))
    power = x @ x.mT
    g = power.shape[1]
    if g == 0:
        return z.new_zeros(len(z), z.shape[1], 0)
    ridge = RIDGE * power.diagonal(dim1=1, dim2=2).mean(1).clamp(min=1e-12)
    power = power + ridge[:, None, None] * torch.eye(g).to(power)
    return torch.linalg.solve(power, x @ z.mT).mT


def injected(detail: Float[Tensor, "b g v u"], gains: Float[Tensor, "b c g"]) -> Float[Tensor, "b c v u"]:
    """The detail that each band takes."""
    return torch.einsum("bcg,bgvu->bcvu", gains, detail)


def back_projected(
    x: Float[Tensor, "b c v u"], y: Float[Tensor, "b c h w"], A: Degradation, mask: Bool[Tensor, "b 1 h w"], times: int
) -> Float[Tensor, "b c v u"]:
    """What the measurement misses in x, enlarged and added, so many times (Irani and Peleg, CVGIP 1991)."""
    for _ in range(times):
        x = x + A.guess((y - A(x)).masked_fill(~mask, 0.0))
    return x

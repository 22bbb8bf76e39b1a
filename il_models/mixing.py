"""How much of each of two estimates a tile gets: the weights with the least estimated risk."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.beside import on_a_par
from il_models.metrics import mean
from il_models.problem import Problem
from il_models.risk import RESOLUTION, Estimate, sure

IMPOSSIBLE = -0.1  # of the noise variance: no error is negative, so a lower risk tells that weights know the noise
HOPELESS = 0.3  # of the noise variance: an estimate that is worse by so much gets no benefit of the doubt
UNSUITED = 0.1  # of the noise variance: one by weights that were learned elsewhere, and worse by so much, gets no share
SILENT = 1e-10  # of the squared range: noise below this is none
USUAL_SHARE = 0.3  # of a learned estimate beside a classical one, where their risks cannot be told apart
STARTED_SHARE = 0.7  # of one by weights that were learned elsewhere, and cannot know this noise


def best_share(
    problem: Problem, one: Estimate, other: Estimate, usual: float = USUAL_SHARE, knowing: bool = True
) -> Float[Tensor, " b"]:
    """The weight w of `one` for which w x + (1 - w) x' has the least estimated risk, per tile, between 0 and 1.

    The risk of the mixture is a parabola in w (Leung and Barron, IEEE TIT 2006, on mixing by unbiased risk). It is held
    to `usual` as firmly as SURE can be wrong, so that two estimates of much the same risk are averaged; the worse `one`
    is, the less it is held there, and not at all where it is HOPELESS. 1 where
    there is no noise, or where a slope is not finite.

    Weights that were learned elsewhere and are worse by as much as UNSUITED are left out altogether, whatever the
    parabola says: its promise of a little for a share of a bad estimate is worth less than SURE can tell (a planted
    start that gave counted photons back got 0.16, and cost half a decibel: benchmarks/results/planted_starts.md).

    Stabilised units count an error in the dark as much as one in the light, where the image has many times it; and
    where two estimates lie close together the pull to `usual` is stronger than the parabola. So of weights that were
    learned elsewhere no more is taken than the parabola alone asks for with errors as they count in the image.

    Where the risk of `one` is so far below zero that it is none, its weights have learned the very noise that SURE
    takes them not to know, and it gets 0. Weights that cannot know it tell by such a risk that the noise is misjudged,
    as that of few photons easily is: then no parabola can be believed, and it gets `usual`, or less where it is worse.

    An estimate that only withheld pixels tell of is held against what `other` makes of these without having seen them.

    Args:
        problem: of b tiles.
        one, other: estimates, with slopes.
        usual: weight of `one` where their risks cannot be told apart.
        knowing: whether the weights behind `one` may know this noise, having been fitted to it.
    """
    one, other = on_a_par(one, other)
    mask = one.known(other.known(problem.mask))
    power = mean(problem.noise.sigma(one.x) ** 2, mask)
    residual, apart = problem.y - other.x, one.x - other.x
    gain = mean(residual * apart + other.slope - one.slope, mask)
    held = RESOLUTION * power
    worse = sure(problem, one) - sure(problem, other)
    limit = HOPELESS if knowing else UNSUITED
    trust = (1 - worse / (limit * power).clamp(min=1e-30)).clamp(0, 1)
    wanted = usual * trust
    share = ((gain + held * wanted) / (mean(apart**2, mask) + held).clamp(min=1e-30)).clamp(0, 1)
    if not knowing:
        share = torch.minimum(share * trust, _share_in_image(problem, one, other, mask))
    share = share.nan_to_num(1.0)
    share = torch.where(power > 0, share, torch.ones_like(share))
    chance = 3 * (2 / one.known(problem.mask).flatten(1).sum(1).clamp(min=1)).sqrt()
    impossible = (sure(problem, one) < (IMPOSSIBLE - chance) * power) & (power > SILENT)
    return torch.where(impossible, torch.zeros_like(share) if knowing else wanted, share)


def _share_in_image(
    problem: Problem, one: Estimate, other: Estimate, mask: Bool[Tensor, "b 1 *s"]
) -> Float[Tensor, " b"]:
    """The weight of `one` with the least risk in the image; 1 where the noise was not stabilised.

    Weighted, Stein's estimate holds as before for weights that do not depend on the noise; those of `other`, which is
    smooth, hardly do. Channels count alike.
    """
    counts = problem.noise.importance(other.x)
    if counts is None:
        return torch.ones(problem.b, device=problem.y.device)
    seen = mask.expand_as(counts)
    each = (counts * seen).flatten(2).sum(2) / seen.flatten(2).sum(2).clamp(min=1)
    counts = counts / each.reshape(*each.shape, *[1] * (counts.ndim - 2)).clamp(min=1e-30)
    apart = one.x - other.x
    gain = mean(counts * ((problem.y - other.x) * apart + other.slope - one.slope), mask)
    share = (gain / mean(counts * apart**2, mask).clamp(min=1e-30)).clamp(0, 1)
    return torch.where((counts != 1).flatten(1).any(1), share, torch.ones_like(share))


def mixture(one: Estimate, other: Estimate, share: Float[Tensor, " b"]) -> Estimate:
    """share times one estimate and the rest of the other, which alone counts where the share is 0."""
    w = share.reshape(-1, *[1] * (one.x.ndim - 1))
    where = one.where if other.where is None else one.known(other.where)
    image = None
    if one.image is not None:
        image = torch.where(w > 0, w * one.restored + (1 - w) * other.restored, other.restored)
    x, slope = (
        torch.where(w > 0, w * first + (1 - w) * second, second)  # for 0 times what is not finite is no 0
        for first, second in ((one.x, other.x), (one.slope, other.slope))
    )
    blind = None if other.blind is None else torch.where(w > 0, w * one.unaided + (1 - w) * other.blind, other.blind)
    return Estimate(x, slope, where, image, blind)

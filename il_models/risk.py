"""How wrong an estimate is, without ground truth: Stein's unbiased risk estimate per tile, and what it chooses."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from il_models.draw import Draw
from il_models.metrics import mean, std
from il_models.noise import coloured
from il_models.problem import Problem

RESOLUTION = 0.03  # of the noise variance: smaller risks cannot be told apart (benchmarks/results/risk.md)
IMPOSSIBLE = (
    -0.1
)  # of the noise variance: no error is negative, so a lower estimate tells that the weights know the noise
HOPELESS = 0.3  # of the noise variance: an estimate that is worse by so much gets no benefit of the doubt
UNSUITED = 0.1  # of the noise variance: one by weights that were learned elsewhere, and worse by so much, gets no share
SILENT = 1e-10  # of the squared range: noise below this is none
USUAL_SHARE = 0.3  # of a learned estimate beside a classical one, where their risks cannot be told apart
STARTED_SHARE = 0.7  # of one by weights that were learned elsewhere, and cannot know this noise


@dataclass(frozen=True)
class Estimate:
    """An image of each tile, and how it answers to the noise.

    x: in the units of problem.y. slope: sigma_i^2 df_i/dy_i of every pixel of x = f(y), in these units squared.
    where: the pixels at which the slope is known; None: at all of them. image: where A is not the identity x is the
    image as it would be measured, A times this one, and every risk is that of the measurement; None: x itself.
    blind: x as it is made without the pixels that were withheld from a fit beside it, of worth only there; None: x.
    """

    x: Float[Tensor, "b c *s"]
    slope: Float[Tensor, "b c *s"]
    where: Bool[Tensor, "b 1 *s"] | None = None
    image: Float[Tensor, "b c *i"] | None = None
    blind: Float[Tensor, "b c *s"] | None = None

    @property
    def unaided(self) -> Tensor:
        """x, made without the pixels that were withheld."""
        return self.x if self.blind is None else self.blind

    @property
    def restored(self) -> Tensor:
        """The image, on its own grid."""
        return self.x if self.image is None else self.image

    def known(self, mask: Bool[Tensor, "b 1 *s"]) -> Bool[Tensor, "b 1 *s"]:
        """The pixels of a mask at which the slope is known."""
        return mask if self.where is None else mask & self.where


def probed(
    problem: Problem,
    x: Float[Tensor, "b c *s"],
    f: Callable[[Tensor], Tensor],
    draw: Draw,
    probes: int = 1,
    epsilon: float = 0.1,
) -> Estimate:
    """x = f(y) with its slope, from random signs s: df_i/dy_i ~ s_i (f(y + h s) - f(y))_i / h with h = epsilon sigma.

    Right in the mean over many pixels, not for each. Ramani, Blu and Unser, "Monte-Carlo SURE", IEEE TIP 2008, eq. 14.
    For noise of covariance C what is wanted is the trace of C df/dy, so the probe has the colour of the noise.

    Args:
        problem: denoising (A = I) with Gaussian noise; sigma may differ between channels and with intensity.
        f: a measurement of the whole batch -> its estimate.
        draw: one stream per tile, the probe's.
        probes: how many probes are averaged.
        epsilon: step of the difference in units of sigma; below 0.01 float32 loses digits.
    """
    sigma = problem.noise.sigma(x)
    slope = torch.zeros_like(x)
    for _ in range(probes):
        signs = coloured(draw.signs(*problem.y.shape[1:]).to(problem.y), problem.noise) * problem.mask
        moved = f(problem.y + epsilon * sigma * signs)
        slope = slope + signs * sigma * (moved - x) / (epsilon * probes)
    return Estimate(x, slope)


def held_out(x: Float[Tensor, "b c *s"], unseen: Bool[Tensor, "b 1 *s"] | None) -> Estimate:
    """x with its slope where it is known without a probe: at pixels that the fit has not seen it is 0.

    For noise that is independent between pixels. Where nothing was withheld (None) no slope is known, and every risk is
    nan.
    """
    if unseen is None:
        return Estimate(x, torch.full_like(x, torch.nan))
    return Estimate(x, torch.zeros_like(x), unseen)


def sure(problem: Problem, estimate: Estimate) -> Float[Tensor, " b"]:
    """Mean squared error over the measured pixels, in the units of problem.y squared.

    |x - y|^2 / n - sigma^2 + (2 / n) sum sigma_i^2 df_i/dy_i. Stein, Ann. Statist. 1981.
    """
    return mean(errors(problem, estimate), estimate.known(problem.mask))


def errors(problem: Problem, estimate: Estimate) -> Float[Tensor, "b c *s"]:
    """What Stein's estimate is the mean of: right in the mean over many pixels, not for each."""
    sigma = problem.noise.sigma(estimate.x)
    return (problem.y - estimate.x) ** 2 - sigma**2 + 2 * estimate.slope


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
    return std(apart, mask) / (mask.flatten(1).sum(1).clamp(min=1) * problem.channels) ** 0.5


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

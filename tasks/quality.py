"""What can be believed of a tile without ground truth: residual, risk, skill, shift."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from il_models.beside import gap_error, risk_beside
from il_models.degradations import Downsample, Guided, Subsample
from il_models.displacement import displacement
from il_models.draw import Draw
from il_models.fitting import Fit, fit
from il_models.fitting.withholding import hiding
from il_models.method import Direct, Fitted, Method
from il_models.metrics import autocorrelation, mean, std
from il_models.mixing import best_share, mixture
from il_models.problem import Problem
from il_models.risk import RESOLUTION, Estimate, held_out, probed, sure
from tasks.problems import Intensity

PROBE_SALT = 0x51C  # the probes of the risk are not the draws of the fit
SHIFT_SIDE = 96  # px of the middle of a measurement beside which the shift of an image is told
CHANCE = 2.0  # standard errors of the gap between two risks that are chance
VAGUE = 0.1  # as RESOLUTION, where the noise was found in few pixels (benchmarks/results/chips.md)
LEAST_NOISE = 0.1  # of the nominal noise: without a photon stabilised noise vanishes, and nothing can be divided by it


def judge(problem: Problem, own: Estimate, control: Estimate | None, owned: Tensor) -> list[dict[str, Any]]:
    """The columns of the convergence table that need no reference, one dict per tile.

    Args:
        problem: as it was fitted.
        own: its restoration; control: that of the classical control, or None.
        owned: (b, 1, h, w), the pixels that a tile owns; others are not looked at.
    """
    seen = replace(problem, mask=problem.mask & owned)
    sigma, nominal = problem.noise.sigma(own.x), problem.noise.nominal(own.x)
    # Where noise is not stabilised the model has none in the dark, and a few dark pixels would decide the residual.
    least = LEAST_NOISE * mean(nominal**2, seen.mask).sqrt()
    nominal = torch.maximum(nominal, least.reshape(-1, *[1] * (nominal.ndim - 1)))
    residual = (problem.y - own.x) / nominal
    expected = mean((sigma / nominal) ** 2, seen.mask).sqrt().clamp(min=LEAST_NOISE)
    power = mean(sigma**2, seen.mask).clamp(min=1e-30)
    risk = risk_beside(seen, own, control, chance=CHANCE) / power
    columns = {
        "residual_ratio": std(residual, seen.mask) / expected,
        "residual_mean": mean(residual, seen.mask) / expected,
        "residual_correlation": autocorrelation(residual, seen.mask) - problem.noise.correlation.mean(1),
        "risk": risk,
    }
    if isinstance(problem.A, Downsample | Subsample | Guided):
        columns["shift"] = _shift(problem, own.x)
    if control is not None:
        # at the same pixels, so that the noise of what is compared is the same
        same = seen if control.blind is not None else replace(seen, mask=own.known(seen.mask))
        other = sure(same, control) / power
        plain, chance = risk_beside(seen, own, control) / power, CHANCE * gap_error(seen, own, control) / power
        columns |= {"control_risk": other, "skill": skill(other, plain, chance)}
    return rows_of(columns)


def skill(control: Tensor, own: Tensor, chance: Tensor) -> Tensor:
    """10 log10(control's risk / own) in dB, of which the gap between the two counts as far as it is beyond chance."""
    gap = own - control
    surely = control + gap.sign() * (gap.abs() - chance).clamp(min=0)
    return 10 * torch.log10(control.clamp(min=RESOLUTION) / surely.clamp(min=RESOLUTION))


def estimated_psnr(
    problem: Problem,
    own: Estimate,
    owned: Tensor,
    intensity: Intensity,
    peaks: Sequence[float],
    vague: Sequence[bool] | None = None,
    control: Estimate | None = None,
) -> list[float | None]:
    """PSNR in dB that Stein's risk promises a tile in data units, where the peak is; None where A is undone.

    Behind a transform an error counts alike in the dark and in the light, where the image has many times it, so that
    each pixel's part of the risk is weighted by the square of the steepness of the way back. A risk below RESOLUTION
    of the noise counts as that: what is promised is no surer than the noise is known.

    Args:
        problem, own, owned: as for `judge`. intensity: of the problem. peaks: per tile, in data units.
        vague: of which tiles the noise was found in few pixels, so that VAGUE takes the place of RESOLUTION.
        control: beside which a restoration is judged that only withheld pixels tell of.
    """
    if own.image is not None:  # what a PSF took away is in no risk of the measurement
        return [None] * problem.b
    weight = intensity.steepness(own.x) ** 2
    seen = replace(problem, mask=problem.mask & owned)
    noise, mask = problem.noise.sigma(own.x) ** 2, own.known(seen.mask)
    error = risk_beside(seen, own, control, weight, CHANCE)
    least = torch.tensor([VAGUE if each else RESOLUTION for each in vague or [False] * problem.b]).to(error)
    error = torch.maximum(error, least * mean(weight * noise, mask))
    level = torch.tensor(peaks, dtype=error.dtype, device=error.device)
    return [_number(value) for value in (20 * level.log10() - 10 * error.log10()).tolist()]


def _shift(problem: Problem, seen: Tensor) -> Tensor:
    """By how much an enlarged image, measured again, lies beside what was measured, in its px, the larger axis.

    Both are interpolated onto its grid, where they are equally sharp; beside A+ y a sharper one seems to be moved.
    """
    A, (rows, columns) = problem.A, (_middle(side) for side in problem.y.shape[-2:])
    own, measured = (A.guess(each[..., rows, columns]) for each in (seen, problem.y))
    return displacement(own, measured).abs().amax(1)


def _middle(side: int) -> slice:
    first = max(0, side - SHIFT_SIDE) // 2
    return slice(first, first + SHIFT_SIDE)


def spread_over_noise(problem: Problem, std: Tensor, owned: Tensor) -> list[float | None]:
    """Root mean square of an estimate's standard deviation over the noise's, per tile, at the pixels that it owns."""
    square = mean((std / problem.noise.nominal(problem.y)) ** 2, problem.mask & owned)
    return [_number(value) for value in square.double().sqrt().tolist()]


def estimate_of(problem: Problem, done: Fit, method: Method) -> Estimate:
    """A restoration with what its risk needs.

    The same networks see the measurement again, with a little noise more; those that do not read it are judged at the
    pixels that were withheld from their fit. Where the measurement is of something else than the image's own pixels,
    what is judged is the image as it would be measured: its risk is that of the prediction, |A x - A x*|^2.
    """
    A = problem.A
    image, seen = (None, done.x) if A.keeps_values else (done.x, A(done.x))
    if done.unseen is not None or (isinstance(method, Fitted) and not method.reads_measurement):
        return replace(held_out(seen, done.unseen), image=image)
    found = probed(problem, seen, lambda y: A(_again(replace(problem, y=y), done, method)), _probes(problem))
    return replace(found, image=image)


def control_of(problem: Problem, controls: Sequence[Direct], unseen: Tensor | None = None) -> Estimate:
    """The classical restoration of each tile: of several the mixture with the least risk, one after the other.

    unseen: pixels that were withheld from the fit beside which it is judged; what it makes without them is told too.
    """
    first, *others = (_classical(problem, control, unseen) for control in controls)
    for other in others:
        first = mixture(other, first, best_share(problem, other, first, usual=0.5))
    return first


def _classical(problem: Problem, control: Direct, unseen: Tensor | None) -> Estimate:
    found = estimate_of(problem, fit(problem, control), control)
    if unseen is None:
        return found
    blind = fit(hiding(problem, unseen), control).x
    return replace(found, blind=blind if problem.A.keeps_values else problem.A(blind))


def _again(problem: Problem, done: Fit, method: Method) -> Tensor:
    """The estimate of other measurements by the networks that a fit ended with."""
    if isinstance(method, Fitted) and done.nets is not None:
        draw = Draw(problem.seeds)
        with torch.no_grad():
            return method.estimate(done.nets, method.prepare(problem, draw), problem, draw)
    assert isinstance(method, Direct)
    return method.estimate(problem)


def _probes(problem: Problem) -> Draw:
    return Draw(problem.seeds ^ PROBE_SALT)


def rows_of(columns: dict[str, Tensor]) -> list[dict[str, Any]]:
    """Columns of numbers, (b,) each, as one dict per tile; what is not finite is None."""
    lists = {name: value.double().tolist() for name, value in columns.items()}
    count = len(next(iter(lists.values())))
    return [{name: _number(values[i]) for name, values in lists.items()} for i in range(count)]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

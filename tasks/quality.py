"""What can be believed of a tile without ground truth, and with one: residual, risk, skill, verdict."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from il_models.draw import Draw
from il_models.fitting import Fit, fit
from il_models.method import Direct, Fitted, Method
from il_models.metrics import affine_match, autocorrelation, mean, psnr, std
from il_models.problem import Problem
from il_models.risk import RESOLUTION, Estimate, best_share, held_out, mixture, probed, sure
from tasks.problems import Pixels
from tasks.tiles import Tile
from tasks.tolerance import TOLERANCE, Tolerance

PROBE_SALT = 0x51C  # the probes of the risk are not the draws of the fit
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
    residual = (problem.y - own.x) / nominal
    expected = mean((sigma / nominal) ** 2, seen.mask).sqrt().clamp(min=LEAST_NOISE)
    power = mean(sigma**2, seen.mask).clamp(min=1e-30)
    risk = sure(seen, own) / power
    columns = {
        "residual_ratio": std(residual, seen.mask) / expected,
        "residual_mean": mean(residual, seen.mask) / expected,
        "residual_correlation": autocorrelation(residual, seen.mask) - problem.noise.correlation.mean(1),
        "risk": risk,
        "risk_psnr": -10 * torch.log10(risk.clamp(min=RESOLUTION) * power),
    }
    if own.image is not None:
        columns["risk_psnr"] = torch.full_like(
            risk, torch.nan
        )  # what the PSF took away is in no risk of the measurement
    if control is not None:
        # at the same pixels, so that the noise of what is compared is the same
        other = sure(replace(seen, mask=own.known(seen.mask)), control) / power
        skill = 10 * torch.log10(other.clamp(min=RESOLUTION) / risk.clamp(min=RESOLUTION))
        columns |= {"control_risk": other, "skill": skill}
    return _rows(columns)


def spread_over_noise(problem: Problem, std: Tensor, owned: Tensor) -> list[float | None]:
    """Root mean square of an estimate's standard deviation over the noise's, per tile, at the pixels that it owns."""
    square = mean((std / problem.noise.nominal(problem.y)) ** 2, problem.mask & owned)
    return [_number(value) for value in square.double().sqrt().tolist()]


def true_psnr(tile: Tile, estimate: Pixels, control: Pixels | None, clean: Pixels, affine: bool) -> dict[str, Any]:
    """True PSNR in dB of measurement, estimate and control against a clean twin over the pixels that the tile owns.

    Args:
        estimate, control, clean: (c, h, w) in data units. Peak: the scale of the input, mean of its channels.
        affine: gain and offset of each are fitted to the twin first, for captures that do not share an intensity scale.
    """
    mask = torch.zeros(1, 1, *tile.window.valid.shape, dtype=torch.bool)
    mask[0, 0, *tile.core] = torch.from_numpy(tile.window.valid[tile.core])
    mask &= torch.from_numpy(np.isfinite(clean).all(0))
    peak = float(np.mean(tile.entry.survey.scale[tile.window.channels]))
    named = {"psnr_noisy": tile.window.raw, "psnr": estimate} | ({} if control is None else {"psnr_control": control})
    twin = torch.from_numpy(clean)[None]
    found = {}
    for name, pixels in named.items():
        x = torch.from_numpy(np.where(tile.window.valid, pixels, 0))[None]
        found[name] = _number(float(psnr(affine_match(x, twin, mask) if affine else x, twin, peak, mask)))
    return found


def psnr_where(tile: Tile, image: Pixels, clean: Pixels, where: NDArray[np.bool_]) -> float | None:
    """True PSNR in dB against a clean twin over some (h, w) of the pixels that a tile owns; peak as in `true_psnr`."""
    owned = np.zeros_like(where)
    owned[tile.core] = where[tile.core]
    owned &= np.isfinite(clean).all(0)
    peak = float(np.mean(tile.entry.survey.scale[tile.window.channels]))
    x, twin = (torch.from_numpy(np.where(owned, pixels, np.float32(0)))[None] for pixels in (image, clean))
    return _number(float(psnr(x, twin, peak, torch.from_numpy(owned)[None, None]))) if owned.any() else None


def verdict(row: dict[str, Any], method: Method, limits: Tolerance = TOLERANCE) -> tuple[str, str]:
    """good, suspect or failed, and why; of a complete row of the convergence table."""
    if row["status"] == "skipped":
        return "empty", "nothing was measured here, or one value only; copied through"
    if row["status"] in ("diverged", "out_of_memory", "killed"):
        return "failed", row["stop_reason"]
    reasons = [*_reasons(row, method, limits), *_doubts(row, limits)]
    return ("suspect", "; ".join(reasons)) if reasons else ("good", "")


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


def control_of(problem: Problem, controls: Sequence[Direct]) -> Estimate:
    """The classical restoration of each tile: of several the mixture with the least risk, one after the other."""
    first, *others = (estimate_of(problem, fit(problem, control), control) for control in controls)
    for other in others:
        first = mixture(other, first, best_share(problem, other, first, usual=0.5))
    return first


def _again(problem: Problem, done: Fit, method: Method) -> Tensor:
    """The estimate of other measurements by the networks that a fit ended with."""
    if isinstance(method, Fitted) and done.nets is not None:
        draw = Draw(problem.seeds)
        with torch.no_grad():
            return method.estimate(done.nets, method.prepare(problem, draw), problem, draw)
    assert isinstance(method, Direct)
    return method.estimate(problem)


def _reasons(row: dict[str, Any], method: Method, limits: Tolerance) -> list[str]:
    """What speaks against a tile. A figure that could not be made out is None and speaks for nothing."""
    if method.name == "identity":
        return []
    known = {name: value for name, value in row.items() if value is not None}
    ratio, skill = known.get("residual_ratio", 1.0), known.get("skill", 0.0)
    correlation, seam = known.get("residual_correlation", 0.0), known.get("seam", 0.0)
    shift, colour = known.get("residual_mean", 0.0), known.get("noise_correlation", 0.0)
    white = f"; {method.name} assumes it is not" if method.assumes_white_noise else ""
    risk = known.get("risk", 0.0)
    unknown = method.needs_noise_level and row.get("noise_sigma") == 0
    found = {
        f"no noise was found, and {method.name} needs its level; state the noise in the catalogue": unknown,
        f"noise of neighbouring pixels is correlated ({colour:.2f}){white}": white
        and colour > limits.noise_correlation,
        f"only {ratio:.2f} of the expected noise was removed": ratio < limits.lowest_ratio,
        f"{ratio:.2f} times the expected noise was removed: structure may be gone": ratio > limits.highest_ratio,
        f"what was removed is correlated ({correlation:.2f}): structure may be gone": correlation > limits.correlation,
        f"the classical control is better by {-skill:.1f} dB": skill < limits.skill,
        f"the estimated error is negative ({risk:.2f} of the noise): {_negative(method)}": risk < limits.risk,
        f"neighbouring tiles disagree by {seam:.1f} of the noise": seam > limits.seam,
        f"brightness shifted by {shift:.2f} of the noise": abs(shift) > limits.brightness,
    }
    return [reason for reason, holds in found.items() if holds]


def _doubts(row: dict[str, Any], limits: Tolerance) -> list[str]:
    """What speaks against what was inferred in a tile's gaps."""
    filled, told = row.get("filled"), row.get("fill_explained")
    if not filled:
        return []
    found = {
        f"{filled:.0%} of its pixels were inferred": filled > limits.filled,
        "its filling could not be tried on measured pixels": row.get("fill_psnr") is None,
        f"its filling foretold only {max(told or 0, 0):.0%} of what varies where it was tried": told is not None
        and told < limits.explained,
    }
    return [reason for reason, holds in found.items() if holds]


def _negative(method: Method) -> str:
    """What a risk below zero tells: weights that were learned elsewhere cannot know the noise of a tile."""
    learned = isinstance(method, Fitted) and method.needs_start and method.steps == 0
    return "the noise is less than was assumed" if learned else "the network knows the noise"


def _probes(problem: Problem) -> Draw:
    return Draw(problem.seeds ^ PROBE_SALT)


def _rows(columns: dict[str, Tensor]) -> list[dict[str, Any]]:
    lists = {name: value.double().tolist() for name, value in columns.items()}
    count = len(next(iter(lists.values())))
    return [{name: _number(values[i]) for name, values in lists.items()} for i in range(count)]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""A complete row of the convergence table -> good, suspect or failed, and why, in sentences."""

from typing import Any

from il_models.method import Fitted, Method
from tasks.rehearsal import DEEP
from tasks.tolerance import TOLERANCE, Tolerance


def verdict(row: dict[str, Any], method: Method, limits: Tolerance = TOLERANCE) -> tuple[str, str]:
    """good, suspect or failed, and why; of a complete row of the convergence table."""
    if row["status"] == "skipped":
        return "empty", "nothing was measured here, or one value only; copied through"
    if row["status"] in ("diverged", "out_of_memory", "killed"):
        return "failed", row["stop_reason"]
    reasons = [*_reasons(row, method, limits), *_doubts(row, limits)]
    return ("suspect", "; ".join(reasons)) if reasons else ("good", "")


def _reasons(row: dict[str, Any], method: Method, limits: Tolerance) -> list[str]:
    """What speaks against a tile. A figure that could not be made out is None and speaks for nothing."""
    if method.name == "identity":
        return []
    known = {name: value for name, value in row.items() if value is not None}
    skill, seam = known.get("skill", 0.0), known.get("seam", 0.0)
    brightness, colour = known.get("residual_mean", 0.0), known.get("noise_correlation", 0.0)
    white = f"; {method.name} assumes it is not" if method.assumes_white_noise else ""
    risk, gain, flux = known.get("risk", 0.0), known.get("guide_gain", 0.0), known.get("flux", 0.0)
    shown = known.get("noise_shown", 1.0)
    unknown = method.needs_noise_level and row.get("noise_sigma") == 0
    found = {
        f"no noise was found, and {method.name} needs its level; state the noise in the catalogue": unknown,
        f"noise of neighbouring pixels is correlated ({colour:.2f}){white}": white
        and colour > limits.noise_correlation,
        f"the input shows only {shown:.2f} of the noise that was told: structure may be gone": shown
        < limits.noise_shown,
        **_of_residual(known, limits),
        f"one scale lower the guide made it worse than interpolation, by {-gain:.1f} dB": gain < limits.gain,
        f"the classical control is better by {-skill:.1f} dB": skill < limits.skill,
        f"the estimated error is negative ({risk:.2f} of the noise): {_negative(method)}": risk < limits.risk,
        f"neighbouring tiles disagree by {seam:.1f} of the noise": seam > limits.seam,
        f"brightness shifted by {brightness:.2f} of the noise": abs(brightness) > limits.brightness,
        f"measured again, it has {abs(flux):.1%} {'more' if flux > 0 else 'less'} light": abs(flux) > limits.flux,
    }
    return [reason for reason, holds in found.items() if holds]


def _doubts(row: dict[str, Any], limits: Tolerance) -> list[str]:
    """What speaks against what was inferred in a tile's gaps."""
    filled, told, rougher = row.get("filled"), row.get("fill_explained"), row.get("fill_rougher") or 1.0
    far = row.get("fill_deep") or 0.0
    if not filled:
        return []
    found = {
        f"{filled:.0%} of its pixels were inferred": filled > limits.filled,
        f"{far:.0%} of its pixels were inferred more than {DEEP} px from any measured one": far > limits.deep,
        "its filling could not be tried on measured pixels": row.get("fill_psnr") is None,
        f"its gaps lie where it is {rougher:.0f} times as rough as where filling could be tried": rougher
        > limits.rougher,
        f"its filling foretold only {max(told or 0, 0):.0%} of what varies where it was tried": told is not None
        and told < limits.explained,
    }
    return [reason for reason, holds in found.items() if holds]


def _negative(method: Method) -> str:
    """What a risk below zero tells: weights that were learned elsewhere cannot know the noise of a tile."""
    learned = isinstance(method, Fitted) and method.needs_start and method.steps == 0
    return "the noise is less than was assumed" if learned else "the network knows the noise"


def _of_residual(known: dict[str, Any], limits: Tolerance) -> dict[str, bool]:
    """What a residual tells against a tile.

    Who removes noise must take it out. Who enlarges need not: an image that gives the measurement back, noise and all,
    does not contradict it.
    """
    ratio, correlation = known.get("residual_ratio", 1.0), known.get("residual_correlation", 0.0)
    ringing = known.get("ringing", 0.0)
    if known.get("factor", 1) > 1:
        shift = known.get("shift", 0.0)
        return {
            f"measured again, the image misses what was measured by {ratio:.2f} times the noise": ratio
            > limits.highest_ratio,
            f"what it misses is correlated ({correlation:.2f}): structure may be gone": correlation > limits.correlation
            and ratio > limits.lowest_ratio,
            f"the image lies {shift:.2f} px beside its measurement": shift > limits.shift,
        }
    return {
        f"only {ratio:.2f} of the expected noise was removed": ratio < limits.lowest_ratio,
        f"{ratio:.2f} times the expected noise was removed: structure may be gone": ratio > limits.highest_ratio,
        f"what was removed is correlated ({correlation:.2f}): structure may be gone": correlation > limits.correlation,
        f"the image swings beyond its surroundings by {ringing:.0%} of their contrast: the PSF may be wrong": ringing
        > limits.ringing,
    }

"""Rows of trials -> who is best. A pure function of the table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.tolerance import TOLERANCE, Tolerance

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Ranked:
    """One contender's part. rank: None where it has no figure to be ranked by; then `reason` says why.

    Figures are means over the places that all have in common; dB are averaged as dB. behind: of the best, in dB of the
    figure that ranks; behind_error: its standard error over the places. wins: places at which it is the best.
    """

    recipe: str
    part: str
    rank: int | None
    places: int
    psnr: float | None = None
    ssim: float | None = None
    risk_psnr: float | None = None
    skill: float | None = None
    residual_ratio: float | None = None
    residual_correlation: float | None = None
    share: float | None = None
    steps: float | None = None
    seconds: float | None = None
    behind: float | None = None
    behind_error: float | None = None
    wins: int = 0
    failed: int = 0
    reason: str = ""


_FIGURES = (
    "psnr", "ssim", "risk_psnr", "skill", "residual_ratio", "residual_correlation", "share", "steps", "seconds",
)  # fmt: skip


def ranks_by(rows: Sequence[Row]) -> str:
    """The column that decides: the true PSNR where any row has one, otherwise the estimated."""
    return "psnr" if any(row.get("psnr") is not None for row in rows) else "risk_psnr"


def ranking(rows: Sequence[Row], limits: Tolerance = TOLERANCE) -> list[Ranked]:
    """Best first.

    With a reference by PSNR, then SSIM. Without by estimated risk, then skill; but whoever took structure out or left
    noise in (its residual is not white, or not as large as the noise) comes behind all who did not, for an estimated
    risk cannot be believed there. At the end those who have no figures.
    """
    by = ranks_by(rows)
    groups: dict[tuple[str, str], dict[tuple[str, int], Row]] = {}
    for row in rows:
        own = groups.setdefault((row["recipe"], row["part"]), {})
        if row.get(by) is not None:
            own[row["input"], row["place"]] = row
    scored = {who: own for who, own in groups.items() if own}
    common = set.intersection(*(set(own) for own in scored.values())) if scored else set()
    levels = {who: np.array([own[key][by] for key in sorted(common)]) for who, own in scored.items()}
    found = [_ranked(who, own, sorted(common)) for who, own in scored.items() if common]
    found.sort(key=lambda each: _order(each, by, limits))
    best = levels[found[0].recipe, found[0].part] if found else np.zeros(0)
    top = np.max(list(levels.values()), axis=0) if found else np.zeros(0)
    placed = [_placed(each, i + 1, levels[each.recipe, each.part], best, top) for i, each in enumerate(found)]
    reasons = {(row["recipe"], row["part"]): str(row.get("stop_reason") or "") for row in rows}
    seen = {(each.recipe, each.part) for each in placed}
    return placed + [
        Ranked(*who, rank=None, places=0, failed=len(groups[who]), reason=reasons[who] or "no place in common")
        for who in groups
        if who not in seen
    ]


def is_white(each: Ranked, limits: Tolerance = TOLERANCE) -> bool:
    """Whether what was taken out looks like the noise, all of it, and like nothing else."""
    correlation = 0.0 if each.residual_correlation is None else each.residual_correlation
    ratio = 1.0 if each.residual_ratio is None else each.residual_ratio
    return correlation <= limits.correlation and limits.lowest_ratio <= ratio <= limits.highest_ratio


def _order(each: Ranked, by: str, limits: Tolerance) -> tuple[float, ...]:
    if by == "psnr":
        return (-_known(each.psnr), -_known(each.ssim))
    return (not is_white(each, limits), -_known(each.risk_psnr), -_known(each.skill))


def _known(value: float | None) -> float:
    return -np.inf if value is None else value


def _ranked(who: tuple[str, str], own: Mapping[tuple[str, int], Row], places: list[tuple[str, int]]) -> Ranked:
    some = [own[key] for key in places]
    means: dict[str, Any] = {}
    for name in _FIGURES:
        known = [row[name] for row in some if row.get(name) is not None]
        means[name] = float(np.mean(known)) if known else None
    failed = sum(row.get("status") in ("diverged", "out_of_memory") for row in some)
    return Ranked(*who, rank=None, places=len(some), failed=failed, **means)


def _placed(each: Ranked, rank: int, own: np.ndarray, best: np.ndarray, top: np.ndarray) -> Ranked:
    gap = best - own
    error = float(gap.std(ddof=1) / np.sqrt(len(gap))) if len(gap) > 1 and rank > 1 else None
    told = {"rank": rank, "behind": float(gap.mean()), "behind_error": error, "wins": int((own >= top).sum())}
    return Ranked(**{**vars(each), **told})

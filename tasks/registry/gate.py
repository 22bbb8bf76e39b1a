"""The gate: a candidate becomes active only by what it has shown on held-out images, against its referee."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.registry.card import Card, Shown

LEAST_IMAGES = 4  # held out, of which something can be said
WORSE = 1.02  # times the referee's error that counts as no worse
SHARE = 0.95  # of the images, on which it must not be worse; also 1 - the share that is its tail
RESAMPLES = 2000
BOUND = 5.0  # percentile: one-sided, 95 %


@dataclass(frozen=True)
class Finding:
    """One test of the gate and what it came to, in words with the numbers."""

    passed: bool
    words: str


def findings(card: Card) -> tuple[Finding, ...]:
    """The tests of the gate, those that need a table of held-out errors per image; all must be passed.

    Benefit: the median over images of the gain on the referee, in dB, is above 0, and so is its one-sided 95 %
    bootstrap bound over images. Not worse: on 95 % of the images the error is at most 1.02 times the referee's. Tail:
    on the worst 5 % of the images it is not larger than that of the measurement. Several levels of an image are
    averaged, in dB, for they are no independent images.
    """
    shown = card.evidence
    if shown is None or not shown.rows:
        return (Finding(False, "the card carries no held-out evidence"),)
    table = _by_image(shown.rows)
    if len(table) < LEAST_IMAGES:
        few = f"{len(table)} held-out image{'s' if len(table) > 1 else ''}, and at least {LEAST_IMAGES} are needed"
        return (Finding(False, f"the evidence is of {few}"),)
    if not np.isfinite(table).all():
        return (Finding(False, "the evidence holds errors that are not finite, or not above 0"),)
    gain, on_input = table[:, 1] - table[:, 2], table[:, 0] - table[:, 2]
    return (_benefit(gain, shown.referee), _not_worse(gain, shown.referee), _tail(on_input))


def _by_image(rows: tuple[Shown, ...]) -> NDArray[np.float64]:
    """Errors in dB, images x (measured, referee, candidate)."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for row in rows:
        found.setdefault(row.image, []).append((row.measured, row.referee, row.candidate))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.array([(10 * np.log10(errors)).mean(0) for errors in found.values()])


def _benefit(gain: NDArray[np.float64], referee: str) -> Finding:
    random = np.random.default_rng(0)
    medians = np.median(gain[random.integers(len(gain), size=(RESAMPLES, len(gain)))], axis=1)
    middle, bound = float(np.median(gain)), float(np.percentile(medians, BOUND))
    return Finding(
        middle > 0 and bound > 0,
        f"benefit: {middle:+.2f} dB against {referee} in the median of {len(gain)} images, 95 % bound {bound:+.2f} dB "
        "(both must be above 0)",
    )


def _not_worse(gain: NDArray[np.float64], referee: str) -> Finding:
    share = float(np.mean(gain >= -10 * np.log10(WORSE)))
    return Finding(
        share >= SHARE,
        f"not worse: on {share:.0%} of the images the error is at most {WORSE} times that of {referee} ({SHARE:.0%} "
        f"are wanted; the worst {gain.min():+.2f} dB)",
    )


def _tail(on_input: NDArray[np.float64]) -> Finding:
    count = max(1, round((1 - SHARE) * len(on_input)))
    worst = float(np.sort(on_input)[:count].min())
    return Finding(worst >= 0, f"tail: {worst:+.2f} dB against the measurement on the worst image (0 is wanted)")

"""Numbers -> the geometry of small charts: histograms, scatter plots, curves. The template draws them as SVG.

Lengths are in units of the drawing, origin at its top left corner; the plot itself is WIDTH by HEIGHT.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 300.0, 110.0
BINS = 30
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)

Values = NDArray[np.float64]
Codes = NDArray[np.int8]


@dataclass(frozen=True)
class Mark:
    """A tick of an axis, or a limit."""

    at: float
    text: str


@dataclass(frozen=True)
class Bar:
    """A part of a histogram's bar. code: verdict of its tiles."""

    x: float
    y: float
    width: float
    height: float
    code: int


@dataclass(frozen=True)
class Histogram:
    """Bars, stacked by verdict. count: values; beyond: those of them that lie outside and are in the end bars."""

    bars: tuple[Bar, ...]
    ticks: tuple[Mark, ...]
    limits: tuple[Mark, ...]
    highest: int
    count: int
    beyond: int
    median: float


@dataclass(frozen=True)
class Scatter:
    """Points (x, y, verdict); both axes share their range, so the diagonal is equality. mean_error: of y - x."""

    points: tuple[tuple[float, float, int], ...]
    ticks: tuple[Mark, ...]
    count: int
    mean_error: float
    mean_absolute_error: float


@dataclass(frozen=True)
class Curve:
    """A line of a fit's loss over its steps. kept: the step whose estimate was kept."""

    line: str
    x_ticks: tuple[Mark, ...]
    y_ticks: tuple[Mark, ...]
    kept: float | None


def histogram(values: Values, codes: Codes, limits: Sequence[float] = (), whole: bool = False) -> Histogram | None:
    """The distribution of a column; None where all of it is null.

    Args:
        values, codes: one per tile, NaN where null.
        limits: drawn as lines, and always inside the range.
        whole: the values are whole numbers, so no bar is narrower than one.
    """
    seen = np.isfinite(values)
    values, codes = values[seen], codes[seen]
    if not values.size:
        return None
    low, high = _range(values, limits, whole)
    edges = np.linspace(low, high, _bins(low, high, whole) + 1)
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(place * 4 + codes, minlength=4 * (len(edges) - 1)).reshape(-1, 4)
    return Histogram(
        bars=_bars(counts, np.full(len(counts), counts.sum(1).max())),
        ticks=_ticks(low, high, WIDTH, whole=whole),
        limits=tuple(Mark((limit - low) / (high - low) * WIDTH, f"{limit:g}".replace("-", "−")) for limit in limits),
        highest=int(counts.sum(1).max()),
        count=int(values.size),
        beyond=int(((values < low) | (values > high)).sum()),
        median=float(np.median(values)),
    )


def scatter(x: Values, y: Values, codes: Codes, most: int = 1500) -> Scatter | None:
    """Two columns against each other, of all tiles or of `most` spread over them; None where no tile has both."""
    rows = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    if not rows.size:
        return None
    drawn = rows[np.linspace(0, rows.size - 1, min(most, rows.size)).astype(int)]
    both = np.concatenate([x[drawn], y[drawn]])
    low, high = _widened(float(both.min()), float(both.max()))
    at = [(values[drawn] - low) / (high - low) * HEIGHT * 2 for values in (x, y)]
    error = y[rows] - x[rows]
    points = zip(*at, codes[drawn], strict=True)
    return Scatter(
        points=tuple((float(a), 2 * HEIGHT - float(b), int(code)) for a, b, code in points),
        ticks=_ticks(low, high, 2 * HEIGHT),
        count=int(rows.size),
        mean_error=float(error.mean()),
        mean_absolute_error=float(np.abs(error).mean()),
    )


def curve(steps: Sequence[int], losses: Sequence[float], kept: int | None) -> Curve | None:
    """The loss of a fit; None where fewer than two losses were recorded."""
    x, y = np.array(steps, np.float64), np.array(losses, np.float64)
    seen = np.isfinite(y)
    x, y = x[seen], y[seen]
    if x.size < 2:
        return None
    left, right = _widened(float(x.min()), float(x.max()), 0.0)
    # A fit begins far above where it ends, which on a linear axis hides how it ends.
    powers = bool(y.min() > 0 and y.max() > 3 * y.min())
    y = np.log10(y) if powers else y
    low, high = _widened(float(y.min()), float(y.max()))
    at = (x - left) / (right - left) * WIDTH, HEIGHT - (y - low) / (high - low) * HEIGHT
    ticks = _power_ticks(low, high, HEIGHT) if powers else _ticks(low, high, HEIGHT, most=4)
    return Curve(
        line=" ".join(f"{a:.1f},{b:.1f}" for a, b in zip(*at, strict=True)),
        x_ticks=_ticks(left, right, WIDTH),
        y_ticks=tuple(Mark(HEIGHT - tick.at, tick.text) for tick in ticks),
        kept=None if kept is None else float(np.clip((kept - left) / (right - left), 0, 1)) * WIDTH,
    )


def strip(counts: NDArray[np.int64], most: int = 100) -> tuple[Bar, ...]:
    """Shares of verdicts along planes, (planes, 4), as bars of one height; beyond `most` planes several share a bar."""
    groups = np.array_split(counts, min(len(counts), most))
    columns = np.stack([group.sum(0) for group in groups])
    return _bars(columns, columns.sum(1), least=HEIGHT / 4)


def _range(values: Values, limits: Sequence[float], whole: bool) -> tuple[float, float]:
    """Nearly all values and all limits; a few far values shall not press the others into one bar."""
    low, high = (float(edge) for edge in np.percentile(values, (0.5, 99.5)))
    low, high = min(low, *limits, high), max(high, *limits, low)
    if not whole:
        return _widened(low, high)
    room = max(0, math.ceil((5 - (high - low)) / 2))
    return math.floor(low) - room - 0.5, math.ceil(high) + room + 0.5


def _bins(low: float, high: float, whole: bool) -> int:
    return max(1, min(BINS, round(high - low))) if whole else BINS


def _widened(low: float, high: float, by: float = 0.04) -> tuple[float, float]:
    room = (high - low) * by or (abs(low) * 0.1 or 1.0) * (high == low)
    return low - room, high + room


def _bars(counts: NDArray[np.int64], full: NDArray[np.int64], least: float = 1.5) -> tuple[Bar, ...]:
    """Good tiles below, failed ones on top. full: tiles that fill a bar's height. least: what can still be seen."""
    width = WIDTH / len(counts)
    bars = []
    for i, column in enumerate(counts):
        parts = {code: max(least, float(column[code] / full[i] * HEIGHT)) for code in (1, 0, 2, 3) if column[code]}
        squeeze = min(1.0, HEIGHT / max(1e-9, sum(parts.values())))
        below = HEIGHT
        for code, height in parts.items():
            below -= height * squeeze
            bars.append(Bar(i * width, below, max(width - 1, 0.8 * width), height * squeeze, code))
    return tuple(bars)


def _ticks(low: float, high: float, length: float, most: int = 6, whole: bool = False) -> tuple[Mark, ...]:
    """Round numbers along an axis."""
    rough = max((high - low) / most, 1.0 if whole else 0.0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in _STEPS if factor * power >= rough * (1 - 1e-9))
    digits = -math.floor(math.log10(step) + 1e-9) + (1 if round(step / power, 6) == 2.5 else 0)
    numbers = np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step
    return tuple(Mark(float((value - low) / (high - low)) * length, _tick(float(value), digits)) for value in numbers)


def _power_ticks(low: float, high: float, length: float) -> tuple[Mark, ...]:
    """Round numbers along a logarithmic axis, whose ends are given as powers of ten; as few as say something."""
    for first in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        powers = range(math.floor(low), math.ceil(high) + 1)
        values = [
            digit * 10.0**power for power in powers for digit in first if low <= math.log10(digit) + power <= high
        ]
        if len(values) > 1:
            break
    keep = values[:: max(1, -(-len(values) // 5))]
    return tuple(Mark((math.log10(value) - low) / (high - low) * length, f"{value:.3g}") for value in keep)


def _tick(value: float, digits: int) -> str:
    """digits: behind the decimal point, so that neighbouring ticks differ."""
    if value and (abs(value) >= 1e5 or digits > 4):
        significant = math.floor(math.log10(abs(value))) + digits + 1
        return f"{value:.{max(1, significant)}g}".replace("-", "−")
    return f"{value + 0.0:.{max(0, digits)}f}".replace("-", "−")

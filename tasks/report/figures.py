"""The tables and distributions of the report, from the columns of the convergence table."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.report.charts import Histogram, histogram
from tasks.report.tile_rows import FAILED, TileRows
from tasks.tolerance import Tolerance

PSNR = ("psnr_noisy", "psnr", "psnr_control")


@dataclass(frozen=True)
class Distribution:
    """A histogram with its words; chart is None where the column is null throughout, and `none` says why."""

    title: str
    meaning: str
    chart: Histogram | None
    none: str


@dataclass(frozen=True)
class LookAt:
    """A tile to look at. beyond: how far it is beyond the limit that it breaks most, in units of it."""

    row: dict[str, Any]
    beyond: float | None


@dataclass(frozen=True)
class InputRow:
    """An input: tiles by verdict code, and means over its tiles of what is known of them."""

    name: str
    counts: tuple[int, ...]
    means: dict[str, float | None]


def distributions(rows: TileRows, limits: Tolerance) -> list[Distribution]:
    """The distributions of the report, over the tiles that were restored."""
    ratio = (limits.lowest_ratio, limits.highest_ratio)
    shown: list[tuple[str, str, str, tuple[float, ...], str]] = [
        ("skill", "Skill against the control, dB", "above 0 the method is estimated to beat the classical control",
         (limits.skill,), "no control was run"),
        ("share", "Share of the method", "weight of the method in the result; the rest is the control's",
         (), "no control was mixed in"),
        ("residual_ratio", "Residual over expected noise", "near 1 is right; less leaves noise, more takes structure",
         ratio, "no tile was fitted"),
        ("residual_correlation", "Correlation of the residual", "near 0 is right; above, structure was taken out",
         (limits.correlation,), "no tile was fitted"),
        ("seam", "Seam score", "disagreement of neighbouring tiles where they overlap, over the noise",
         (limits.seam,), "no tiles overlap, so there are no seams to score"),
        ("noise_sigma", "Noise σ, data units", "at the mean brightness of a tile", (), "no noise was estimated"),
        ("best_step", "Stop step", "step of the fit whose estimate was kept", (), "the method takes no steps"),
    ]  # fmt: skip
    return [Distribution(title, meaning, _chart(rows, name, at), none) for name, title, meaning, at, none in shown]


def look_at(rows: TileRows, most: int) -> list[LookAt]:
    """The tiles to look at, worst first."""
    found = []
    for number in rows.worst_first[:most]:
        far = float(rows.excess[number])
        failed = bool(rows.codes[number] == FAILED)
        found.append(LookAt(rows.row(int(number)), far if far > 1 and not failed else None))
    return found


def input_table(rows: TileRows, inputs: list[int]) -> list[InputRow]:
    """Some inputs, by their numbers, in that order."""
    columns = ["skill", "residual_ratio", "noise_sigma", *PSNR]
    table = rows.columns[columns].groupby(rows.inputs).mean()
    found = []
    for number in inputs:
        own = {name: _or_none(table.at[number, name]) for name in columns}
        found.append(InputRow(rows.names[number], tuple(int(n) for n in rows.counts[number]), own))
    return found


def means(rows: TileRows, columns: tuple[str, ...]) -> dict[str, float | None]:
    """Means of columns over all tiles that have them."""
    return {name: _or_none(rows.columns[name].mean()) for name in columns}


def _chart(rows: TileRows, name: str, limits: tuple[float, ...]) -> Histogram | None:
    values = rows.columns[name].to_numpy(np.float64, na_value=np.nan).copy()
    if name == "best_step":
        values[rows.columns["status"].isin(["direct", "skipped"])] = np.nan
    return histogram(values, rows.codes, limits, whole=name == "best_step")


def _or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None

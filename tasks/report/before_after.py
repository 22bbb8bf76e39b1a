"""Tiles before and after, and what was taken out of them: the best, the middle and the worst of a collection."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.errors import InputError
from tasks.report.pictures import contrast, exact, residual_picture, stretched
from tasks.report.published import Pixels, PublishedImage, open_published, open_source, source_window
from tasks.report.tile_rows import GOOD, TileRows
from tasks.stores.place import Place

if TYPE_CHECKING:
    import xarray as xr

SIDE = 256  # px of a tile that are shown, from its middle
SHOWN = (("worst", 4), ("median", 2), ("best", 2))


@dataclass(frozen=True)
class BeforeAfter:
    """A tile in pictures, as data URIs; those that there is nothing to show for are None, and the note says why."""

    kind: str  # worst, median or best
    row: dict[str, Any]  # of the convergence table
    place: str
    before: str | None
    after: str | None
    residual: str | None
    contrast: str
    residual_unit: str
    note: str


def chosen_tiles(rows: TileRows) -> list[tuple[str, int]]:
    """Which tiles to show: kind and row. Worst are those to look at first, of several inputs where there are such.

    Best and median are chosen by skill; where no tile has one by risk, then by how near the residual is to the noise.
    """
    columns = rows.columns
    area = (columns["h"] * columns["w"]).to_numpy()
    # The last tile of a row can be a sliver, which shows little.
    good = (rows.codes == GOOD) & (area * 2 >= area.max(initial=0))
    score = next((s for s in _scores(columns) if np.isfinite(s[good]).any()), np.full(len(rows), np.nan))
    ranked = np.flatnonzero(good & np.isfinite(score))
    ranked = ranked[np.argsort(-score[ranked], kind="stable")]
    middle = max(0, len(ranked) // 2 - 1)
    order = {
        "worst": rows.worst_first[:2000] if rows.bad else ranked[::-1],
        "median": ranked[middle:],
        "best": ranked,
    }
    taken: list[tuple[str, int]] = []
    for kind, most in SHOWN:
        free = [int(row) for row in order[kind][:2000] if int(row) not in {each for _, each in taken}]
        taken += [(kind, row) for row in _spread(free, rows.inputs, most)]
    return taken


def before_after(rows: TileRows, out: Place, chosen: list[tuple[str, int]]) -> list[BeforeAfter]:
    """The pictures of some tiles, given by kind and row."""
    images: dict[str, PublishedImage | None] = {}
    sources: dict[str, xr.DataArray | str] = {}
    found = []
    for kind, number in chosen:
        row = rows.row(number)
        name = str(row["input"])
        if name not in images:
            images[name] = open_published(out, name)
        image = images[name]
        if image is not None and name not in sources:
            sources[name] = _opened(image)
        found.append(_shown(kind, row, image, sources.get(name, "")))
    return found


def _scores(columns: Any) -> list[NDArray[np.float64]]:
    skill, risk, ratio = (columns[name].to_numpy(np.float64) for name in ("skill", "risk", "residual_ratio"))
    return [skill, -risk, -np.abs(ratio - 1)]


def _spread(rows: list[int], inputs: NDArray[np.int64], most: int) -> list[int]:
    """The first rows, one of each input before a second of any."""
    first: dict[int, int] = {}
    for row in rows:
        first.setdefault(int(inputs[row]), row)
    picked = list(first.values())[:most]
    picked += [row for row in rows if row not in picked][: most - len(picked)]
    return sorted(picked, key=rows.index)


def _opened(image: PublishedImage) -> "xr.DataArray | str":
    try:
        return open_source(image)
    except InputError as error:
        return f"The input cannot be shown: {error}"


def _shown(kind: str, row: dict[str, Any], image: PublishedImage | None, source: "xr.DataArray | str") -> BeforeAfter:
    factor = 1 if image is None else image.factor
    rows, columns = (_middle(row[start], row[length], factor) for start, length in (("y0", "h"), ("x0", "w")))
    place = _place(row, rows, columns, factor)
    if image is None:
        return BeforeAfter(kind, row, place, None, None, None, "", "", "Its image is not published.")
    channels = image.shown_channels if row["c"] < 0 or image.size("c") == 1 else (row["c"],)
    after = image.window(row, channels, rows, columns)
    before: Pixels | None = None
    note = source if isinstance(source, str) else ""
    if not isinstance(source, str):
        try:
            before = source_window(source, row, channels, rows, columns)
        except (InputError, OSError, IndexError) as error:
            note = f"The input cannot be shown: {error}"
    windows = contrast(after) if before is None else contrast(before, after)
    residual, unit = (None, "") if before is None else _residual(before[0], after[0], image, channels[0], row)
    return BeforeAfter(
        kind=kind,
        row=row,
        place=place,
        before=None if before is None else exact(stretched(before, windows)),
        after=exact(stretched(after, windows)),
        residual=residual,
        contrast="; ".join(f"{low:.4g} to {high:.4g}" for low, high in windows),
        residual_unit=unit,
        note=note,
    )


def _residual(
    before: Pixels, after: Pixels, image: PublishedImage, channel: int, row: dict[str, Any]
) -> tuple[str, str]:
    """Before minus after of one channel over the noise expected at each pixel, and the unit in words.

    Of an enlarged image what counts is how it would be measured.
    """
    noise = image.said.get("noise") or []
    of = f" ({image.channels[channel]})" if image.size("c") > 1 and channel < len(image.channels) else ""
    if channel < len(noise):
        told = noise[channel]
        looks = (told.get("speckle") or {}).get("looks", np.inf)
        sigma = np.sqrt(np.maximum(told["gain"] * after + told["variance"], 0) + after**2 / looks)
        sigma = np.maximum(sigma, 0.1 * np.nanmedian(sigma)) if np.isfinite(sigma).any() else sigma
    else:
        sigma = np.full_like(after, row["noise_sigma"] or 0.0)
    residual = before - image.measured_again(channel, after)
    if np.nanmax(sigma, initial=0.0) > 0:
        return residual_picture(residual / np.maximum(sigma, 1e-30)), f"±3 σ of the noise{of}"
    largest = float(np.nanmax(np.abs(residual), initial=0.0))
    return residual_picture(3 * residual / (largest or 1.0)), f"±{largest:.3g} data units{of}; no noise is known"


def _middle(start: int, length: int, factor: int) -> slice:
    """Pixels of the image, from measured ones."""
    side = min(length, SIDE // factor)
    first = start + (length - side) // 2
    return slice(first * factor, (first + side) * factor)


def _place(row: dict[str, Any], rows: slice, columns: slice, factor: int) -> str:
    plane = [f"{axis} = {row[axis]}" for axis in "tcz" if row[axis] > 0]
    own = f"rows {row['y0']}–{row['y0'] + row['h'] - 1}, columns {row['x0']}–{row['x0'] + row['w'] - 1}"
    own += " of the measurement" if factor > 1 else ""
    cut = (rows.stop - rows.start, columns.stop - columns.start)
    whole = (row["h"] * factor, row["w"] * factor)
    part = f"; its middle {cut[0]} × {cut[1]} px are shown" if cut != whole else ""
    return ", ".join([f"tile {row['tile']}", *plane, own]) + part
